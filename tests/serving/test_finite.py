"""A model that gives NaN is never published, and never answered with."""

from __future__ import annotations

import io
import pathlib

import httpx
import numpy as np
import PIL.Image
import pytest
from exported_models import SIZE, random_model
from running_server import running_server

from keras_mtl.errors import UserError
from keras_mtl.serving import verify
from keras_mtl.serving.backends.tensorflow import TensorFlow
from keras_mtl.serving.client import ServingClient
from keras_mtl.serving.export import export_model
from keras_mtl.serving.formats import FORMATS
from keras_mtl.serving.predict import predict_files
from keras_mtl.tasks import BUILT_IN

IMAGES = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
TASKS = {name: BUILT_IN[name] for name in ("age", "smile")}


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_weights_or_outputs_that_are_not_finite_are_not_exported(tmp_path, value):
    model = random_model(tasks=TASKS)
    for variable in model.variables:
        if variable.path.endswith("/beta"):
            variable.assign(np.full(variable.shape, value, np.float32))
    # Of 3e38 each weight is finite, and what they give is not.
    expected = "has values of age that are not finite" if value == 3e38 else r"weights that are not finite \(.*/beta\)"
    with pytest.raises(UserError, match=expected) as error:
        export_model(model, tmp_path, name="m")
    assert "\n" not in str(error.value)
    assert not [path for path in (tmp_path / "m").glob("**/*") if path.is_file()]


@pytest.mark.parametrize("one", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_format_whose_outputs_are_not_finite_is_not_published(monkeypatch, tmp_path, one, value):
    right = {"age": np.zeros(3, np.float32), "age_interval": np.zeros((3, 2), np.float32)}
    wrong = {**right, "age_interval": np.array([[0, 1], [0, value], [0, 1]], np.float32)}

    class Backend:
        def __init__(self, folder: pathlib.Path, name: str):
            pass

        def predict(self, images):
            return wrong

    monkeypatch.setitem(verify.BACKENDS, one.name, Backend)
    with pytest.raises(UserError, match=f"'{one.name}' is not published: .*age_interval.* 1 of 3 images"):
        verify.verify_format(one, tmp_path, right, IMAGES, {"age": TASKS["age"]})


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_model(random_model(tasks=TASKS), tmp_path_factory.mktemp("models"), name="m")


@pytest.fixture
def photo(tmp_path):
    PIL.Image.fromarray(IMAGES[0]).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def poison(monkeypatch, is_bad):
    """Makes TensorFlow's outputs NaN for the images that `is_bad` names, as a model's of before that was exported."""
    predict = TensorFlow.predict

    def poisoned(self, images):
        outputs = {name: np.array(values) for name, values in predict(self, images).items()}
        outputs["age"][[is_bad(image) for image in images]] = np.nan
        return outputs

    monkeypatch.setattr(TensorFlow, "predict", poisoned)


def test_predict_says_so_in_one_line(exported, photo, monkeypatch, capsys):
    poison(monkeypatch, lambda image: True)
    with pytest.raises(
        UserError, match="Model m, version 1, has values of age that are not finite for 1 of 1 images"
    ) as error:
        predict_files(model=str(exported), photos=[str(photo)], backend="tensorflow", format="json")
    assert "\n" not in str(error.value) and "NaN" not in capsys.readouterr().out


def test_the_server_does_not_load_such_a_model(exported, monkeypatch):
    poison(monkeypatch, lambda image: True)
    refused = pytest.raises(
        UserError, match="can't be loaded: Model m, version 1, has values of age that are not finite"
    )
    with refused, running_server(exported):
        pass


def test_an_answer_that_is_not_finite_is_an_error_of_that_request_alone(exported, photo, monkeypatch):
    poison(monkeypatch, lambda image: image.max() > 0)
    black = io.BytesIO()
    PIL.Image.new("RGB", (SIZE, SIZE)).save(black, "PNG")
    with running_server(exported) as address:
        header = {"Content-Type": "image/png"}
        bad = httpx.post(f"{address}/v1/predict", content=photo.read_bytes(), headers=header)
        assert bad.status_code == 500 and "has values of age that are not finite" in bad.json()["error"]
        by_rows = httpx.post(f"{address}/v1/models/m:predict", json={"instances": IMAGES[:1].tolist()}, timeout=60)
        assert by_rows.status_code == 500 and "not finite" in by_rows.json()["error"]
        good = httpx.post(f"{address}/v1/predict", content=black.getvalue(), headers=header)
        assert good.status_code == 200 and np.isfinite(good.json()["faces"][0]["predictions"]["m"]["age"])
        with pytest.raises(UserError, match="does not predict with model 'm': Model m.* not finite"):
            ServingClient(address, "m").predict_bytes([photo.read_bytes()])


def test_a_client_takes_no_nan_of_another_server(photo, monkeypatch):
    client = ServingClient("http://localhost:1", "m")
    monkeypatch.setattr(client, "_outputs", lambda photos: {"age": np.array([np.nan]), "smile_class": np.array(["a"])})
    with pytest.raises(UserError, match="Model 'm' of http://localhost:1 has values of age that are not finite"):
        client.predict_bytes([photo.read_bytes()])
