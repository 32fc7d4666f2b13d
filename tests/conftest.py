"""Fixtures that all tests share: a cache of their own, tiny models, the command lines as a user runs them."""

from __future__ import annotations

import os
import pathlib

import hypothesis
import numpy as np
import pytest
from helpers import DRAWN, TINY, run_command

import keras_mtl
from keras_mtl.tasks import Task

# The same examples in every run: a search for new ones is `HYPOTHESIS_PROFILE=default pytest`.
hypothesis.settings.register_profile("fixed", derandomize=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that the processes that share the files end together."""
    items.sort(key=lambda item: "end_to_end" not in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory) -> pathlib.Path:
    """Decoded images go to a folder that all tests share and that goes with them."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["KERAS_MTL_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def real_faces() -> pathlib.Path:
    """The folder of real faces; the test is skipped where KERAS_MTL_DATA does not name one."""
    folder = os.environ.get("KERAS_MTL_DATA")
    if not folder:
        pytest.skip("KERAS_MTL_DATA is not set: the folder of real faces is not there")
    return pathlib.Path(folder)


@pytest.fixture
def emotion() -> Task:
    """A task that is not built in, with seven classes."""
    return Task("emotion", "multiclass", classes=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"))


@pytest.fixture
def tiny_model():
    """An uncompiled model of three tasks with an 8-channel trunk, for images of 32 pixels."""
    return keras_mtl.build_model(image_size=32, width=8, blocks=(1, 1, 1, 1), seed=3, precision="float32")


@pytest.fixture
def images() -> np.ndarray:
    """Twelve images of noise, uint8 `[12, 32, 32, 3]`."""
    return np.random.default_rng(5).integers(0, 256, (12, 32, 32, 3), np.uint8)


@pytest.fixture(scope="session")
def command():
    """`command("train", "--tasks=age", …)` runs a command line and returns its result."""
    return run_command


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory) -> pathlib.Path:
    """The folder of a finished run of a tiny net on a few drawn faces, made by the command line."""
    workdir = tmp_path_factory.mktemp("runs")
    run_command("train", *TINY, f"--sources={DRAWN}", "--epochs=2", f"--workdir={workdir}", "--name=tiny")
    return workdir / "tiny"
