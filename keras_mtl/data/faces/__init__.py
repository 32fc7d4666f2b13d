"""Photos cropped to their faces, a whole source in parallel."""
