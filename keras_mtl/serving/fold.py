"""BatchNormalization worked into the convolutions before it, for inference."""

from __future__ import annotations

import collections

import keras
import numpy as np

from keras_mtl.layers.lora import merge_lora


def fold_batch_normalization(model: keras.Model) -> keras.Model:
    """A copy of the model without BatchNormalization; its convolutions carry the scale and a bias instead, and LoRA's
    part, if any.

    In inference mode a BatchNormalization is `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, which is
    linear, and so is the convolution that gives x: the kernel times `gamma / sqrt(variance + epsilon)` with
    the bias `beta - gamma * mean / sqrt(variance + epsilon)` is both in one. Outputs are equal within
    float32's rounding. Only for inference: the copy has no statistics to train.

    Args:
        model: a functional model; it is left as it is. A BatchNormalization that does not follow a
            `keras.layers.Conv2D` without activation, or whose convolution is also used elsewhere, is kept.

    Returns:
        A model of the same class with the same inputs, outputs and layer names, less the folded ones.

    References:
        Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
        Inference, 2018, section 3.2: https://arxiv.org/abs/1712.05877
    """
    model = merge_lora(model)
    convolutions = _foldable(model)  # by the name of the BatchNormalization that follows
    biased = {convolution.name for convolution in convolutions.values()}

    def clone(layer):
        config = layer.get_config()
        if layer.name not in biased:
            return layer.__class__.from_config(config)
        # The plain layer: what a subclass adds serves training.
        return keras.layers.Conv2D.from_config({**config, "use_bias": True})

    def call(layer, *args, **kwargs):
        return args[0] if layer.name in convolutions else layer(*args, **kwargs)

    folded = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in folded.layers:
        if layer.weights and layer.name not in biased:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    for name, convolution in convolutions.items():
        folded.get_layer(convolution.name).set_weights(_merge(convolution, model.get_layer(name)))
    return folded


def _foldable(model: keras.Model) -> dict[str, keras.layers.Conv2D]:
    uses = collections.Counter(id(tensor) for tensor in keras.tree.flatten(model.outputs))
    makers = {}
    for layer in model.layers:
        uses.update(id(tensor) for tensor in keras.tree.flatten(layer.input))
        if isinstance(layer, keras.layers.Conv2D) and layer.activation is keras.activations.linear:
            makers[id(layer.output)] = layer
    return {
        layer.name: makers[id(layer.input)]
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        and uses[id(layer.input)] == 1
        and id(layer.input) in makers
        and layer.axis in (-1, 3)
        and makers[id(layer.input)].data_format == "channels_last"
    }


def _merge(convolution, normalization) -> list[np.ndarray]:
    def value(weight, default: float) -> np.ndarray:
        return np.float64(default) if weight is None else keras.ops.convert_to_numpy(weight).astype(np.float64)

    scale = value(normalization.gamma, 1.0) / np.sqrt(value(normalization.moving_variance, 1.0) + normalization.epsilon)
    bias = value(convolution.bias, 0.0) if convolution.use_bias else 0.0
    bias = (bias - value(normalization.moving_mean, 0.0)) * scale + value(normalization.beta, 0.0)
    return [(value(convolution.kernel, 0.0) * scale).astype(np.float32), bias.astype(np.float32)]
