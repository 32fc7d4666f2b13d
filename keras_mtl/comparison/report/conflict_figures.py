"""What the report says of looks at conflict: of a pair, of a stage, of all of a net's trainings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.context import Context
from keras_mtl.training.conflict_cosine import SIGNAL, WHOLE, Cosine, cosine_without_noise
from keras_mtl.training.conflict_rows import COLUMNS, NUMBERS, read_rows

NOT_TOLD = "?"


def looks_of(context: Context, row: Row) -> pd.DataFrame | None:
    """The looks of a net's trainings: `conflict.csv` of all seeds, with `seed`, `pair` and `thousands` of images."""
    found = []
    for seed in context.results.seeds:
        cell = context.results.cell(row, seed)
        if cell.run.conflict_path.is_file():
            # Older files have no signal, nor had a look of before.
            frame = pd.DataFrame(read_rows(cell.run.conflict_path), columns=list(COLUMNS))
            frame = frame.assign(**{name: pd.to_numeric(frame[name]) for name in NUMBERS})
            found.append(frame.assign(seed=seed, thousands=frame["step"] * cell.config.batch_size / 1000))
    looks = pd.concat(found, ignore_index=True) if found else None
    if looks is None or looks.empty:
        return None
    looks["conflicts"] = looks["cosine"] < 0
    return looks.assign(pair=[pair_title(*names) for names in zip(looks["task"], looks["other"], strict=True)])


def pair_title(task: str, other: str) -> str:
    """A pair of tasks in words."""
    return f"{wording.spaced(task)} and {wording.spaced(other)}"


def has_signal(looks: pd.DataFrame) -> bool:
    """Whether these looks told noise apart."""
    return bool(looks["signal"].notna().any())


def cosine_of(looks: pd.DataFrame) -> Cosine:
    """Of a pair in a stage. Files from before noise was told have the mean of the batches' cosines, and no interval."""
    if has_signal(looks):
        return cosine_without_noise(looks[list(SIGNAL)].to_numpy())
    return Cosine(float(looks["cosine"].mean()), np.nan, np.nan, len(looks), np.nan)


def by_pairs(looks: pd.DataFrame) -> dict[str, Cosine]:
    """The cosines of a stage, the pairs that agree least first."""
    found = {str(pair): cosine_of(own) for pair, own in looks.groupby("pair", sort=False)}
    return dict(sorted(found.items(), key=lambda entry: (np.isnan(value_of(entry[1])), value_of(entry[1]))))


def value_of(cosine: Cosine) -> float:
    """What is shown of a cosine: NaN where the looks do not tell it."""
    return np.nan if cosine.high - cosine.low >= 2 else cosine.value


def told(cosine: Cosine) -> str:
    """A cosine in a table."""
    value = value_of(cosine)
    return NOT_TOLD if np.isnan(value) else signed(value)


def interval(cosine: Cosine) -> str:
    """Behind a cosine: its interval, and the looks that a short one needs."""
    if np.isnan(cosine.low):
        return ""
    needs = f"needs {cosine.looks_needed} looks"
    return f"{signed(cosine.low)} to {signed(cosine.high)}; {needs}" if cosine.is_told else needs


def signal_share(looks: pd.DataFrame) -> float:
    """Of the tasks' squared gradients of a batch, the share that is none of its noise; NaN where it is not told."""
    looks = looks[looks[list(SIGNAL)].notna().all(axis=1)]
    signal = float((looks["task_signal"] + looks["other_signal"]).sum())
    whole = float((looks["magnitude"] ** 2 + looks["other_magnitude"] ** 2).sum())
    return signal / whole if whole > 0 and signal > 0 else np.nan


def with_conflict(looks: pd.DataFrame) -> float:
    """The share of the looks at a stage in which some pair conflicted."""
    return float(looks.groupby(["seed", "step"])["conflicts"].any().mean())


def by_chance(looks: pd.DataFrame) -> float:
    """What `with_conflict` would be of gradients with nothing in common."""
    return float((1 - 0.5 ** looks.groupby(["seed", "step"]).size()).mean())


def signed(cosine: float) -> str:
    """A cosine in words."""
    return wording.NONE if np.isnan(cosine) else f"{cosine:+.2f}".replace("-", "−")


def stage_title(stage: str) -> str:
    """A part of the trunk as a heading has it."""
    return "Whole trunk" if stage == WHOLE else wording.capital(stage.replace("stage", "stage "))
