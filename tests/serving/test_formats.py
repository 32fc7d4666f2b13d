"""Other formats than the SavedModel, and what runs them."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from exported_models import SIZE, TASKS, random_model
from helpers import DRAWN, run_command

from keras_mtl.errors import UserError
from keras_mtl.serving.backends import BACKENDS, load_backend
from keras_mtl.serving.export import export_model
from keras_mtl.serving.formats import FORMATS, choose_formats
from keras_mtl.serving.formats.onnx import Onnx
from keras_mtl.tasks import BUILT_IN
from keras_mtl.training.config import Config
from keras_mtl.training.run_folder import RunFolder
from keras_mtl.uncertainty.temperature import at_temperature

IMAGES = np.random.default_rng(0).integers(0, 256, (6, SIZE, SIZE, 3), np.uint8)
# In shares of an output's range: what 8 or 16 bits may cost a net with random weights.
NEAR = {"litert_float16": 2e-3, "litert_dynamic": 0.05, "litert_int8": 0.1, "openvino_int8": 0.1}


@pytest.fixture(scope="module")
def model():
    return random_model()


CALIBRATION = {
    "age": {"half_width": 50.0, "level": 0.9, "images": 99},
    "smile": {"temperature": 2.0, "images": 99},
    "stage": {"temperature": 0.8, "images": 99},
}


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models")
    return export_model(model, folder, name="m", formats=["all"], images=IMAGES, calibration=CALIBRATION)


@pytest.mark.parametrize("name", BACKENDS)
def test_every_backend_gives_the_models_own_outputs_calibrated(exported, model, name):
    backend = BACKENDS[name](exported, name, threads=1)
    saved = BACKENDS["tensorflow"](exported, "tensorflow")
    for images in (IMAGES, IMAGES[:1], IMAGES[2:4]):
        outputs, expected = backend.predict(images), saved.predict(images)
        assert set(outputs) == set(expected)
        for output, values in expected.items():
            assert outputs[output].shape == values.shape and outputs[output].dtype == np.float32
            scale = 120 if output in ("age", "age_interval") else 1
            np.testing.assert_allclose(
                outputs[output] / scale, values / scale, atol=NEAR.get(name, 1e-5), err_msg=output
            )
    decoded = model.decode(model.predict(IMAGES, verbose=0))
    outputs = backend.predict(IMAGES)
    for task, values in decoded.items():
        scale = 120 if task == "age" else 1
        temperature = CALIBRATION.get(task, {}).get("temperature", 1.0)
        values = at_temperature(np.asarray(values, np.float64), temperature) if task != "age" else values
        np.testing.assert_allclose(outputs[task] / scale, values / scale, atol=NEAR.get(name, 1e-5))
    around = np.clip([outputs["age"] - 50, outputs["age"] + 50], 0, 120).T
    np.testing.assert_allclose(outputs["age_interval"], around, atol=1e-3)


def onnx_facts(path):
    import onnx

    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def litert_facts(path):
    from ai_edge_litert.schema_py_generated import Model

    model = Model.GetRootAs(path.read_bytes(), 0)
    entries = [model.Metadata(i) for i in range(model.MetadataLength())]
    texts = {entry.Name().decode(): model.Buffers(entry.Buffer()).DataAsNumpy().tobytes() for entry in entries}
    prefix = "keras_mtl_"
    return {name.removeprefix(prefix): text.decode() for name, text in texts.items() if name.startswith(prefix)}


FILES = ["onnx.onnx", *(f"{name}.tflite" for name in FORMATS if "litert" in name), "litert_int8_readout.tflite"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_tells_classes_units_and_what_images_are(exported, name):
    path = exported / "formats" / name
    told = onnx_facts(path) if path.suffix == ".onnx" else litert_facts(path)
    tasks = {task["name"]: task for task in json.loads(told["tasks"])}
    assert tasks["age"]["unit"] == "years" and tasks["smile"]["classes"] == ["not smiling", "smiling"]
    assert "0 to 255" in told["images"]


def test_logits_are_not_called_like_what_is_read_out_of_them(exported):
    from ai_edge_litert.interpreter import Interpreter

    files = [exported / "formats" / name for name in ("litert_int8.tflite", "litert_int8_readout.tflite")]
    net, readout = (Interpreter(model_path=str(file)).get_signature_list()["serving_default"] for file in files)
    assert set(net["outputs"]) == set(readout["inputs"]) == {f"{task}_logits" for task in TASKS}
    assert {"age", "age_interval", "smile"} <= set(readout["outputs"])


def test_threads_at_once_get_their_own_answers(exported):
    from concurrent.futures import ThreadPoolExecutor

    for name in ("onnx", "openvino", "litert", "tensorflow"):
        backend = BACKENDS[name](exported, name)
        alone = [backend.predict(IMAGES[i : i + 1])["age"][0] for i in range(len(IMAGES))]
        with ThreadPoolExecutor(6) as pool:
            together = list(pool.map(lambda i, b=backend: b.predict(IMAGES[i : i + 1])["age"][0], [*range(6)] * 5))
        assert together == pytest.approx(alone * 5, abs=1e-4), name


def test_the_description_has_each_formats_size_and_difference(exported):
    formats = json.loads((exported / "assets.extra" / "tasks.json").read_text())["formats"]
    assert set(formats) == set(FORMATS)
    for name, facts in formats.items():
        assert (exported / facts["file"]).is_file()
        assert set(facts["mean_difference"]) == set(facts["largest_difference"]) == set(TASKS)
        assert all(facts["mean_difference"][task] <= facts["largest_difference"][task] for task in TASKS)
        assert facts["bytes"] >= (exported / facts["file"]).stat().st_size, name


def test_the_same_again_writes_nothing_and_another_format_a_new_version(model, exported):
    folder = exported.parent.parent
    assert export_model(model, folder, name="m", formats=["onnx"], calibration=CALIBRATION) == exported
    (folder / "models.config").unlink()  # As of an export that was killed before it wrote that.
    assert export_model(model, folder, name="m", calibration=CALIBRATION) == exported
    assert (folder / "models.config").is_file()
    other = folder.parent / "other"
    assert export_model(model, other, name="m").name == "1"
    assert export_model(model, other, name="m", formats=["onnx"]).name == "2"


def test_a_format_that_differs_is_not_published(model, tmp_path, monkeypatch):
    def convert(self, model, path, images, calibration):
        model.set_weights([weight * 1.5 for weight in model.get_weights()])
        original(self, model, path, images, calibration)

    original = Onnx.convert
    monkeypatch.setattr(Onnx, "convert", convert)
    with pytest.raises(UserError, match="'onnx' is not published: .* differs by"):
        export_model(random_model(), tmp_path, name="m", formats=["onnx"])
    assert list(tmp_path.iterdir()) == []


def test_wrong_names_and_what_is_missing_are_told(model, exported, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="'tflite'; known: onnx"):
        choose_formats(["tflite"])
    with pytest.raises(UserError, match="'openvino_int8' learns its ranges from images"):
        export_model(model, tmp_path, name="m", formats=["openvino_int8"])
    plain = export_model(model, tmp_path, name="m")
    with pytest.raises(UserError, match="has no onnx: .*--formats=onnx"):
        load_backend(plain, SIZE, "onnx")
    with pytest.raises(UserError, match="Unknown backend 'torch'"):
        load_backend(plain, SIZE, "torch")
    assert load_backend(plain, SIZE).name == "tensorflow"
    assert load_backend(exported, SIZE).name in ("onnx", "openvino", "litert")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"keras_mtl\[formats\]"):
        load_backend(exported, SIZE, "onnx")
    with pytest.raises(UserError, match=r"keras_mtl\[formats\]"):
        choose_formats(["onnx"])


def test_backends_need_no_tensorflow(exported):
    code = """
import sys, pathlib, numpy
from keras_mtl.uncertainty.temperature import at_temperature
from keras_mtl.serving.backends import BACKENDS
for name in ("onnx", "openvino", "litert"):
    BACKENDS[name](pathlib.Path(sys.argv[1]), name).predict(numpy.zeros([1, 32, 32, 3], numpy.uint8))
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, str(exported)], check=True)


def test_the_command_writes_scores_and_tells(tmp_path):
    """Through the real command line, on drawn faces."""
    tasks = {name: BUILT_IN[name] for name in ("age", "gender", "smile")}
    run = RunFolder(tmp_path / "r")
    run.begin(Config(name="r", tasks=tuple(tasks), sources=tuple(DRAWN.split(",")), image_size=SIZE))
    random_model(tasks=tasks).save(run.model_path)
    facts = {"tasks": [], "description": "", "licence": "", "drawn": True, "splits": {"validation": {"images": 9}}}
    run.write_manifest(run.config(), {"sources": {f"drawn_{name}": facts for name in tasks}})
    flags = [f"--run={run.path}", f"--directory={tmp_path / 'models'}"]
    done = run_command("export", *flags, "--formats=litert_int8", "--verify", "--interval_level=0.7")
    *table, path = done.stdout.splitlines()
    assert path == str(tmp_path / "models" / "r" / "1")
    assert [line.split()[0] for line in table] == ["format", "saved_model", "litert_int8"]
    told = json.loads((pathlib.Path(path) / "assets.extra" / "tasks.json").read_text())
    assert told["calibration"]["age"]["level"] == 0.7 and told["calibration"]["age"]["half_width"] > 0
    formats = told["formats"]
    for facts in formats.values():
        assert set(facts["metrics"]) == set(tasks) and facts["split"] == "test" and 0 <= facts["covered"]["age"] <= 1
        assert facts["metrics"]["age"]["mae"] == pytest.approx(formats["saved_model"]["metrics"]["age"]["mae"], abs=1)
        assert 0 < facts["milliseconds"]["p50"] <= facts["milliseconds"]["p95"]
    assert "to calibrate gender, smile" in done.stderr  # Seven validation images each.
    done = run_command("export", *flags, "--formats=tflite", check=False)
    assert done.returncode == 2 and done.stderr.startswith("Error: Unknown format 'tflite'")
