"""The run folder and `train`, which fills it."""

from keras_mtl.lazy import lazy_names

# The config is needed before flags are parsed, and training imports TensorFlow.
_WHERE = {
    "Config": "keras_mtl.training.config",
    "RunFolder": "keras_mtl.training.run_folder",
    "train": "keras_mtl.training.fit",
}
__all__ = sorted(_WHERE)  # noqa: PLE0605

__getattr__ = lazy_names(__name__, _WHERE)
