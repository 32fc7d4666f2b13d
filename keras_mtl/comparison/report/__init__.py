"""The comparison's report: one HTML file with table, plots, pictures and model card."""

from keras_mtl.comparison.report.write import write_report

__all__ = ["write_report"]
