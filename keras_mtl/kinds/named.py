"""Tasks whose labels are classes with names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from keras_mtl.errors import UserError
from keras_mtl.kinds.kind import Kind
from keras_mtl.labels import possible_classes
from keras_mtl.values import number_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FEWEST = 50
"""No temperature is fitted on fewer images: it would be chance."""


class Named(Kind):
    """Base of the kinds with classes: a label is a class's index, a prediction the probability of each.

    Attributes:
        is_switch: whether True and False are labels of any two classes.
    """

    measures: ClassVar[tuple[str, ...]] = ("accuracy",)
    shown = "classes"
    is_switch = False

    def check(self) -> None:
        classes = self.task.classes
        if len(set(classes)) != len(classes) or len(classes) < 2:
            raise UserError(
                f"Task {self.task.name!r}: {self.name} needs two or more different classes. Received: {classes}"
            )

    @property
    def bounds(self) -> tuple[float, float]:
        return 0.0, len(self.task.classes) - 1.0

    @property
    def wanted(self) -> str:
        return ", ".join(self.task.classes)

    @property
    def described(self) -> str:
        return self.wanted

    def parse(self, value: object, found: Any) -> float:
        task, classes = self.task, self.task.classes
        possible = possible_classes(found, classes, is_binary=self.is_switch)
        if len(possible) == 1:
            return float(possible[0])
        if possible:
            names = " or ".join(repr(classes[index]) for index in possible)
            raise UserError(f"{task.name} label {value!r} could mean class {names}: write the class's name")
        has_numbers = any(number_of(name) is not None for name in classes)
        index = "" if has_numbers else f" or an index from 0 to {len(classes) - 1}"
        raise UserError(f"{task.name} label {value!r} is not one of {', '.join(classes)}{index}")

    def text(self, label: float) -> str:
        return self.task.classes[int(label)]

    def counts(self, labels: np.ndarray) -> dict[str, int]:
        return {name: int((labels == index).sum()) for index, name in enumerate(self.task.classes)}

    def measure(self, name: str, labels, decoded):
        from keras import ops

        best = ops.cast(ops.argmax(decoded, axis=-1), "float32")
        return ops.cast(ops.equal(best, labels), "float32") if name == "accuracy" else ops.abs(best - labels)

    def error(self, value: float) -> float:
        return 1.0 - value

    def guess_error(self, labels: np.ndarray) -> float:
        import numpy as np

        return 1.0 - np.unique(labels, return_counts=True)[1].max() / len(labels)

    def digits(self, measure: str) -> int:
        return 2 if measure == "mae" else 3

    def readable(self, value: Any) -> str:
        import numpy as np

        return self.task.classes[int(np.argmax(value)) if np.ndim(value) else int(value)]

    @property
    def endings(self) -> tuple[str, ...]:
        return self.task.classes

    @property
    def texts(self) -> list[str]:
        return [self.task.name, *self.named("predicted")]

    @property
    def numbers(self) -> list[str]:
        return self.named(*self.task.classes)

    def columns(self, labels: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
        import numpy as np

        classes = self.task.classes
        columns: dict[str, Any] = {self.task.name: [None if np.isnan(one) else classes[int(one)] for one in labels]}
        columns[f"{self.task.name}_predicted"] = [classes[best] for best in predicted.argmax(-1)]
        return {**columns, **dict(zip(self.numbers, predicted.T, strict=True))}

    def check_columns(self, frame: pd.DataFrame) -> None:
        there = set().union(*(frame[column].dropna() for column in self.texts))
        if unknown := there - set(self.task.classes):
            raise UserError(f"{self.task.name} has {min(unknown)[:40]!r}, which is no class of it")

    def from_columns(self, labelled: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        index = {name: position for position, name in enumerate(self.task.classes)}
        labels = np.array([index[str(name)] for name in labelled[self.task.name]], np.int64)
        return labels, labelled[self.numbers].to_numpy(np.float64)

    def misses(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """1 - the probability of the label."""
        import numpy as np

        return 1 - predictions[np.arange(len(labels)), labels]

    def cell(self, row: Mapping[str, Any], *, label: bool = False) -> tuple[str, float | None]:
        name = self.task.name
        if label:
            return str(row[name]), None
        best = str(row[f"{name}_predicted"])
        return best, float(row[f"{name}_{best}"])

    def calibrated(self, labels: np.ndarray, predictions: np.ndarray, level: float) -> dict[str, Any]:
        """A temperature; none for a task that the net is right on in all, or at chance: no finite one is best."""
        from keras_mtl.uncertainty.temperature import LOG_BOUND, fit_temperature

        if len(labels) < FEWEST:
            return {}
        temperature = fit_temperature(labels, predictions)
        if abs(math.log(temperature)) >= 0.99 * LOG_BOUND:
            return {}
        return {"temperature": round(temperature, 6), "images": len(labels)}

    def by_estimate(self, labels: np.ndarray, predictions: np.ndarray, fitted: Mapping[str, Any]) -> list[dict]:
        likeliest = predictions.argmax(-1)
        return [
            {"class": label, "images": int(said.sum()), "right": round(float((labels[said] == index).mean()), 4)}
            for index, label in enumerate(self.task.classes)
            if (said := likeliest == index).any()
        ]

    def outputs(self, decoded, extra: Mapping[str, Any], fitted: Mapping[str, Any]) -> dict[str, Any]:
        """Probabilities `[batch, classes]`, at the fitted temperature."""
        import tensorflow as tf

        from keras_mtl.uncertainty.temperature import SMALLEST_PROBABILITY

        if fitted:  # `uncertainty.temperature.at_temperature` in the graph.
            decoded = tf.nn.softmax(tf.math.log(tf.maximum(decoded, SMALLEST_PROBABILITY)) / fitted["temperature"])
        return {self.task.name: decoded}

    def words(self, output) -> dict[str, Any]:
        import tensorflow as tf

        return {f"{self.task.name}_class": tf.gather(tf.constant(self.task.classes), tf.argmax(output, axis=-1))}

    def class_names(self, outputs: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.array(self.task.classes, object)[outputs.argmax(-1)]

    @property
    def range(self) -> float:
        return 1.0

    def scores(self, outputs: np.ndarray) -> np.ndarray:
        import numpy as np

        values = outputs.astype(np.float64)
        return values[:, values[0].argmax()]

    def types(self, endings: Mapping[str, int]) -> dict[str, tuple[str, tuple[int, ...]]]:
        name = self.task.name
        return {name: ("FP32", (len(self.task.classes),)), f"{name}_class": ("BYTES", ())}

    def entry(self, outputs: Mapping[str, np.ndarray], index: int) -> dict[str, Any]:
        name, values = self.task.name, outputs[self.task.name][index]
        pairs = zip(self.task.classes, values.tolist(), strict=True)
        return {
            name: self.task.classes[int(values.argmax())],
            f"{name}_probabilities": {label: round(value, 4) for label, value in pairs},
        }

    def flat(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        shares = entry.get(f"{self.task.name}_probabilities", {})
        return {f"{self.task.name}_{label}": share for label, share in shares.items()}

    def brief(self, entry: Mapping[str, Any]) -> str:
        best = entry[self.task.name]
        return f"{best} ({entry[f'{self.task.name}_probabilities'][best]:.0%})"
