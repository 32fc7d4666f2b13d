"""The trunk: ResNet-18 as torchvision builds it, with named stages, and narrower, deeper or smaller kin."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import keras

from keras_mtl.errors import UserError
from keras_mtl.layers.convolution import Conv2D
from keras_mtl.layers.normalization import BatchNormalization

STEMS = ("imagenet", "small")
SMALLEST = 32  # pixels; below it the last stage of ResNet-18 would see one position and its padding

PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_STD = (0.229, 0.224, 0.225)


def is_stage(name: str) -> bool:
    """Whether a layer of this name ends a part of the trunk: stem, stage1, stage2, ..., pool."""
    return re.fullmatch(r"stem|stage\d+|pool", name) is not None


def build_trunk(
    inputs: keras.KerasTensor,
    *,
    width: int = 64,
    blocks: Sequence[int] = (2, 2, 2, 2),
    stem: str = "imagenet",
    seed: int = 0,
) -> dict[str, keras.KerasTensor]:
    """The shared layers from pixels to features, of basic residual blocks: y = relu(F(x) + x).

    Topology, symmetric padding, BatchNormalization's momentum and epsilon, and initial values (He, fan-out)
    are those of torchvision's `resnet18`; so is the normalisation of pixels, which is inside the graph.
    The layer that ends a stage bears its name; inner ones are called `stage2_block1_conv1` and the like.

    Args:
        inputs: images, uint8 or float 0-255, `[batch, height, width, 3]`, 32 pixels or more each way
            (or None: of any size).
        width: channels of the stem and of stage 1; each later stage has twice as many as the one before.
        blocks: residual blocks in each stage, one number a stage; (2, 2, 2, 2) is ResNet-18.
        stem: "imagenet" (7x7 with stride 2, then max-pooling) or "small" (3x3 with stride 1, no pooling).
        seed: decides every initial value, together with the layer's name.

    Pixels are normalised and features are pooled in float32 whatever Keras' policy is, by which the rest computes.

    Returns:
        The outputs of `stem`, `stage1`, ..., `stageN` (`[batch, h, w, channels]`) and `pool`
        (float32 `[batch, channels]`), in that order.

    Raises:
        UserError: an image that is too small or not of 3 channels, an unknown stem, a width or number
            of blocks below 1.

    Example:
        >>> trunk = build_trunk(keras.Input([64, 64, 3], dtype="uint8"), width=16)
        >>> trunk["stage4"].shape, trunk["pool"].shape
        ((None, 2, 2, 128), (None, 128))

    References:
        He et al., Deep Residual Learning for Image Recognition, 2015, equation 1 and table 1:
        https://arxiv.org/abs/1512.03385
    """
    _check(inputs, width, blocks, stem)
    make = _Layers(seed)
    x = keras.layers.Rescaling(
        # With all axes of an image, so that Keras takes the last for the channels whatever its settings say.
        scale=[[[1 / (255 * std) for std in PIXEL_STD]]],
        offset=[[[-mean / std for mean, std in zip(PIXEL_MEAN, PIXEL_STD, strict=True)]]],
        dtype="float32",
        name="pixels",
    )(inputs)
    stages = {"stem": _stem(make, x, width, stem)}
    x = stages["stem"]
    for number, count in enumerate(blocks, start=1):
        filters = width * 2 ** (number - 1)
        for block in range(1, count + 1):
            name = f"stage{number}_block{block}"
            stride = 2 if number > 1 and block == 1 else 1
            x = _block(make, x, filters, stride, name, end=f"stage{number}" if block == count else f"{name}_relu2")
        stages[f"stage{number}"] = x
    stages["pool"] = keras.layers.GlobalAveragePooling2D("channels_last", dtype="float32", name="pool")(x)
    return stages


def _check(inputs, width, blocks, stem) -> None:
    shape = tuple(inputs.shape)
    if len(shape) != 4 or shape[-1] != 3:
        raise UserError(f"The trunk takes images [batch, height, width, 3]. Received: shape={shape}")
    if any(side is not None and side < SMALLEST for side in shape[1:3]):
        raise UserError(f"Images must be {SMALLEST} pixels or more each way. Received: {shape[1]}x{shape[2]}")
    if not isinstance(width, int) or width < 1:
        raise UserError(f"The trunk's width must be a whole number of 1 or more. Received: width={width!r}")
    counts = blocks if isinstance(blocks, Sequence) else ()
    if not counts or any(not isinstance(count, int) or count < 1 for count in counts):
        raise UserError(f"blocks needs one whole number of 1 or more for each stage. Received: blocks={blocks!r}")
    if stem not in STEMS:
        raise UserError(f"Unknown stem {stem!r}; known stems: {', '.join(STEMS)}")


class _Layers:
    """Makes layers as torchvision sets them up, seeded by name."""

    def __init__(self, seed: int):
        self.seed = seed

    def conv(self, x, filters: int, size: int, stride: int, name: str):
        # Keras' "same" pads one pixel less at the top left where the stride is 2: torch pads both sides.
        if size > 1 and stride > 1:
            x = keras.layers.ZeroPadding2D(size // 2, "channels_last", name=f"{name}_pad")(x)
        return Conv2D(
            filters,
            size,
            strides=stride,
            padding="same" if stride == 1 else "valid",
            data_format="channels_last",
            use_bias=False,
            kernel_initializer=keras.initializers.VarianceScaling(
                2.0, "fan_out", "untruncated_normal", seed=zlib.crc32(f"{self.seed}/{name}".encode())
            ),
            name=name,
        )(x)

    def norm(self, x, name: str):
        return BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)

    def relu(self, x, name: str):
        return keras.layers.ReLU(name=name)(x)


def _stem(make: _Layers, x, width: int, stem: str):
    if stem == "small":
        x = make.norm(make.conv(x, width, 3, 1, "stem_conv"), "stem_bn")
        return make.relu(x, "stem")
    x = make.norm(make.conv(x, width, 7, 2, "stem_conv"), "stem_bn")
    x = make.relu(x, "stem_relu")
    # No activation is below 0 here, so a border of zeros never wins: the same as torch's border of -inf.
    x = keras.layers.ZeroPadding2D(1, "channels_last", name="stem_pad")(x)
    return keras.layers.MaxPooling2D(3, 2, data_format="channels_last", name="stem")(x)


def _block(make: _Layers, x, filters: int, stride: int, name: str, end: str):
    shortcut = x
    if stride != 1 or x.shape[-1] != filters:
        shortcut = make.conv(x, filters, 1, stride, f"{name}_downsample_conv")
        shortcut = make.norm(shortcut, f"{name}_downsample_bn")
    x = make.norm(make.conv(x, filters, 3, stride, f"{name}_conv1"), f"{name}_bn1")
    x = make.relu(x, f"{name}_relu1")
    x = make.norm(make.conv(x, filters, 3, 1, f"{name}_conv2"), f"{name}_bn2")
    x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return make.relu(x, end)
