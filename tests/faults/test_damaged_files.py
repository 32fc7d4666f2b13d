"""Damaged small files: each is refused in one line that names the file and, where there is one, the field."""

import dataclasses
import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pandas as pd
import pytest

from keras_mtl import cli
from keras_mtl.data.clean import Removed, read_clean, write_clean
from keras_mtl.errors import UserError
from keras_mtl.evaluation.predictions import read_predictions, write_predictions
from keras_mtl.files import read_csv, read_json, write_csv
from keras_mtl.models.cost import PlainCost
from keras_mtl.models.keras_files import load_model
from keras_mtl.serving.description import read_description
from keras_mtl.serving.results import Kept
from keras_mtl.serving.versions import DESCRIPTION_FILE
from keras_mtl.tasks import BUILT_IN, read_task_file
from keras_mtl.training.config import Config
from keras_mtl.training.conflict_rows import COLUMNS, read_rows
from keras_mtl.training.run_files import Manifest, Metrics
from keras_mtl.training.run_folder import RunFolder


def refused(path, read, *arguments):
    """The message that `read` refuses the file with: one line that names it."""
    with pytest.raises(UserError) as caught:
        read(*arguments)
    message = str(caught.value)
    assert path.name in message and "\n" not in message and len(message) < 1500
    return message


WAYS = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "number": b"7",
    "text": b'"a"',
    "cut": b'{"sources": {"a": ',
    "bytes": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "long number": b'{"seed": 1' + b"0" * 5000 + b"}",
}


@pytest.mark.parametrize("kind", [Manifest, Metrics, dict[str, PlainCost]])
@pytest.mark.parametrize("way", WAYS)
def test_json(way, kind, tmp_path):
    path = tmp_path / "some.json"
    path.write_bytes(WAYS[way])
    refused(path, read_json, path, kind)


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [
        (Manifest, {"sources": []}, "sources must be an object. Received: []"),
        (Manifest, {"sources": {"a": {"splits": {"train": 3}}}}, "sources.a.splits.train must be an object"),
        (Manifest, {"sources": {"a": {"tasks": ["age", 3]}}}, "sources.a.tasks[1] must be a text. Received: 3"),
        (Manifest, {"seed": 1.5}, "seed must be a whole number. Received: 1.5"),
        (Manifest, {"seed": True}, "seed must be a whole number"),
        (Metrics, {"training": {"history": [{}, {"loss": "x" * 900}]}}, "training.history[1].loss must be a number"),
        (Metrics, {"training": {"best": 10**400}}, "training.best must be a number"),
        (Metrics, {"test": {"drawn": None}}, "test.drawn must be a list. Received: None"),
        (dict[str, PlainCost], {"a": {"parameters": 3}}, "a.megabytes is missing"),
    ],
)
def test_json_with_a_wrong_field(kind, value, field, tmp_path):
    path = tmp_path / "some.json"
    path.write_text(json.dumps(value))
    assert field in refused(path, read_json, path, kind)


def test_json_may_have_more_than_is_known_and_less(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"training": {"best": null, "new": 1}, "newer": [2]}')
    assert read_json(path, Metrics) == {"training": {"best": None, "new": 1}, "newer": [2]}


def test_a_run_folder(tmp_path):
    run = RunFolder(tmp_path)
    run.begin(Config())
    run.manifest_path.write_text("{}")
    assert "sources is missing" in refused(run.manifest_path, run.manifest, "sources")
    run.metrics_path.write_text("[]")
    refused(run.metrics_path, lambda: run.finished)
    refused(run.metrics_path, run.update_metrics)
    whole = run.flags_path.read_text()
    for damaged in ("", whole[: len(whole) // 2], whole[: whole.index("\n") + 1], "\0" * 60, whole + "--epochs=x\n"):
        run.flags_path.write_text(damaged)
        refused(run.flags_path, run.config)
    run.quarantine_path.write_text("source,split\na,b\n")
    assert "no column 'image'" in refused(run.quarantine_path, run.read_quarantine)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    from exported_models import random_model

    path = tmp_path_factory.mktemp("model") / "model.keras"
    random_model().save(path)
    return path


def repacked(path, to, config=None, weights=None, *, extra=None, without=(), compression=zipfile.ZIP_STORED):
    """A copy of a .keras file with another part."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w", compression) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json" and config:
                data = config(data)
            if name == "model.weights.h5" and weights:
                data = weights(data)
            if name not in without:
                new.writestr(name, data)
        for name, data in (extra or {}).items():
            new.writestr(name, data)
    return to


def changed_weights(change):
    def apply(data):
        file = io.BytesIO(data)
        with h5py.File(file, "r+") as weights:
            change(weights)
        return file.getvalue()

    return apply


def datasets(weights):
    found = []
    weights.visititems(lambda name, one: found.append(name) if isinstance(one, h5py.Dataset) else None)
    return found


def of_another_shape(weights):
    name = datasets(weights)[0]
    shape = weights[name].shape
    del weights[name]
    weights[name] = np.zeros([side + 1 for side in shape], np.float32)


def one_less(weights):
    del weights[datasets(weights)[-1]]


def as_text(weights):
    name = datasets(weights)[0]
    del weights[name]
    weights[name] = "text"


def huge(weights):
    name = datasets(weights)[0]
    del weights[name]
    weights.create_dataset(name, shape=(1 << 40,), dtype="float32", chunks=(1024,))


def elsewhere(weights):
    name = datasets(weights)[0]
    del weights[name]
    weights[name] = h5py.ExternalLink("/etc/passwd", "/")


def other_classes(change):
    def apply(data):
        config = json.loads(data)
        layer = config["config"]["layers"][1]
        change(layer, config)
        return json.dumps(config).encode()

    return apply


def a_lambda(layer, config):
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}
    layer.update(module="keras.layers", class_name="Lambda", registered_name=None)
    layer["config"] = {"name": layer["name"], "function": code}


def a_function(layer, config):
    layer["config"]["activation"] = {
        "class_name": "function", "config": "get_file", "module": "keras.utils", "registered_name": "get_file",
    }  # fmt: skip


def another_package(layer, config):
    layer.update(module="os", class_name="system", registered_name="os>system")


MODELS = {
    "empty": lambda data: b"",
    "one byte": lambda data: data[:1],
    "half": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-1],
    "without its begin": lambda data: data[1:],
    "zeros": lambda data: bytes(len(data)),
    "zeros at its end": lambda data: data[:-600] + bytes(600),
    "zeros in the middle": lambda data: data[:50_000] + bytes(20_000) + data[70_000:],
    "flipped config": lambda data: data.replace(b'"config"', b'"conbig"', 1),
    "flipped name": lambda data: data.replace(b"config.json", b"conbig.json"),
    "flipped weights": lambda data: data[:-30_000] + bytes([data[-30_000] ^ 255]) + data[-29_999:],
    "text": lambda data: b"version https://git-lfs.github.com/spec/v1\n",
    "HDF5": lambda data: b"\x89HDF\r\n\x1a\n" + bytes(1000),
}
REPACKED = {
    "no config": {"without": ("config.json",)},
    "no weights": {"without": ("model.weights.h5",)},
    "empty config": {"config": lambda data: b""},
    "config of null": {"config": lambda data: b"null"},
    "config of a list": {"config": lambda data: b"[]"},
    "cut config": {"config": lambda data: data[:-100]},
    "deep config": {"config": lambda data: b"[" * 100_000},
    "config without layers": {"config": lambda data: b'{"class_name": "MultiTaskModel", "config": {}}'},
    "unknown class": {"config": lambda data: data.replace(b"keras_mtl>Conv2D", b"keras_mtl>Conv9D")},
    "other tasks": {"config": lambda data: data.replace(b'"low": 0', b'"low": "x"')},
    "a list for a field": {"config": lambda data: data.replace(b'"filters": 4', b'"filters": []')},
    "empty weights": {"weights": lambda data: b""},
    "cut weights": {"weights": lambda data: data[: len(data) // 2]},
    "weights of another shape": {"weights": changed_weights(of_another_shape)},
    "a weight less": {"weights": changed_weights(one_less)},
    "a weight of text": {"weights": changed_weights(as_text)},
    "a weight of terabytes": {"weights": changed_weights(huge)},
    "a weight elsewhere": {"weights": changed_weights(elsewhere)},
    "a Lambda": {"config": other_classes(a_lambda)},
    "a function": {"config": other_classes(a_function)},
    "another package's class": {"config": other_classes(another_package)},
    "a zip bomb": {"extra": {"model.bomb": bytes(100_000_000)}, "compression": zipfile.ZIP_DEFLATED},
}


@pytest.mark.parametrize("way", [*MODELS, *REPACKED])
def test_models(way, model_file, tmp_path):
    path = tmp_path / "damaged.keras"
    if way in MODELS:
        data = MODELS[way](model_file.read_bytes())
        assert data != model_file.read_bytes()
        path.write_bytes(data)
    else:
        repacked(model_file, path, **REPACKED[way])
    refused(path, load_model, path)


def test_a_whole_model_and_what_is_none(model_file, tmp_path):
    assert {*load_model(model_file).tasks} == {"age", "smile", "emotion", "stage"}
    repacked(model_file, tmp_path / "same.keras")
    load_model(tmp_path / "same.keras")
    path = tmp_path / "other.keras"
    keras.Sequential([keras.Input([3]), keras.layers.Dense(1)]).save(path)
    assert "holds no multitask model of keras_mtl, but a Sequential" in refused(path, load_model, path)
    assert "No such file" in refused(tmp_path / "gone.keras", load_model, tmp_path / "gone.keras")
    assert "Is a directory" in refused(tmp_path, load_model, tmp_path)


TASKS = {
    "empty": b"",
    "not in UTF-8": b"- name: \xff\n",
    "a text": b"hello",
    "null": b"- null\n",
    "open": b"- {name: a, kind: [",
    "a list for a name": b"- {name: [a], kind: binary}\n",
    "a key that is a list": b"? [a]\n: b\n",
    "a merge of nothing": b"- {<<: 3, name: a}\n",
    "an object of Python": b"- !!python/object/apply:os.system [ls]\n",
    "a tag": b"- !!set [a]\n",
    "an unknown alias": b"- *a\n",
    "inside itself": b"- &a [*a]\n",
    "deep": b"[" * 3000,
    "a NUL": b"- name: a\0\n",
    "too large": b"# " + b"x" * 300_000,
    "a long number": b"- {name: a, kind: regression, low: 0, high: 1" + b"0" * 400 + b"}\n",
}


@pytest.mark.parametrize("way", TASKS)
@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_task_files(way, suffix, tmp_path):
    path = tmp_path / f"tasks.{suffix}"
    path.write_bytes(TASKS[way])
    refused(path, read_task_file, path)


@pytest.mark.parametrize("data", [b"--epochs=\xff\n", b'"--epochs\n', b"--name=a\n" * 200_000])
def test_flagfiles(data, tmp_path):
    path = tmp_path / "a.flags"
    path.write_bytes(data)
    refused(path, cli.parse, Config, [f"--flagfile={path}"])


def test_a_clean_split(tmp_path):
    removed = Removed("csv_age", "test", "=a.jpg", "exact duplicate", "csv_age", "train", "b.jpg", 1.0)
    write_clean(tmp_path, "test", [removed], {"csv_age": {"test": "x"}})
    assert read_clean(tmp_path).removed == {"csv_age": {"=a.jpg"}}
    facts = json.loads((tmp_path / "clean.json").read_text())
    for field, value in (("side", "both"), ("seen", []), ("seen", {"csv_age": 3}), ("validation_fraction", "x")):
        (tmp_path / "clean.json").write_text(json.dumps({**facts, field: value}))
        assert f"{field}" in refused(tmp_path / "clean.json", read_clean, tmp_path)
    (tmp_path / "clean.json").write_text(json.dumps({**facts, "ledger": None}))
    refused(tmp_path / "clean.json", read_clean, tmp_path)
    del facts["ledger"]  # As in folders of before.
    (tmp_path / "clean.json").write_text(json.dumps(facts))
    for text in ("", "source\n", (tmp_path / "removed.csv").read_text().replace("1.0", "one")):
        (tmp_path / "removed.csv").write_text(text)
        refused(tmp_path / "removed.csv", read_clean, tmp_path)


def test_predictions(tmp_path):
    path = tmp_path / "test.csv"
    tasks = {name: BUILT_IN[name] for name in ("age", "smile")}
    frame = pd.DataFrame(
        {
            **{"source": ["=s", "s"], "image": ["-a.jpg", "'=b.jpg"], "cluster": [0, 1]},
            **{"age": [3.0, np.nan], "age_predicted": [-4.5, 5.0], "smile": [None, "smiling"]},
            **{"smile_predicted": ["smiling", "smiling"], "smile_not smiling": [0.2, 0.1], "smile_smiling": [0.8, 0.9]},
            "group:region": ["+49", None],
        }
    )
    write_predictions(frame, path)
    whole = path.read_text()
    assert whole.splitlines()[1].startswith("'=s,'-a.jpg,0,3,-4.5,") and whole.splitlines()[1].endswith(",+49")
    pd.testing.assert_frame_equal(read_predictions(path, tasks), frame, check_dtype=False)
    for damaged in (
        *("", "\0" * 50, whole[: len(whole) // 2], whole[: len(whole) - 8], whole.replace("-4.5", "four")),
        *(whole.replace("age_predicted", "age"), whole.replace(",smiling,0.1", ",grinning,0.1"), whole + '"'),
    ):
        path.write_text(damaged)
        refused(path, read_predictions, path, tasks)


def test_looks_at_conflict(tmp_path):
    path = tmp_path / "conflict.csv"
    row = dict.fromkeys(COLUMNS, "0.5") | {"step": "3", "stage": "stem", "task": "age", "other": "smile"}
    write_csv(path, COLUMNS, [row.values()])
    assert read_rows(path) == [row]
    for name in ("step", "cosine", "weight"):
        write_csv(path, COLUMNS, [{**row, name: "x"}.values()])
        assert f"line 2: {name} must be a number. Received: 'x'" in refused(path, read_rows, path)
    path.write_text(",".join(COLUMNS) + "\n3,stem\n")
    assert "line 2 has 2 cells" in refused(path, read_rows, path)


LINES = ('{"image": "a.jpg", "age": 3}\n', '{"image": "b.jpg", "age": 4}\n', '{"image": "c.jpg", "age": 5}\n')


@pytest.mark.parametrize("line", ["null", "[]", "3", "{", '{"image": 3}', '{"image": "b", "seconds": "x"}', "", "\xff"])
def test_a_file_that_predict_goes_on_with(line, tmp_path):
    path = tmp_path / "out.jsonl"
    Kept(str(path), {"weights": "x"})
    data = "".join([LINES[0], f"{line}\n", *LINES[1:]]).encode("latin-1")
    path.write_bytes(data)
    assert "line 2" in refused(path, Kept, str(path), {"weights": "x"})
    assert path.read_bytes() == data
    path.write_text("".join(LINES) + '{"image": "d')
    assert Kept(str(path), {"weights": "x"}).done == {("a.jpg", None), ("b.jpg", None)}
    assert path.read_text() == "".join(LINES[:2])


@pytest.mark.parametrize("text", ["age\n3\n", "image,seconds\na.jpg,x\nb.jpg,1\n", "image,seconds\na.jpg\nb.jpg,1\n"])
def test_a_csv_that_predict_goes_on_with(text, tmp_path):
    path = tmp_path / "out.csv"
    Kept(str(path), {})
    path.write_text(text)
    refused(path, Kept, str(path), {})
    path.write_text("image,seconds\n'=a.jpg,\nfilm.mp4,0.5\nfilm.mp4,1\n")
    assert Kept(str(path), {}).done == {("=a.jpg", None), ("film.mp4", 0.5)}


def test_what_an_export_says_of_itself(tmp_path):
    path = tmp_path / DESCRIPTION_FILE
    path.parent.mkdir()
    whole = {
        **{"format": 2, "tasks": [BUILT_IN["age"].to_dict()], "distributions": {}, "image_size": 32, "weights": "x"},
        **{"run": "", "sources": [], "drawn": False, "limits": ""},
    }
    path.write_text(json.dumps(whole))
    assert read_description(tmp_path) == whole
    for field, value in (
        *(("tasks", []), ("tasks", [3]), ("tasks", [{"name": "age"}]), ("tasks", None), ("image_size", "x")),
        *(("distributions", {"age": 3}), ("calibration", []), ("formats", {"onnx": 3})),
    ):
        path.write_text(json.dumps({**whole, field: value}))
        assert "export it again" in refused(path, read_description, tmp_path)
    for data in WAYS.values():
        path.write_bytes(data)
        with pytest.raises(UserError, match="tasks.json|of format"):
            read_description(tmp_path)


def test_a_csv_of_ours_is_read_back_unchanged(tmp_path):
    names = ["=1+1", "+a", "-b", "@c", "'=d", "''=e", "'f", "-5", "+1e3", "=", "'", "a=b", "\uff1dg", "'-5", "", "x\ny"]
    columns = [field.name for field in dataclasses.fields(Removed)]
    write_csv(tmp_path / "a.csv", ["=name", *columns], [[name] * (len(columns) + 1) for name in names])
    rows = read_csv(tmp_path / "a.csv", columns)
    assert [row["=name"] for row in rows] == [name.replace("\n", "\\x0a") for name in names]
    text = (tmp_path / "a.csv").read_text()
    assert text.splitlines()[1].startswith("'=1+1,") and "\n-5," in text and "\n+1e3," in text
