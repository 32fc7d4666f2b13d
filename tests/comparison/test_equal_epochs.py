"""Equal epochs: every net sees a labelled image equally often, also where a source labels only some of its images."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from keras_mtl.comparison.config import CompareConfig
from keras_mtl.comparison.experiment import lengths_of
from keras_mtl.data.batches import TrainingBatches
from keras_mtl.data.sources import parse_sources
from keras_mtl.training.inputs import load_inputs

IMAGES = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two lists of pictures: ages, and smiles on a tenth, in the first; smiles on two thirds in the second."""
    path, random = tmp_path_factory.mktemp("mixed"), np.random.default_rng(0)
    for number in range(2 * IMAGES):
        Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(path / f"{number}.png")
    names, smiles = [f"{number}.png" for number in range(2 * IMAGES)], random.integers(0, 2, 2 * IMAGES).astype(object)
    first = pd.DataFrame({"image": names[:IMAGES], "age": random.integers(1, 90, IMAGES), "smile": smiles[:IMAGES]})
    first.loc[random.permutation(IMAGES)[IMAGES // 10 :], "smile"] = None
    first.to_csv(path / "first_train.csv", index=False)
    second = pd.DataFrame({"image": names[IMAGES:], "smile": smiles[IMAGES:]})
    second.loc[random.permutation(IMAGES)[2 * IMAGES // 3 :], "smile"] = None
    second.to_csv(path / "second_train.csv", index=False)
    return path


def views(config: CompareConfig, tasks: tuple[str, ...], task: str, steps: int) -> float:
    """How often a net of these tasks sees an image that is labelled for one of them, on average."""
    config = config.for_tasks(tasks)
    known = config.selected_tasks()
    inputs = load_inputs(config, parse_sources(config.sources, known, config.data_dir), known)
    batches = TrainingBatches(inputs.training, tasks, batch_size=config.batch_size, mix=config.mix_of())
    seen = labelled = 0
    for number, part in enumerate(batches.data):
        if task in part.labels:
            has_label = ~np.isnan(part.labels[task])
            seen += sum(has_label[batches.indices(0, step)[number]].sum() for step in range(steps))
            labelled += has_label.sum()
    return seen / labelled


@pytest.mark.parametrize("mix", ["size", "equal"])
@pytest.mark.parametrize("both", [False, True])
def test_a_single_net_sees_its_labelled_images_as_often(folder, both, mix):
    sources = ("age+smile=csv:first_{split}.csv", "smile=csv:second_{split}.csv")[: 1 + both]
    config = CompareConfig(
        tasks=("age", "smile"), sources=sources, data_dir=str(folder), epochs=12, batch_size=16, image_size=32,
        cache="none", mix=(mix,),
    )  # fmt: skip
    lengths = lengths_of(config, config.selected_tasks())
    for task in ("age", "smile"):
        multitask = views(config, ("age", "smile"), task, lengths.multitask)
        single = views(config, (task,), task, lengths.single(task, "epochs"))
        assert single == pytest.approx(multitask, rel=0.05), task
