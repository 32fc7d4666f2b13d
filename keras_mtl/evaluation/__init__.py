"""How good a model is: metrics with intervals, predictions as a table, the evaluation of a run."""

from __future__ import annotations


def __getattr__(name: str):
    # On demand, so that metrics and statistics, which need numpy only, are imported without TensorFlow.
    if name == "evaluate_run":
        from keras_mtl.evaluation.evaluate import evaluate_run

        return evaluate_run
    raise AttributeError(f"module 'keras_mtl.evaluation' has no attribute {name!r}")
