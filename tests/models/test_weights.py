from __future__ import annotations

import builtins
import pathlib
import runpy

import keras
import numpy as np
import pytest
import safetensors.numpy

from keras_mtl.trunks.resnet import build_trunk
from keras_mtl.trunks.torch_weights import load_torch_weights, read_state_dict, torch_name

REFERENCE = pathlib.Path(__file__).parent / "reference"
make = runpy.run_path(str(REFERENCE / "make_resnet18.py"))


def trunk(size: int = 32, **options) -> keras.Model:
    inputs = keras.Input([size, size, 3], dtype="uint8")
    return keras.Model(inputs, build_trunk(inputs, **options))


@pytest.fixture(scope="module")
def resnet18() -> dict[str, np.ndarray]:
    return make["state_dict"]()


@pytest.fixture
def small() -> dict[str, np.ndarray]:
    return make["state_dict"](width=4)


@pytest.mark.parametrize("size", make["SIZES"])
def test_features_are_torchvisions(resnet18, size):
    model = trunk(size)
    load_torch_weights(model, resnet18)
    features = model.predict(make["images"](size), verbose=0)
    reference = np.load(REFERENCE / "resnet18.npz")
    for stage, ours in features.items():
        theirs = reference[f"{stage}_{size}"]
        if theirs.ndim == 4:
            ours, theirs = ours[..., : make["KEPT"]], theirs.transpose(0, 2, 3, 1)
        assert np.abs(theirs).mean() > 0.1
        np.testing.assert_allclose(ours, theirs, atol=1e-4, err_msg=stage)


def test_what_was_loaded_and_left_out_is_reported(small):
    small.update({"fc.weight": np.zeros((1000, 32)), "fc.bias": np.zeros(1000), "bn1.num_batches_tracked": np.int64(3)})
    loaded = load_torch_weights(trunk(width=4), small)
    assert len(loaded.layers) == 40
    assert {"stem_conv", "stage4_block2_bn2"} <= set(loaded.layers)
    assert loaded.left_out == ("fc.weight", "fc.bias")


def test_a_shorter_trunk_takes_its_own_stages(small):
    loaded = load_torch_weights(trunk(width=4, blocks=(2, 2)), small)
    assert {name.split(".")[0] for name in loaded.left_out} == {"layer3", "layer4"}


def test_names_follow_one_rule():
    assert torch_name("stem_conv") == "conv1"
    assert torch_name("stem_bn") == "bn1"
    assert torch_name("stage3_block2_conv1") == "layer3.1.conv1"
    assert torch_name("stage2_block1_downsample_conv") == "layer2.0.downsample.0"
    assert torch_name("stage2_block1_downsample_bn") == "layer2.0.downsample.1"
    assert torch_name("age_logits") is None


def drop(state):
    del state["layer2.0.downsample.1.running_var"]


def widen(state):
    state["layer1.0.conv1.weight"] = np.zeros((8, 4, 3, 3), np.float32)


def flatten(state):
    state["conv1.weight"] = np.zeros((4, 147), np.float32)


def deepen(state):
    state["layer1.2.conv1.weight"] = np.zeros((4, 4, 3, 3), np.float32)


def add_other(state):
    state["vit.blocks.0"] = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, "have no layer2.0.downsample.1.running_var for layer stage2_block1_downsample_bn"),
        (widen, r"layer1.0.conv1.weight has shape \(8, 4, 3, 3\), .* of shape \(3, 3, 4, 4\)"),
        (flatten, r"conv1.weight has shape \(4, 147\)"),
        (deepen, "have layer1.2.conv1.weight, for which the trunk has no layer"),
        (add_other, "have vit.blocks.0"),
        (dict.clear, "have no conv1.weight"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(small, change, message):
    model = trunk(width=4)
    before = model.get_weights()
    change(small)
    with pytest.raises(ValueError, match=message) as error:
        load_torch_weights(model, small)
    assert "\n" not in str(error.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_model_without_a_trunk_is_refused(small):
    with pytest.raises(ValueError, match="none of the layers of a ResNet trunk"):
        load_torch_weights(keras.Sequential([keras.Input([3]), keras.layers.Dense(1)]), small)


def test_safetensors_are_read(tmp_path, small):
    path = tmp_path / "resnet18.safetensors"
    safetensors.numpy.save_file(small, path)
    read = read_state_dict(path)
    assert read.keys() == small.keys()
    np.testing.assert_array_equal(read["layer4.1.conv2.weight"], small["layer4.1.conv2.weight"])


def test_half_precision_is_widened(tmp_path, small):
    path = tmp_path / "half.safetensors"
    safetensors.numpy.save_file({name: value.astype(np.float16) for name, value in small.items()}, path)
    model = trunk(width=4)
    load_torch_weights(model, read_state_dict(path))
    kernel = model.get_layer("stem_conv").get_weights()[0]
    np.testing.assert_allclose(kernel, small["conv1.weight"].transpose(2, 3, 1, 0), rtol=1e-3, atol=1e-4)


def test_pth_is_read(tmp_path, small):
    torch = pytest.importorskip("torch", reason="reading .pth needs the extra keras_mtl[torch]")
    path = tmp_path / "resnet18.pth"
    torch.save({name: torch.from_numpy(value) for name, value in small.items()}, path)
    read = read_state_dict(path)
    np.testing.assert_array_equal(read["layer4.1.conv2.weight"], small["layer4.1.conv2.weight"])


def test_pth_that_runs_code_is_refused(tmp_path):
    torch = pytest.importorskip("torch", reason="reading .pth needs the extra keras_mtl[torch]")
    path = tmp_path / "evil.pth"
    torch.save({"conv1.weight": pathlib.Path("x")}, path)
    with pytest.raises(ValueError, match="no state dict that torch can load weights-only"):
        read_state_dict(path)


def test_pth_without_torch_names_the_extra(tmp_path, monkeypatch):
    real = builtins.__import__

    def without_torch(name, *args, **kwargs):
        if name.split(".")[0] == "torch":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    path = tmp_path / "resnet18.pth"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"pip install 'keras_mtl\[torch\]', or give the weights as .safetensors"):
        read_state_dict(path)


@pytest.mark.parametrize("name", ["resnet18.onnx", "resnet18"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="a .pth, .pt or .safetensors file"):
        read_state_dict(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="There is no weights file .*gone.safetensors"):
        read_state_dict(tmp_path / "gone.safetensors")


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(b"\x10\x00nothing of the kind")
    with pytest.raises(ValueError, match="no .safetensors file that can be read"):
        read_state_dict(path)
