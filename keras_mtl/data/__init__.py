"""Images and labels: sources and their registry, decoding and its cache, splits, augmentation, batches."""

from keras_mtl.lazy import lazy_names

# Sources are parsed before TensorFlow is imported.
_WHERE = {
    "Augmentation": "keras_mtl.data.augment",
    "Source": "keras_mtl.data.source",
    "SplitData": "keras_mtl.data.splits",
    "TrainingBatches": "keras_mtl.data.batches",
    "evaluation_batches": "keras_mtl.data.batches",
    "load_split": "keras_mtl.data.splits",
    "parse_sources": "keras_mtl.data.sources",
}
__all__ = sorted(_WHERE)  # noqa: PLE0605

__getattr__ = lazy_names(__name__, _WHERE)
