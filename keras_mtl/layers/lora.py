"""What LoRA has learnt, worked into the kernels that it adds to."""

from __future__ import annotations

from typing import Any

import keras


def merge_lora(model: keras.Model) -> keras.Model:
    """The model without LoRA's own weights, on cloned layers, with kernels that hold what they had learnt.

    Outputs are equal within rounding. A `.keras` file has the kernels so already, and Keras gives the loaded layers
    LoRA of zeros beside frozen kernels, which no gradient reaches.

    Args:
        model: a functional model, some of whose layers had `enable_lora`. Quantized ones keep theirs: to hold it,
            their kernels would have to be quantized anew.

    Returns:
        A model of the same class, not compiled; the given one where there is nothing to merge.

    References:
        Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021, section 4.1:
        https://arxiv.org/abs/2106.09685
    """
    adapted = {
        layer.name for layer in model.layers if getattr(layer, "lora_enabled", False) and not layer.quantization_mode
    }
    if not adapted:
        return model

    def clone(layer):
        config = layer.get_config()
        if layer.name in adapted:
            config = {**config, "lora_rank": None, "lora_alpha": None}
        return layer.__class__.from_config(config)

    merged = keras.models.clone_model(model, clone_function=clone)
    for layer in merged.layers:
        whole = model.get_layer(layer.name)
        if layer.name in adapted:
            file: dict[str, Any] = {}
            whole.save_own_variables(file)  # Keras merges what it saves.
            layer.load_own_variables(file)
        else:
            layer.set_weights(whole.get_weights())
    return merged
