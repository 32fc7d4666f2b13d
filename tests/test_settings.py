"""Settings that are no finite number, or beyond their limits, are refused whoever gives them."""

from __future__ import annotations

import dataclasses
import inspect
import typing

import pytest

from keras_mtl.audit import AuditConfig
from keras_mtl.comparison.config import CompareConfig
from keras_mtl.data.augment import Augmentation
from keras_mtl.errors import UserError
from keras_mtl.evaluate import EvaluateConfig
from keras_mtl.export import ExportConfig
from keras_mtl.heads import HEADS
from keras_mtl.optimizers import build_optimizer, build_schedule
from keras_mtl.predict import PredictConfig
from keras_mtl.prepare import PrepareConfig
from keras_mtl.pruning.settings import PruneConfig
from keras_mtl.serving.server.config import ServeConfig
from keras_mtl.tasks import BUILT_IN
from keras_mtl.training.config import Config
from keras_mtl.values import check_number
from keras_mtl.weighting_names import WEIGHTINGS, weighting_class

CONFIGS = (
    *(Config, CompareConfig, AuditConfig, EvaluateConfig, ExportConfig),
    *(PredictConfig, PrepareConfig, PruneConfig, ServeConfig),
)
NO_NUMBERS = [float("nan"), float("inf"), float("-inf"), 1e39, "0.1", True]


def numbers(config_class):
    """Its fields that are numbers."""
    hints = typing.get_type_hints(config_class)
    return [field for field in dataclasses.fields(config_class) if hints[field.name] in (int, float, int | None)]


@pytest.mark.parametrize("config_class", CONFIGS)
def test_every_number_of_every_command_is_finite_and_within_its_limits(config_class):
    assert config_class() and numbers(config_class)
    for field in numbers(config_class):
        least, most = field.metadata.get("low"), field.metadata.get("high")
        beyond = [end for end in (least is not None and least - 1, most is not None and most + 1) if end is not False]
        for value in [*NO_NUMBERS, *beyond]:
            with pytest.raises(UserError, match=f"--{field.name} must be a .*number") as error:
                config_class(**{field.name: value})
            assert "\n" not in str(error.value) and repr(value) in str(error.value)
        for value in (end for end in (least, most) if end is not None):
            assert getattr(config_class(**{field.name: value}), field.name) == value


def test_a_choice_is_one_for_python_too():
    with pytest.raises(UserError, match="--optimizer must be one of adamw, adam, sgd. Received: 'lion'"):
        Config(optimizer="lion")
    with pytest.raises(UserError, match="--batch_size"):
        dataclasses.replace(Config(), batch_size=2.5)


@pytest.mark.parametrize("entry", ["age=nan", "age=inf", "age=1e39", "age=-1", "age=1e400"])
def test_loss_weights_are_finite_numbers_of_0_or_more(entry, tiny_model):
    with pytest.raises(UserError, match="--loss_weights"):
        Config(loss_weights=(entry,)).loss_weight_of()


@pytest.mark.parametrize("given", [{"age": float("nan")}, float("inf"), [1.0, 1.0, float("-inf")]])
def test_loss_weights_of_compile_are_finite(given, tiny_model):
    with pytest.raises(UserError, match="loss_weights of '.*' must be a finite number"):
        tiny_model.compile("sgd", loss_weights=given)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_every_setting_of_every_weighting_is_finite(name):
    method = weighting_class(name)
    assert method()
    for setting in method.option_names():
        for value in (float("nan"), float("inf")):
            with pytest.raises(UserError, match=f"Weighting '{name}'"):
                method(**{setting: value})


@pytest.mark.parametrize("name", HEADS)
def test_every_setting_of_every_head_is_finite(name):
    task = next(task for task in BUILT_IN.values() if task.kind in HEADS[name].kinds)
    for setting in HEADS[name].option_names():
        for value in (float("nan"), float("inf")):
            with pytest.raises(UserError, match=f"'{name}'"):
                HEADS[name](task, **{setting: value})
            with pytest.raises(UserError, match="options must be"):
                dataclasses.replace(task, head=name, options=((setting, value),))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_so_are_those_of_the_other_entries(value):
    for build in (
        *(lambda: build_schedule("cosine", value, 10, 0.0), lambda: build_schedule("cosine", 1e-3, 10, value)),
        *(lambda: build_optimizer("adamw", 1e-3, value), lambda: Augmentation(rotation=value)),
    ):
        with pytest.raises(UserError, match="must be a finite number from 0"):
            build()


def test_a_number_of_numpy_is_one():
    import numpy as np

    check_number("It", np.float32(0.5), low=0)
    check_number("It", np.int64(3), whole=True)
    assert "low" in inspect.signature(check_number).parameters
