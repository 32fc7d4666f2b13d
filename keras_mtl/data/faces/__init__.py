"""Faces out of photos: found, aligned by five points, cropped; one after another, or a whole source in parallel."""
