"""TensorFlow Serving's REST interface, asked by a real HTTP client."""

import base64
import io
import re

import httpx
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from exported_models import SIZE, TASKS, random_model
from running_server import running_server

from keras_mtl.errors import UserError
from keras_mtl.serving.client import ServingClient
from keras_mtl.serving.export import export_model

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_model(random_model(), tmp_path_factory.mktemp("saved_models"), name="faces")


@pytest.fixture(scope="module")
def signatures(exported):
    return tf.saved_model.load(str(exported)).signatures


@pytest.fixture(scope="module")
def address(exported):
    with running_server(exported.parent) as address:
        yield f"{address}/v1/models/faces"


def png(pixels):
    data = io.BytesIO()
    PIL.Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def b64(pixels):
    return {"b64": base64.b64encode(png(pixels)).decode()}


REQUESTS = {
    "rows of numbers": ("serving_default", {"instances": IMAGES.tolist()}),
    "rows by the input's name": ("serving_default", {"instances": [{"images": image} for image in IMAGES.tolist()]}),
    "columns": ("serving_default", {"inputs": IMAGES.tolist()}),
    "columns by the input's name": ("serving_default", {"inputs": {"images": IMAGES.tolist()}}),
    "floats": ("serve_float", {"signature_name": "serve_float", "instances": (IMAGES + 0.25).tolist()}),
    "photos in rows": ("serve_bytes", {"signature_name": "serve_bytes", "instances": [b64(one) for one in IMAGES]}),
    "photos by name": (
        "serve_bytes",
        {"signature_name": "serve_bytes", "instances": [{"images": b64(one)} for one in IMAGES]},
    ),
    "photos in a column": ("serve_bytes", {"signature_name": "serve_bytes", "inputs": [b64(one) for one in IMAGES]}),
}


@pytest.mark.parametrize("form", REQUESTS)
@pytest.mark.parametrize("path", ["", "/versions/1"])
def test_every_form_gives_what_the_signature_gives(address, signatures, form, path):
    name, body = REQUESTS[form]
    fed = {
        "serving_default": tf.constant(IMAGES),
        "serve_float": tf.constant(IMAGES + 0.25, tf.float32),
        "serve_bytes": tf.constant([png(image) for image in IMAGES]),
    }[name]
    expected = signatures[name](images=fed)
    answer = httpx.post(f"{address}{path}:predict", json=body)
    assert answer.status_code == 200, answer.text
    if "instances" in body:
        rows = answer.json()["predictions"]
        given = {output: [row[output] for row in rows] for output in rows[0]}
    else:
        given = answer.json()["outputs"]
    assert set(given) == set(expected)
    for output, value in expected.items():
        if value.dtype == tf.string:
            assert [text.decode() for text in value.numpy()] == given[output]
        else:
            np.testing.assert_allclose(given[output], value.numpy(), atol=1e-5, rtol=1e-5, err_msg=output)


def test_images_of_other_sizes_are_resized_as_the_signature_does(address, signatures):
    smooth = np.asarray(PIL.Image.fromarray(IMAGES[0]).resize((75, 49), PIL.Image.Resampling.BICUBIC))
    expected = signatures["serving_default"](images=tf.constant(smooth[None]))
    given = httpx.post(f"{address}:predict", json={"instances": [smooth.tolist()]}).json()["predictions"][0]
    # Pillow rounds between its two passes: a grey level here and there.
    assert given["age"] == pytest.approx(float(expected["age"][0]), abs=0.5)
    np.testing.assert_allclose(given["smile"], expected["smile"][0], atol=0.02)


def test_a_model_with_one_output_gives_bare_values(tmp_path):
    task = {"age": TASKS["age"].__class__("age", "regression", low=0, high=9, head="l1")}
    export_model(random_model(tasks=task), tmp_path, name="one")
    with running_server(tmp_path) as address:
        url = f"{address}/v1/models/one:predict"
        rows = httpx.post(url, json={"instances": IMAGES.tolist()}).json()["predictions"]
        column = httpx.post(url, json={"inputs": IMAGES.tolist()}).json()["outputs"]
        from_client = ServingClient(address, "one").predict_bytes([png(image) for image in IMAGES])
    assert all(isinstance(value, float) for value in rows)
    assert rows == pytest.approx(column) and len(rows) == 3
    assert [list(entry) for entry in from_client] == [["age"]] * 3
    assert [entry["age"] for entry in from_client] == pytest.approx(rows)


def test_status_and_metadata(address, signatures):
    state = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert httpx.get(address).json() == {"model_version_status": [state]}
    assert httpx.get(f"{address}/versions/1").json() == {"model_version_status": [state]}
    metadata = httpx.get(f"{address}/metadata").json()
    assert metadata["model_spec"] == {"name": "faces", "signature_name": "", "version": "1"}
    told = metadata["metadata"]["signature_def"]["signature_def"]
    assert set(told) == set(REQUESTS[form][0] for form in REQUESTS)
    for name, signature in told.items():
        outputs = signatures[name].structured_outputs
        assert {key: value["dtype"] for key, value in signature["outputs"].items()} == {
            key: "DT_STRING" if value.dtype == tf.string else "DT_FLOAT" for key, value in outputs.items()
        }
        for key, value in signature["outputs"].items():
            sizes = [int(dim["size"]) for dim in value["tensor_shape"]["dim"]]
            assert sizes == [-1 if size is None else size for size in outputs[key].shape]


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        (":predict", b"{", 400, "JSON Parse error"),
        (":predict", b"[]", 400, "JSON object"),
        (":predict", b'{"instances": []}', 400, "one or more"),
        (":predict", b'{"instances": [1], "inputs": [1]}', 400, "either"),
        (":predict", b'{"instances": [[[1, 2]]]}', 400, "shape"),
        (":predict", b'{"instances": [[[[1, 2, 3], [4]]]]}', 400, "different lengths"),
        (":predict", b'{"instances": [[[[1, 2, 300]]]]}', 400, "0 to 255"),
        (":predict", b'{"instances": [[[[1, 2, -3]]]]}', 400, "0 to 255"),
        (":predict", b'{"instances": [[[[1, 2, "3"]]]]}', 400, "shape"),
        (":predict", b'{"instances": [{"pixels": [[[1, 2, 3]]]}]}', 400, "'images'"),
        (":predict", b'{"signature_name": "no", "instances": [1]}', 400, "signature"),
        (":predict", b'{"signature_name": 7, "instances": [1]}', 400, "signature"),
        (":predict", b'{"signature_name": "serve_bytes", "instances": ["text"]}', 400, "b64"),
        (":predict", b'{"signature_name": "serve_bytes", "instances": [{"b64": "!!"}]}', 400, "base64"),
        (":predict", b'{"signature_name": "serve_bytes", "instances": [{"b64": 3}]}', 400, "text"),
        (":predict", b'{"signature_name": "serve_bytes", "instances": [{"b64": "aGVsbG8="}]}', 400, "not an image"),
        (":predict", b"", 400, "no body"),
        ("/versions/9:predict", b'{"instances": [1]}', 404, "9"),
        ("/versions/9", None, 404, "9"),
        ("/versions/9/metadata", None, 404, "9"),
        ("x/metadata", None, 404, "facesx"),
        ("/versions/one:predict", b'{"instances": [1]}', 400, "Malformed request: POST /v1/models/faces/versions/one"),
        ("/nothing", None, 400, "Malformed request: GET /v1/models/faces/nothing"),
        (":predict", None, 400, "Malformed request: GET"),
        ("", b"{}", 400, "Malformed request: POST"),
        ("/labels/other:predict", b"{}", 400, "Unrecognized servable version label: other"),
    ],
)
def test_errors_have_tensorflow_servings_form(address, path, body, status, words):
    answer = httpx.get(address + path) if body is None else httpx.post(address + path, content=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"] and words in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


BLACK_DOT = {"b64": base64.b64encode(png(np.zeros([1, 1, 3], np.uint8))).decode()}
GREEDY = {
    "many numbers": ({"instances": [[[[1, 2, 3]]]] * 1025}, 413, "1,025 images"),
    "many photos": ({"signature_name": "serve_bytes", "instances": [BLACK_DOT] * 90_000}, 413, "90,000 images"),
    "texts as an array": ({"instances": [["a" * 4_000_000] + ["b"] * 1_500_000]}, 400, "shape"),
    "empty rows": ({"instances": [[[]] * 1_000_000]}, 400, "shape"),
    "a long name": ({"signature_name": "x" * 5_000_000, "instances": [1]}, 400, "signature name"),
    "a long key of lines": ({"instances": [{"y\n" * 1_000_000: 1}]}, 400, "alone"),
    "large numbers": ({"signature_name": "serve_float", "instances": [[[[1e300, 1, 2]]]]}, 400, "finite"),
    "truth values": ({"instances": [[[[True, 1, 2]]]]}, 400, "shape"),
}


@pytest.mark.parametrize("kind", GREEDY)
def test_a_request_that_asks_for_much_memory_gets_a_short_line(address, kind):
    body, status, words = GREEDY[kind]
    answer = httpx.post(f"{address}:predict", json=body, timeout=60)
    assert answer.status_code == status and words in answer.json()["error"]
    assert len(answer.text) < 500 and "\n" not in answer.json()["error"]


def test_as_many_images_as_a_request_may_have_are_answered(address):
    answer = httpx.post(f"{address}:predict", json={"instances": [[[[1, 2, 3]]]] * 1024}, timeout=60)
    assert len(answer.json()["predictions"]) == 1024
    assert answer.headers["cache-control"] == "no-store"


def test_our_client_gets_the_models_own_predictions(address, exported):
    from keras_mtl.serving.exported import load_exported

    photos = [png(image) for image in IMAGES]
    given = ServingClient(address.split("/v1")[0], "faces").predict_bytes(photos)
    for entry, expected in zip(given, load_exported(exported, "tensorflow").predict_bytes(photos), strict=True):
        assert entry["age"] == pytest.approx(expected["age"], abs=0.01)
        assert entry["age_interval"] == pytest.approx(expected["age_interval"], abs=0.01)
        assert entry["smile"] == expected["smile"] and entry["emotion"] == expected["emotion"]
        assert entry["smile_probabilities"] == pytest.approx(list(expected["smile_probabilities"].values()), abs=1e-3)


def test_base64_may_come_in_lines(address):
    lines = base64.encodebytes(png(IMAGES[0])).decode()
    assert "\n" in lines
    body = {"signature_name": "serve_bytes", "instances": [{"b64": lines}]}
    assert httpx.post(f"{address}:predict", json=body).status_code == 200


def test_numbers_have_the_fewest_digits_by_row_and_by_column(address):
    rows, columns = (
        httpx.post(f"{address}:predict", json={way: IMAGES.tolist()}).text for way in ("instances", "inputs")
    )
    longest = max(len(digits.replace(".", "").lstrip("0")) for digits in re.findall(r"\d+\.\d+", rows))
    assert longest <= 9
    assert sorted(re.findall(r"\d+\.\d+", rows)) == sorted(re.findall(r"\d+\.\d+", columns))


def test_a_label_stands_for_a_version(exported):
    with running_server(exported.parent, labels=("faces/stable=1",), versions="all") as address:
        url = f"{address}/v1/models/faces/labels/stable"
        assert httpx.post(f"{url}:predict", json={"instances": IMAGES.tolist()}).status_code == 200
        assert httpx.get(f"{url}/metadata").json()["model_spec"]["version"] == "1"
        assert [state["version"] for state in httpx.get(url).json()["model_version_status"]] == ["1"]
    with pytest.raises(UserError, match="faces/stable=1"), running_server(exported.parent, labels=("stable=1",)):
        pass


def test_metrics_are_where_tensorflow_serving_has_them(address):
    root = address.split("/v1")[0]
    assert "keras_mtl_requests_total" in httpx.get(f"{root}/monitoring/prometheus/metrics").text
