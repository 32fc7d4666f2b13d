"""The weightings, a file each, by its name in `keras_mtl.weighting_names.WEIGHTINGS`."""
