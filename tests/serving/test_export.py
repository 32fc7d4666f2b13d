from __future__ import annotations

import concurrent.futures
import io
import json
import subprocess
import sys

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from exported_models import SIZE, TASKS, random_model

from keras_mtl.errors import UserError
from keras_mtl.models import build_model
from keras_mtl.photos import decode_photo, square_pixels
from keras_mtl.serving.export import export_model, export_run
from keras_mtl.serving.signatures import with_precision
from keras_mtl.serving.versions import add_version, resolve, versions
from keras_mtl.tasks import Task
from keras_mtl.training.config import Config
from keras_mtl.training.run_folder import RunFolder

IMAGES = np.random.default_rng(7).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)
# Loads and calls a SavedModel as a stranger would: with TensorFlow alone, in an empty folder.
STRANGER = """
import sys, numpy as np, tensorflow as tf
signatures = tf.saved_model.load(sys.argv[1]).signatures
given = np.load(sys.argv[2], allow_pickle=True)
results = {}
for signature, images in (("serving_default", "uint8"), ("serve_float", "float"), ("serve_bytes", "bytes")):
    fed = tf.constant(list(given[images])) if images == "bytes" else tf.constant(given[images])
    for name, value in signatures[signature](images=fed).items():
        results[f"{signature}/{name}"] = value.numpy().astype(str) if value.dtype == tf.string else value.numpy()
assert not [name for name in sys.modules if name.split(".")[0] == "keras_mtl"]
np.savez(sys.argv[3], **results)
"""


def encode(pixels, kind):
    data = io.BytesIO()
    PIL.Image.fromarray(pixels).save(data, kind)
    return data.getvalue()


def expected(model, images):
    """What the outputs must be: the model's own on the same pixels."""
    decoded = model.decode(model.predict(np.asarray(images), verbose=0))
    return {name: np.asarray(value) for name, value in decoded.items()}


def check(outputs, model, images):
    for name, values in expected(model, images).items():
        np.testing.assert_allclose(outputs[name], values, atol=1e-5, rtol=1e-5, err_msg=name)
        classes = model.tasks[name].classes
        if classes:
            assert [classes[index] for index in values.argmax(-1)] == list(outputs[f"{name}_class"])


@pytest.fixture(scope="module")
def model():
    return random_model()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    return export_model(model, tmp_path_factory.mktemp("saved_models"), name="faces", about={"run": "r7"})


def test_a_process_with_tensorflow_alone_gets_the_models_own_outputs(model, exported, tmp_path):
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (5, 50, 41, 3), np.uint8)
    shapes = [(32, 32), (90, 20), (17, 64)]
    files = [
        encode(random.integers(0, 256, (*shape, 3), np.uint8), kind)
        for shape, kind in zip(shapes, ("PNG", "JPEG", "JPEG"), strict=True)
    ]
    np.savez(tmp_path / "in.npz", uint8=images, float=images.astype(np.float32), bytes=np.array(files, object))
    subprocess.run(
        [sys.executable, "-c", STRANGER, str(exported), str(tmp_path / "in.npz"), str(tmp_path / "out.npz")],
        cwd=tmp_path,
        check=True,
    )
    results = np.load(tmp_path / "out.npz")
    by_signature: dict[str, dict] = {}
    for key in results:
        signature, name = key.split("/")
        by_signature.setdefault(signature, {})[name] = results[key]
    check(by_signature["serving_default"], model, [square_pixels(PIL.Image.fromarray(image), SIZE) for image in images])
    check(by_signature["serve_float"], model, [square_pixels(PIL.Image.fromarray(image), SIZE) for image in images])
    check(by_signature["serve_bytes"], model, [square_pixels(decode_photo(data), SIZE) for data in files])
    outputs = {
        "age",
        "age_distribution",
        "age_interval",
        "smile",
        "smile_class",
        "emotion",
        "emotion_class",
        "stage",
        "stage_class",
    }
    assert all(set(found) == outputs for found in by_signature.values())


def test_images_of_the_models_own_size_are_not_changed(model, exported):
    images = np.random.default_rng(2).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    outputs = tf.saved_model.load(str(exported)).signatures["serving_default"](images=tf.constant(images))
    for name, values in expected(model, images).items():
        np.testing.assert_allclose(outputs[name], values, atol=1e-5, rtol=1e-5)


def test_the_description_tells_tasks_size_versions_and_limits(exported):
    description = json.loads((exported / "assets.extra" / "tasks.json").read_text(encoding="utf-8"))
    assert {task["name"]: Task.from_dict(task) for task in description["tasks"]} == TASKS
    assert description["image_size"] == SIZE
    assert description["run"] == "r7"
    assert description["precision"] == "float32"
    assert description["drawn"] is False and "drawn" not in description["limits"]
    assert {"keras_mtl", "tensorflow", "keras", "python"} <= set(description["versions"])


def test_tasks_of_drawn_faces_alone_say_so(model, tmp_path):
    sources = [
        {"name": "a", "tasks": ["age", "smile"], "drawn": True},
        {"name": "b", "tasks": ["smile", "emotion"], "drawn": False},
    ]
    folder = export_model(model, tmp_path, name="d", about={"sources": sources})
    description = json.loads((folder / "assets.extra" / "tasks.json").read_text(encoding="utf-8"))
    assert description["drawn"] is True and description["sources"] == sources
    assert description["limits"].startswith("age: trained on drawn faces, not people")


def test_without_folding_the_outputs_are_the_same_and_the_model_is_left_as_it_was(model, exported, tmp_path):
    before, config = model.get_weights(), model.get_config()
    plain = export_model(model, tmp_path, name="plain", fold=False)
    images = tf.constant(np.random.default_rng(3).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8))
    folded_outputs, plain_outputs = (
        tf.saved_model.load(str(path)).signatures["serving_default"](images=images) for path in (exported, plain)
    )
    for name in TASKS:
        np.testing.assert_allclose(folded_outputs[name], plain_outputs[name], atol=1e-5, rtol=1e-5)
    assert model.get_config() == config
    assert all(np.array_equal(now, then) for now, then in zip(model.get_weights(), before, strict=True))


def test_a_bfloat16_model_is_exported_in_float32_unless_asked_otherwise(tmp_path):
    trained = random_model("bfloat16")
    float32 = random_model("float32")
    float32.set_weights(trained.get_weights())
    images = np.random.default_rng(4).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)
    folder = export_model(trained, tmp_path, name="m")
    outputs = tf.saved_model.load(str(folder)).signatures["serving_default"](images=tf.constant(images))
    np.testing.assert_allclose(outputs["age"], expected(float32, images)["age"], rtol=1e-5)
    folder = export_model(trained, tmp_path, name="m", precision="trained", fold=False)
    outputs = tf.saved_model.load(str(folder)).signatures["serving_default"](images=tf.constant(images))
    np.testing.assert_allclose(outputs["age"], expected(trained, images)["age"], rtol=1e-5)
    assert outputs["age"].dtype == tf.float32
    description = json.loads((folder / "assets.extra" / "tasks.json").read_text(encoding="utf-8"))
    assert description["precision"] == "trained" and folder.name == "2"


def test_with_precision_changes_every_layer_and_no_weight():
    trained = random_model("bfloat16")
    converted = with_precision(trained, "float32")
    assert {layer.compute_dtype for layer in converted.layers if layer.weights} == {"float32"}
    assert any(layer.compute_dtype == "bfloat16" for layer in trained.layers)
    assert converted.tasks == trained.tasks
    assert isinstance(converted, type(trained)) and isinstance(converted, keras.Model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"precision": "int4"}, "float32, trained"), ({"name": "a/b"}, "plain folder name"), ({"name": ".."}, "plain")],
)
def test_bad_arguments_are_named(model, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        export_model(model, tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
@pytest.mark.parametrize("fold", [True, False])
def test_layers_with_lora_and_in_8_bits_are_exported_as_they_predict(tmp_path, fold):
    net, without = (build_model(TASKS, image_size=SIZE, width=4, blocks=(1, 1), seed=1) for _ in range(2))
    random = np.random.default_rng(3)
    for name in ("stage2_block1_conv1", "smile_logits"):
        layer = net.get_layer(name)
        layer.enable_lora(2)
        layer.lora_kernel_a.assign(random.normal(0, 0.5, layer.lora_kernel_a.shape))
        layer.lora_kernel_b.assign(random.normal(0, 0.5, layer.lora_kernel_b.shape))
    logits, plain = (model.predict(IMAGES, verbose=0) for model in (net, without))
    assert all(np.abs(values - plain[name]).max() > 0.01 for name, values in logits.items())
    net.get_layer("emotion_logits").quantize("int8")
    folder = export_model(net, tmp_path, fold=fold)
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    outputs = {name: value.numpy() for name, value in signature(tf.constant(IMAGES)).items()}
    for name, values in expected(net, IMAGES).items():
        # In 8 bits a value that lies between two may become either.
        np.testing.assert_allclose(outputs[name], values, atol=5e-3 if name == "emotion" else 1e-4, err_msg=name)
    with pytest.raises(UserError, match="'emotion_logits' is quantized to int8, .* can't hold: litert"):
        export_model(net, tmp_path, formats=["litert"])
    net = random_model()
    net.get_layer("emotion_logits").quantize("float8")
    with pytest.raises(UserError, match="'emotion_logits' is quantized to float8"):
        export_model(net, tmp_path)


def test_a_run_is_exported_under_its_name_with_its_sources(model, tmp_path, command):
    run = RunFolder(tmp_path / "runs" / "tiny")
    run.begin(Config(name="tiny"))
    with pytest.raises(ValueError, match="no model.keras"):
        export_run(run.path)
    model.save(run.model_path)
    facts = {"tasks": ["age"], "licence": "CC0", "description": "cartoons", "drawn": True, "fingerprint": "0a"}
    run.write_manifest(run.config(), {"sources": {"drawn_age": facts}})
    done = command("export", f"--run={run.path}", f"--directory={tmp_path / 'saved'}")
    folder = tmp_path / "saved" / "tiny" / "1"
    assert done.stdout == f"{folder}\n"
    description = json.loads((folder / "assets.extra" / "tasks.json").read_text(encoding="utf-8"))
    assert description["run"] == "tiny" and description["drawn"] is True
    assert description["sources"] == [
        {"name": "drawn_age", "tasks": ["age"], "description": "cartoons", "licence": "CC0", "drawn": True}
    ]
    assert export_run(run.path, tmp_path / "saved", name="other") == tmp_path / "saved" / "other" / "1"


def test_a_missing_run_is_named_in_one_line(command, tmp_path):
    done = command("export", f"--run={tmp_path / 'none'}", check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "no run folder" in done.stderr


def fill(folder):
    folder.mkdir()
    (folder / "saved_model.pb").write_text("x")


def test_exports_at_once_get_different_versions(tmp_path):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: add_version(tmp_path / "m", fill), range(24)))
    assert sorted(int(folder.name) for folder in made) == list(range(1, 25)) == versions(tmp_path / "m")
    assert sorted(entry.name for entry in (tmp_path / "m").iterdir()) == sorted(folder.name for folder in made)


def test_an_export_says_how_far_it_is(model, tmp_path):
    told = []
    images = np.zeros([2, SIZE, SIZE, 3], np.uint8)
    version = export_model(
        model, tmp_path, name="m", formats=["onnx", "litert"], images=images, score=lambda backend: {}, tell=told.append
    )
    assert told == [
        "Writing the SavedModel",
        "Scoring the SavedModel",
        *("Writing onnx (1 of 2)", "Scoring onnx", "Writing litert (2 of 2)", "Scoring litert"),
    ]
    assert export_model(model, tmp_path, name="m", formats=["onnx"], images=images, tell=told.append) == version
    assert len(told) == 6  # Nothing was to be done.


def test_weights_stand_once_in_a_saved_model_and_are_set(model, exported):
    """They are zeros while TensorFlow traces and saves, and there are no variables."""
    size = sum(weight.numpy().nbytes for weight in model.variables)
    written = (exported / "saved_model.pb").stat().st_size
    assert size < written < size + 600_000
    assert not list((exported / "variables").glob("*.data*")) or all(
        path.stat().st_size < 10_000 for path in (exported / "variables").iterdir()
    )


def test_a_failed_export_leaves_nothing(tmp_path):
    def fail(folder):
        fill(folder)
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        add_version(tmp_path / "m", fail)
    assert list((tmp_path / "m").iterdir()) == []


def test_the_newest_version_is_found_by_number(tmp_path):
    for version in ("9", "10", "notes"):
        (tmp_path / version).mkdir()
        fill(tmp_path / version / "inner") if version == "notes" else (tmp_path / version / "saved_model.pb").touch()
    (tmp_path / "11").mkdir()
    assert resolve(tmp_path) == tmp_path / "10"
    assert resolve(tmp_path / "9") == tmp_path / "9"


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        resolve(tmp_path / "nothing")
    with pytest.raises(ValueError, match="no version"):
        resolve(tmp_path)
