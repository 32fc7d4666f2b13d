"""Tasks whose labels are numbers."""

from __future__ import annotations

import collections
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_mtl.errors import UserError
from keras_mtl.kinds.kind import Kind
from keras_mtl.values import is_number, number_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

STEPS = 12
"""About how many parts a range is looked at in: decades, for ages."""


class Regression(Kind):
    """A number in a range, in a unit."""

    name = "regression"
    head = "dldl"
    measures = ("mae",)
    shown = "values"

    def check(self) -> None:
        task = self.task
        if task.classes:
            raise task.wrong("classes", "left out of a regression, which has low and high")
        if task.low is None or task.high is None or not task.low < task.high:
            raise UserError(
                f"Task {task.name!r}: regression needs low < high. Received: low={task.low}, high={task.high}"
            )

    @property
    def bounds(self) -> tuple[float, float]:
        assert self.task.low is not None and self.task.high is not None  # As `check` has made sure.
        return float(self.task.low), float(self.task.high)

    @property
    def wanted(self) -> str:
        return f"numbers from {self.task.low:g} to {self.task.high:g}"

    @property
    def described(self) -> str:
        return f"{self.task.low:g} to {self.task.high:g} {self.task.unit}".rstrip()

    def parse(self, value: object, found: Any) -> float:
        low, high = self.bounds
        number = found if is_number(found) else number_of(found)
        if number is None or not low <= number <= high:
            raise UserError(f"{self.task.name} label {value!r} is not a number from {low:g} to {high:g}")
        return float(number)

    def text(self, label: float) -> str:
        import numpy as np

        return np.format_float_positional(np.float32(label), trim="-")

    def counts(self, labels: np.ndarray) -> dict[str, int]:
        counted = collections.Counter(labels.tolist())
        return {self.text(value): counted[value] for value in sorted(counted)}

    def measure(self, name: str, labels, decoded):
        from keras import ops

        return ops.abs(decoded - labels)

    def error(self, value: float) -> float:
        return value

    def guess_error(self, labels: np.ndarray) -> float:
        import numpy as np

        return float(np.mean(np.abs(labels - np.median(labels))))

    def digits(self, measure: str) -> int:
        return self.task.decimals + 1

    def readable(self, value: Any) -> str:
        return f"{float(value):.{max(self.task.decimals - 1, 0)}f}"

    @property
    def endings(self) -> tuple[str, ...]:
        return ("low", "high")

    @property
    def texts(self) -> list[str]:
        return []

    @property
    def numbers(self) -> list[str]:
        return [self.task.name, *self.named("predicted")]

    def columns(self, labels: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
        import numpy as np

        return dict(zip(self.numbers, (np.asarray(labels, np.float64), predicted.reshape(-1)), strict=True))

    def from_columns(self, labelled: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        labels, predicted = (labelled[column].to_numpy(np.float64) for column in self.numbers)
        return labels, predicted

    def misses(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """The distance, in the task's unit."""
        import numpy as np

        return np.abs(predictions - labels)

    def cell(self, row: Mapping[str, Any], *, label: bool = False) -> tuple[str, float | None]:
        value = float(row[self.task.name if label else f"{self.task.name}_predicted"])
        return "" if math.isnan(value) else f"{value:.{0 if label and value.is_integer() else 1}f}", None

    def calibrated(self, labels: np.ndarray, predictions: np.ndarray, level: float) -> dict[str, Any]:
        """How far labels lie from predictions: see `uncertainty.conformal`."""
        from keras_mtl.uncertainty.conformal import fewest_images, half_width

        if len(labels) < fewest_images(level):
            return {}
        width = half_width(labels, predictions, level)
        return {"half_width": round(width, 6), "level": level, "images": len(labels)}

    def by_estimate(self, labels: np.ndarray, predictions: np.ndarray, fitted: Mapping[str, Any]) -> list[dict]:
        import numpy as np

        from keras_mtl.uncertainty.conformal import covers

        step, (low, high) = self.task.round_part(STEPS), self.bounds
        # The range's end is the end of its last part.
        last = np.ceil(high / step - 1e-9) - 1
        parts = np.clip(np.floor(predictions / step + 1e-9), np.floor(low / step + 1e-9), last).astype(int)
        rows = []
        for part in np.unique(parts).tolist():
            there = parts == part
            row = {
                "from": round(part * step, 9),
                "below": round((part + 1) * step, 9),
                "images": int(there.sum()),
                "mae": round(float(np.abs(labels - predictions)[there].mean()), 4),
            }
            if "half_width" in fitted:
                held = covers(labels, predictions, fitted["half_width"])[there]
                row["covered"] = round(float(held.mean()), 4)
            rows.append(row)
        return rows

    def outputs(self, decoded, extra: Mapping[str, Any], fitted: Mapping[str, Any]) -> dict[str, Any]:
        """The value `[batch]`, what the head adds, and the fitted interval `[batch, 2]`, cut at the range."""
        import tensorflow as tf

        name = self.task.name
        found = {name: decoded, **{f"{name}_{ending}": value for ending, value in extra.items()}}
        if fitted:
            ends = [decoded - fitted["half_width"], decoded + fitted["half_width"]]
            found[f"{name}_interval"] = tf.stack([tf.clip_by_value(end, *self.bounds) for end in ends], axis=-1)
        return found

    @property
    def range(self) -> float:
        low, high = self.bounds
        return high - low

    def scores(self, outputs: np.ndarray) -> np.ndarray:
        import numpy as np

        return outputs.astype(np.float64)

    def types(self, endings: Mapping[str, int]) -> dict[str, tuple[str, tuple[int, ...]]]:
        name = self.task.name
        return {name: ("FP32", ()), **{f"{name}_{ending}": ("FP32", (size,)) for ending, size in endings.items()}}

    def entry(self, outputs: Mapping[str, np.ndarray], index: int) -> dict[str, Any]:
        name, digits = self.task.name, self.task.decimals + 1
        entry: dict[str, Any] = {name: round(float(outputs[name][index]), digits)}
        if f"{name}_interval" in outputs:
            bounds = outputs[f"{name}_interval"][index].tolist()
            entry[f"{name}_interval"] = [round(bound, digits) for bound in bounds]
        if f"{name}_distribution" in outputs:
            shares = outputs[f"{name}_distribution"][index].tolist()
            entry[f"{name}_distribution"] = [round(share, 5) for share in shares]
        return entry

    def flat(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        ends = entry.get(f"{self.task.name}_interval", ())
        return dict(zip(self.named("low", "high"), ends, strict=False))

    def brief(self, entry: Mapping[str, Any]) -> str:
        name, digits = self.task.name, self.task.decimals
        value = f"{entry[name]:.{digits}f} {self.task.unit}".rstrip()
        if f"{name}_interval" in entry:
            low, high = entry[f"{name}_interval"]
            value += f" ({low:.{digits}f}-{high:.{digits}f})"
        return value
