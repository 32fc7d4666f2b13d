"""How good a model is: metrics with intervals, predictions as a table, the evaluation of a run."""

from keras_mtl.lazy import lazy_names

__getattr__ = lazy_names(
    __name__,
    {
        "Metric": "keras_mtl.evaluation.metrics",
        "bootstrap": "keras_mtl.evaluation.statistics",
        "evaluate_run": "keras_mtl.evaluation.evaluate",
        "score": "keras_mtl.evaluation.scoring",
    },
)
