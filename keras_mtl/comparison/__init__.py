"""The comparison of a multitask net with pruned and single ones, over seeds: cells, table, report."""

from keras_mtl.lazy import lazy_names

_WHERE = {"CompareConfig": "keras_mtl.comparison.config", "compare": "keras_mtl.comparison.experiment"}
__all__ = sorted(_WHERE)  # noqa: PLE0605

__getattr__ = lazy_names(__name__, _WHERE)
