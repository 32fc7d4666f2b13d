"""A trained model outside of training: the exported SavedModel and what calls it."""

from keras_mtl.lazy import lazy_names

# Predicting needs neither Keras nor the code that exports.
_WHERE = {
    "export_model": "keras_mtl.serving.export",
    "export_run": "keras_mtl.serving.export",
    "load_exported": "keras_mtl.serving.exported",
}
__all__ = sorted(_WHERE)  # noqa: PLE0605

__getattr__ = lazy_names(__name__, _WHERE)
