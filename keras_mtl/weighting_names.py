"""Balancing: how the tasks' losses or gradients are combined, by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from keras_mtl.errors import UserError
from keras_mtl.values import is_whole, read_number, read_whole

if TYPE_CHECKING:
    from keras_mtl.balancing.weighting import Weighting

# A method's module is imported when it is named: each needs TensorFlow, and only one is used.
WEIGHTINGS: Mapping[str, str] = {
    "ew": "EqualWeighting",
    "uw": "UncertaintyWeighting",
    "dwa": "DynamicWeightAverage",
    "rlw": "RandomLossWeighting",
    "gls": "GeometricLoss",
    "imtl_l": "ImpartialLoss",
    "famo": "Famo",
    "stch": "SmoothTchebycheff",
    "gradnorm": "GradNorm",
    "mgda": "Mgda",
    "pcgrad": "PCGrad",
    "gradvac": "GradVac",
    "cagrad": "CAGrad",
    "imtl_g": "ImpartialGradient",
    "nash_mtl": "NashMtl",
    "aligned_mtl": "AlignedMtl",
    "upgrad": "UPGrad",
    "dualproj": "DualProj",
    "fairgrad": "FairGrad",
    "config": "ConFig",
    "modo": "MoDo",
    "sdmgrad": "SdmGrad",
    "db_mtl": "DbMtl",
    "moco": "MoCo",
    "graddrop": "GradDrop",
    "excess_mtl": "ExcessMtl",
}
"""By name, the class in the module of that name."""


def weighting_class(name: str) -> type[Weighting]:
    """The class of a weighting.

    Raises:
        UserError: an unknown name.
    """
    if name not in WEIGHTINGS:
        raise UserError(f"Unknown weighting {name!r}; known weightings: {', '.join(WEIGHTINGS)}")
    return getattr(importlib.import_module(f"keras_mtl.balancing.methods.{name}"), WEIGHTINGS[name])


def parse_weighting(spec: str) -> Weighting:
    """A weighting from its name and settings, "cagrad" or "cagrad:c=0.4".

    Args:
        spec: NAME or NAME:setting=value:…; a list of numbers is written with / between, "ew:weights=1/0.5/0.5".

    Raises:
        UserError: an unknown name or setting, or a value out of its range.

    Example:
        >>> parse_weighting("cagrad:c=0.4").get_config()["c"]  # doctest: +SKIP
        0.4
    """
    name, *options = spec.split(":")
    method = weighting_class(name)
    settings = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or key not in method.option_names():
            known = ", ".join(method.option_names()) or "none"
            raise UserError(f"Weighting {name!r} has no setting {option!r}; its settings (setting=value): {known}")
        settings[key] = _value(text, option)
    return method(**settings)


def _value(text: str, option: str):
    numbers = []
    for part in text.split("/"):
        try:
            numbers.append(read_whole(part) if is_whole(part) else read_number(part))
        except ValueError:
            raise UserError(f"A weighting's setting takes numbers. Received: {option!r}") from None
    return numbers[0] if len(numbers) == 1 else tuple(numbers)
