"""A trained model outside of training: the exported SavedModel and what calls it."""

from keras_mtl.lazy import lazy_names

# On demand: predicting needs nothing of what exports.
__getattr__ = lazy_names(
    __name__,
    {
        "export_model": "keras_mtl.serving.export",
        "export_run": "keras_mtl.serving.export",
        "load_exported": "keras_mtl.serving.predict",
    },
)
