"""Images and labels: sources and their registry, decoding and its cache, splits, augmentation, batches."""
