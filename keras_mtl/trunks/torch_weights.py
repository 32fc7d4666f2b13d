"""Trunk weights from torchvision's or timm's ResNet-18."""

from __future__ import annotations

import dataclasses
import pathlib
import pickle
import re
from collections.abc import Mapping

import keras
import numpy as np

from keras_mtl.errors import UserError

BATCH_NORMALIZATION = ("weight", "bias", "running_mean", "running_var")  # in the order of Keras' weights
TORCH_FILES = (".pth", ".pt")


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What `load_torch_weights` did: the layers that it set, and the tensors for which the model has no layer."""

    layers: tuple[str, ...]
    left_out: tuple[str, ...]


def read_state_dict(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """The tensors of a `.pth` or `.pt` file (loaded weights-only, needs torch) or of a `.safetensors` file.

    Raises:
        UserError: no such file, not one of these formats, or torch is needed and not installed.
    """
    path = pathlib.Path(path)
    if path.suffix not in (*TORCH_FILES, ".safetensors"):
        raise UserError(f"Weights come from a .pth, .pt or .safetensors file. Received: {path}")
    if not path.is_file():
        raise UserError(f"There is no weights file {path}")
    return _read_torch(path) if path.suffix in TORCH_FILES else _read_safetensors(path)


def load_torch_weights(model: keras.Model, state_dict: Mapping[str, np.ndarray]) -> Loaded:
    """Sets the trunk's layers from a `resnet18` state dict of torchvision or timm; heads keep theirs.

    `conv1` is our `stem_conv`, `layer2.0.conv1` our `stage2_block1_conv1`, `layer2.0.downsample.0` our
    `stage2_block1_downsample_conv`, and so on. The classifier `fc` and stages that the model lacks are left
    out. Nothing is set unless everything fits.

    Args:
        model: any model on a trunk of `build_trunk`, whole or cut.
        state_dict: arrays by torch's names, as `read_state_dict` gives them.

    Raises:
        UserError: a tensor is missing, of another shape, or of a block or layer that this trunk lacks.

    Example:
        >>> loaded = load_torch_weights(model, read_state_dict("resnet18.pth"))  # doctest: +SKIP
        >>> loaded.left_out  # doctest: +SKIP
        ('fc.weight', 'fc.bias')
    """
    layers = {layer: name for layer in model.layers if layer.weights and (name := torch_name(layer.name))}
    if not layers:
        raise UserError("The model has none of the layers of a ResNet trunk to load weights into.")
    weights = {layer: _weights_of(layer, name, state_dict) for layer, name in layers.items()}
    left_out = _left_out(state_dict, set(layers.values()))
    for layer, values in weights.items():
        layer.set_weights(values)
    return Loaded(tuple(layer.name for layer in weights), left_out)


def torch_name(layer_name: str) -> str | None:
    """What torchvision calls a trunk's layer: `layer1.0.bn2` for `stage1_block1_bn2`; None for any other layer."""
    if layer_name in ("stem_conv", "stem_bn"):
        return {"stem_conv": "conv1", "stem_bn": "bn1"}[layer_name]
    parts = re.fullmatch(r"stage(\d+)_block(\d+)_(conv|bn|downsample_conv|downsample_bn)(\d*)", layer_name)
    if not parts:
        return None
    stage, block, kind, number = parts.groups()
    kind = {"downsample_conv": "downsample.0", "downsample_bn": "downsample.1"}.get(kind, kind)
    return f"layer{stage}.{int(block) - 1}.{kind}{number}"


def _weights_of(layer, name: str, state_dict: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    is_convolution = isinstance(layer, keras.layers.Conv2D)
    fields = ("weight",) if is_convolution else BATCH_NORMALIZATION
    if len(layer.weights) != len(fields):
        others = ", ".join(weight.name for weight in layer.weights)
        raise UserError(f"Layer {layer.name} has other weights than a resnet18's ({others}): load before enable_lora")
    values = []
    for field, weight in zip(fields, layer.weights, strict=True):
        tensor = f"{name}.{field}"
        if tensor not in state_dict:
            raise UserError(f"The weights have no {tensor} for layer {layer.name}: not a resnet18, or of other blocks.")
        value = np.asarray(state_dict[tensor], np.float32)
        if is_convolution and value.ndim == 4:
            value = value.transpose(2, 3, 1, 0)
        if value.shape != tuple(weight.shape):
            raise UserError(
                f"{tensor} has shape {tuple(state_dict[tensor].shape)}, which does not fit layer {layer.name} "
                f"of shape {tuple(weight.shape)}: the width or the stem differs, or it is not a resnet18."
            )
        values.append(value)
    return values


def _left_out(state_dict: Mapping[str, np.ndarray], used: set[str]) -> tuple[str, ...]:
    stages = {name.split(".")[0] for name in used}
    left = [name for name in state_dict if name.rsplit(".", 1)[0] not in used]
    surplus = [name for name in left if name.split(".")[0] in stages or not re.match(r"fc\.|layer\d+\.", name)]
    if surplus:
        raise UserError(
            f"The weights have {surplus[0]}, for which the trunk has no layer: not a resnet18 of its blocks."
        )
    return tuple(left)


def _read_torch(path: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError:
        raise UserError(
            f"Reading {path.name} needs torch: pip install 'keras_mtl[torch]', or give the weights as .safetensors."
        ) from None
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.float().numpy() for name, tensor in tensors.items()}
    except (AttributeError, EOFError, OSError, RuntimeError, pickle.UnpicklingError, ValueError):
        raise UserError(f"{path} is no state dict that torch can load weights-only.") from None


def _read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    import safetensors
    import safetensors.numpy

    try:
        return safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, OSError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is no .safetensors file that can be read: {' '.join(str(error).split())}") from None
