"""How good a model is: metrics with intervals, predictions as a table, the evaluation of a run."""

from keras_mtl.lazy import lazy_names

# Metrics and statistics need numpy only, and are imported without TensorFlow.
_WHERE = {"evaluate_run": "keras_mtl.evaluation.evaluate"}
__all__ = sorted(_WHERE)  # noqa: PLE0605

__getattr__ = lazy_names(__name__, _WHERE)
