"""The Open Inference Protocol, asked by Triton's client and by hand."""

from __future__ import annotations

import contextlib
import io
import threading
import time

import httpx
import numpy as np
import PIL.Image
import pytest
import tritonclient.http as triton
from exported_models import SIZE, random_model
from running_server import running_server

from keras_mtl.serving.export import export_model
from keras_mtl.serving.exported import load_exported
from keras_mtl.serving.server.budget import Budget
from keras_mtl.serving.server.pixels import squared
from keras_mtl.serving.server.refusal import Refusal

IMAGES = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)


def png(image) -> bytes:
    data = io.BytesIO()
    PIL.Image.fromarray(image).save(data, "PNG")
    return data.getvalue()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_model(random_model(), tmp_path_factory.mktemp("saved_models"), name="faces")


@pytest.fixture(scope="module")
def address(exported):
    with running_server(exported.parent.parent, max_images=20) as address:
        yield address


@pytest.fixture(scope="module")
def expected(exported):
    model = load_exported(exported, "tensorflow")
    return model.columns(model.backend.predict(IMAGES))


@pytest.fixture
def client(address):
    return triton.InferenceServerClient(address.removeprefix("http://"))


GIVEN = {
    "UINT8": IMAGES,
    "FP32": IMAGES.astype(np.float32) + 0.25,
    "BYTES": np.array([png(image) for image in IMAGES], object),
}


@pytest.mark.parametrize("datatype", GIVEN)
@pytest.mark.parametrize("is_binary", [True, False])
def test_tritons_client_gets_the_models_outputs(client, expected, datatype, is_binary):
    values = GIVEN[datatype]
    tensor = triton.InferInput("images", list(values.shape), datatype)
    if datatype == "BYTES" and not is_binary:
        pytest.skip("Triton's client writes photos as text, which they are not, where they aren't binary")
    tensor.set_data_from_numpy(values, binary_data=is_binary)
    names = None if is_binary else [triton.InferRequestedOutput(name, binary_data=False) for name in expected]
    answer = client.infer("faces", [tensor], outputs=names, request_id="mine")
    told = answer.get_response()
    assert told["model_name"] == "faces" and told["model_version"] == "1" and told["id"] == "mine"
    for name, values in expected.items():
        given = answer.as_numpy(name)
        if values.dtype == object:
            assert [text.decode() if isinstance(text, bytes) else text for text in given] == list(values)
        else:
            np.testing.assert_allclose(given, values, rtol=1e-5, atol=1e-5)


def test_it_asks_what_there_is_and_whether_it_is_ready(client, expected):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("faces")
    assert client.is_model_ready("faces", "1") and not client.is_model_ready("other")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = client.get_model_metadata("faces")
    assert metadata["versions"] == ["1"]
    assert metadata["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}]
    told = {entry["name"]: (entry["datatype"], entry["shape"]) for entry in metadata["outputs"]}
    assert told == {
        name: ("BYTES" if values.dtype == object else "FP32", [-1, *values.shape[1:]])
        for name, values in expected.items()
    }


def test_numbers_may_be_nested_or_in_a_row_and_outputs_chosen(address, expected):
    answers = []
    for data in (IMAGES.tolist(), IMAGES.ravel().tolist()):
        tensor = {"name": "images", "datatype": "UINT8", "shape": list(IMAGES.shape), "data": data}
        content = {"inputs": [tensor], "outputs": [{"name": "smile_class"}]}
        answers.append(httpx.post(f"{address}/v2/models/faces/versions/1/infer", json=content).json())
    assert answers[0] == answers[1]
    (output,) = answers[0]["outputs"]
    assert output == {"name": "smile_class", "datatype": "BYTES", "shape": [3], "data": list(expected["smile_class"])}


def request(**changes):
    return {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [1, 2, 3], **changes}]}


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        ([], 400, "inputs"),
        ({"inputs": []}, 400, "'images'"),
        (request(name="pixels"), 400, "'images'"),
        (request(shape=[1, 3]), 400, "shape"),
        (request(shape=[1, 1, -1, 3]), 400, "shape"),
        (request(shape="x"), 400, "shape"),
        (request(datatype="FP64"), 400, "datatype"),
        (request(datatype={}), 400, "datatype"),
        (request(data=[1, 2]), 400, "2 numbers"),
        (request(data=[1, 2, 300]), 400, "whole numbers"),
        (request(data=[1, 2, "3"]), 400, "whole numbers"),
        (request(data=[[1], [2, 3]]), 400, "lengths"),
        (request(data=[]), 400, "list"),
        (request(datatype="FP32", data=[1, 2, 1e300]), 400, "finite"),
        (request(datatype="FP32", data=[1, 2, None]), 400, "no numbers"),
        (request(shape=[1, 9000, 9000, 3]), 413, "million"),
        (request(shape=[21, 1, 1, 3]), 413, "21 images"),
        (request(datatype="BYTES", shape=[1], data=["%%"]), 400, "base64"),
        (request(datatype="BYTES", shape=[2], data=["aGVsbG8="]), 400, "1 photos"),
        (request(datatype="BYTES", shape=[1], data=["aGVsbG8="]), 400, "not an image"),
        (request(parameters={"binary_data_size": 7}), 400, "binary_data_size"),
        (request(parameters=[]), 400, "parameters"),
        ({**request(), "outputs": [{"name": "mood"}]}, 400, "smile_class"),
        ({**request(), "outputs": 3}, 400, "outputs"),
    ],
)
def test_what_is_wrong_is_one_line(address, content, status, words):
    answer = httpx.post(f"{address}/v2/models/faces/infer", json=content)
    assert answer.status_code == status and words in answer.json()["error"]


@pytest.mark.parametrize("length", ["x", "99999", "-1"])
def test_a_length_that_is_none_is_refused(address, length):
    headers = {"Inference-Header-Content-Length": length}
    answer = httpx.post(f"{address}/v2/models/faces/infer", content=b"{}", headers=headers)
    assert answer.status_code == 400 and "Inference-Header" in answer.json()["error"]


def test_models_that_are_not_there_are_not_found(address):
    assert httpx.get(f"{address}/v2/models/other").status_code == 404
    assert httpx.get(f"{address}/v2/models/faces/versions/7").status_code == 404
    assert httpx.post(f"{address}/v2/models/other/infer", json=request()).status_code == 404


def test_a_photo_waits_for_memory_that_others_take():
    budget = Budget(10)
    data = png(IMAGES[0])
    with contextlib.ExitStack() as held:
        held.enter_context(budget.waited_for(10, 0))
        with pytest.raises(Refusal, match="try again"):
            squared(data, SIZE, 1, budget, time.monotonic() + 0.05)
        threading.Timer(0.1, held.pop_all().close).start()
        np.testing.assert_array_equal(squared(data, SIZE, 1, budget, time.monotonic() + 30), IMAGES[0])
