"""Our client against a gRPC server that speaks TensorFlow Serving's own interface, and against servers that fail."""

import concurrent.futures
import contextlib
import http.server
import io
import json
import threading

import grpc
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from exported_models import random_model
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from keras_mtl.errors import UserError
from keras_mtl.serving.client import ServingClient
from keras_mtl.serving.export import export_model
from keras_mtl.serving.exported import load_exported


def encoded(kind="PNG", mode="RGB", **options):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    data = io.BytesIO()
    PIL.Image.fromarray(pixels).convert(mode).save(data, kind, **options)
    return data.getvalue()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_model(random_model(), tmp_path_factory.mktemp("saved_models"), name="faces")


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """TensorFlow Serving's Predict, over a real SavedModel."""

    def __init__(self, exported):
        self.signatures = tf.saved_model.load(str(exported)).signatures

    def Predict(self, request, context):
        if request.model_spec.name != "faces":
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({request.model_spec.name})"
            )
        given = {name: tf.constant(tf.make_ndarray(proto)) for name, proto in request.inputs.items()}
        answer = predict_pb2.PredictResponse()
        for name, value in self.signatures[request.model_spec.signature_name](**given).items():
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        answer.model_spec.version.value = request.model_spec.version.value
        return answer


@pytest.fixture(scope="module")
def address(exported):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(exported), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"grpc://127.0.0.1:{port}"
    server.stop(0)


def test_grpc_gives_the_models_own_predictions(address, exported):
    exif = PIL.Image.Exif()
    exif[0x0112] = 3
    photos = [encoded(), encoded("WEBP", lossless=True), encoded("PNG", "RGBA"), encoded(exif=exif)]
    given = ServingClient(address, "faces", version=1).predict_bytes(photos)
    expected = load_exported(exported, "tensorflow").predict_bytes(photos)
    for entry, own in zip(given, expected, strict=True):
        assert entry["age"] == pytest.approx(own["age"], abs=0.01)
        assert entry["age_interval"] == pytest.approx(own["age_interval"], abs=0.01)
        assert [entry[task] for task in ("smile", "emotion", "stage")] == [
            own[task] for task in ("smile", "emotion", "stage")
        ]
    assert given[0]["age"] == given[1]["age"] != given[3]["age"]


def test_what_the_server_says_reaches_the_user(address):
    with pytest.raises(UserError, match=r"model 'none': NOT_FOUND, Servable not found"):
        ServingClient(address, "none").predict_bytes([encoded()])
    with pytest.raises(UserError, match="UNAVAILABLE"):
        ServingClient("grpc://127.0.0.1:9", "faces").predict_bytes([encoded()])
    with pytest.raises(UserError, match="can't be reached"):
        ServingClient("http://127.0.0.1:9", "faces").predict_bytes([encoded()])
    with pytest.raises(UserError, match="http://HOST:PORT or grpc://HOST:PORT"):
        ServingClient("localhost:8501", "faces")
    with pytest.raises((OSError, ValueError), match="not an image"):
        ServingClient(address, "faces").predict_bytes([b"hello"])
    assert ServingClient(address, "faces").predict_bytes([]) == []


@contextlib.contextmanager
def answering(*answers):
    """A REST server that gives (status, headers, content) one after the other; yields its address and requests."""
    left, requests = list(answers), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            requests.append((self.path, json.loads(body or "null")))
            status, headers, content = left.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()


def test_rest_requests_have_tensorflow_servings_form_and_are_repeated_when_it_says_so():
    outputs = {"age": [31.5], "age_interval": [[20.0, 40.0]], "smile": [[0.2, 0.8]], "smile_class": ["smiling"]}
    good = (200, {}, json.dumps({"outputs": outputs}).encode())
    busy = (503, {"Retry-After": "0"}, b'{"error": "busy"}')
    with answering(busy, busy, good) as (address, requests):
        given = ServingClient(address, "faces", version=7).predict_bytes([encoded()])
    entry = {"age": 31.5, "age_interval": [20.0, 40.0], "smile": "smiling", "smile_probabilities": [0.2, 0.8]}
    assert given == [entry]
    assert len(requests) == 3 and requests[0] == requests[2]
    path, body = requests[0]
    assert path == "/v1/models/faces/versions/7:predict"
    assert body["signature_name"] == "serve_bytes" and list(body["inputs"][0]) == ["b64"]
    wrong = (400, {}, b'{"error": "no such signature"}')
    with answering(wrong) as (address, _), pytest.raises(UserError, match="no such signature"):
        ServingClient(address, "faces").predict_bytes([encoded()])


def metadata(*outputs):
    signature = {"inputs": {"images": {}}, "outputs": dict.fromkeys(outputs, {}), "method_name": ""}
    told = {"signature_def": {"signature_def": {"serve_bytes": signature, "other": {"outputs": {"x": {}}}}}}
    return 200, {}, json.dumps({"model_spec": {"name": "faces"}, "metadata": told}).encode()


def test_the_one_output_that_rest_does_not_name_has_its_own_name():
    alone = (200, {}, b'{"outputs": [31.5]}')
    with answering(alone, metadata("age"), alone) as (address, requests):
        client = ServingClient(address, "faces", version=2)
        assert client.predict_bytes([encoded()]) == client.predict_bytes([encoded()]) == [{"age": 31.5}]
    assert [path for path, _ in requests][1:] == ["/v1/models/faces/versions/2/metadata", requests[0][0]]
    # The newest version may be another model by the next call.
    with answering(alone, metadata("age"), alone, metadata("years")) as (address, requests):
        client = ServingClient(address, "faces")
        assert [client.predict_bytes([encoded()]) for _ in range(2)] == [[{"age": 31.5}], [{"years": 31.5}]]
    for told in (metadata(), metadata("age", "smile"), (200, {}, b'{"metadata": []}')):
        with answering(alone, told) as (address, _), pytest.raises(UserError, match="name one output of serve_bytes"):
            ServingClient(address, "faces").predict_bytes([encoded()])
    with (
        answering(alone, (404, {}, b'{"error": "no metadata here"}')) as (address, _),
        pytest.raises(UserError, match="no metadata here"),
    ):
        ServingClient(address, "faces").predict_bytes([encoded()])
