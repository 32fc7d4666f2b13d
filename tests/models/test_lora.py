"""Nets with LoRA: what it has learnt is in every model that is made of them."""

import keras
import numpy as np
import pytest

from keras_mtl.errors import UserError
from keras_mtl.layers.lora import merge_lora
from keras_mtl.models.branches import remove_branches
from keras_mtl.serving.fold import fold_batch_normalization
from keras_mtl.training.initial_model import initialise, load_trained
from keras_mtl.trunks.torch_weights import load_torch_weights

LAYERS = ("stage2_block1_conv1", "stage3_block1_downsample_conv", "smile_logits")


@pytest.fixture
def adapted(tiny_model):
    """A net with LoRA on convolutions and a dense layer, which changes every output, and the outputs without it."""
    random = np.random.default_rng(0)
    for name in LAYERS:
        layer = tiny_model.get_layer(name)
        layer.enable_lora(2)
        for weight in (layer.lora_kernel_a, layer.lora_kernel_b):
            weight.assign(random.normal(0, 0.5, weight.shape))
    return tiny_model


def assert_same_outputs(model, other, images):
    theirs = model.predict(images, verbose=0)
    for name, ours in other.predict(images, verbose=0).items():
        np.testing.assert_allclose(ours, theirs[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_merged_and_folded_nets_give_what_the_net_with_lora_gives(adapted, images):
    before = [weight.copy() for weight in adapted.get_weights()]
    for other in (merge_lora(adapted), fold_batch_normalization(adapted)):
        assert type(other) is type(adapted)
        assert not [weight.path for weight in other.weights if "lora" in weight.path]
        assert_same_outputs(adapted, other, images)
    for old, new in zip(before, adapted.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    merged = merge_lora(adapted)
    assert merge_lora(merged) is merged and all(merged.get_layer(name).kernel.trainable for name in LAYERS)


def test_branches_are_cut_off_with_lora_as_it_is(adapted, images):
    left = remove_branches(adapted, ["age"])
    np.testing.assert_array_equal(left.predict(images, verbose=0)["age"], adapted.predict(images, verbose=0)["age"])
    assert left.get_layer(LAYERS[0]).lora_enabled


def test_a_loaded_net_can_be_trained_whole_and_others_begin_with_its_kernels(adapted, images, tmp_path):
    adapted.save(tmp_path / "net.keras")
    loaded = load_trained(str(tmp_path / "net.keras"), "--run")
    assert_same_outputs(adapted, loaded, images)
    assert {weight.path for weight in loaded.trainable_weights} == {
        weight.path for weight in keras.models.clone_model(loaded).trainable_weights
    }
    assert all(loaded.get_layer(name).kernel.trainable for name in LAYERS)
    fresh = keras.models.clone_model(loaded)
    said = initialise(fresh, str(tmp_path / "net.keras"))
    assert "new:" not in said
    assert_same_outputs(adapted, fresh, images)


def test_torchs_weights_are_refused_by_layers_that_have_more(adapted):
    state = {"conv1.weight": np.zeros([8, 3, 7, 7], np.float32)}
    state |= {f"bn1.{field}": np.zeros(8, np.float32) for field in ("weight", "bias", "running_mean", "running_var")}
    trunk = keras.Model(adapted.input, adapted.get_layer("stem").output)
    trunk.get_layer("stem_conv").enable_lora(2)
    with pytest.raises(UserError, match=r"Layer stem_conv has other weights .*lora_kernel_a.*load before enable_lora"):
        load_torch_weights(trunk, state)
