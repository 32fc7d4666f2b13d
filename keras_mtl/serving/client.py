"""A client of TensorFlow Serving, by REST or gRPC, and of `keras_mtl.serve`, which speaks REST."""

from __future__ import annotations

import base64
import importlib.util
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_mtl.errors import UserError
from keras_mtl.names import OUTPUTS
from keras_mtl.photos import decode_photo
from keras_mtl.values import check_finite

RETRIES = 5
_SIGNATURE = "serve_bytes"


class ServingClient:
    """Asks a server for predictions of photos.

    Args:
        address: "http://host:8501" or "https://…" for REST, "grpc://host:8500" for TensorFlow Serving's gRPC.
        model: the model's name.
        version: a version; None for the newest.
        timeout: seconds that an answer may take.

    Raises:
        UserError: another kind of address, or the package that it needs isn't installed.

    Example:
        >>> client = ServingClient("http://localhost:8501", "faces")  # doctest: +SKIP
        >>> client.predict_bytes([open("me.jpg", "rb").read()])  # doctest: +SKIP
        [{'age': 31.4, 'age_interval': [25.0, 38.1], 'gender': 'female', 'gender_probabilities': [0.03, 0.97]}]
    """

    def __init__(self, address: str, model: str, version: int | None = None, timeout: float = 30.0):
        kind, _, place = address.partition("://")
        if kind not in ("http", "https", "grpc") or not place:
            raise UserError(f"A server's address is http://HOST:PORT or grpc://HOST:PORT. Received: {address!r}")
        package = "tensorflow_serving" if kind == "grpc" else "httpx"
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"Asking {kind} servers needs a package that is not installed: pip install 'keras_mtl[client]'"
            )
        self.address, self.model, self.version, self.timeout = address.rstrip("/"), model, version, timeout
        self._only_output = ""
        self._outputs = self._by_grpc if kind == "grpc" else self._by_rest

    def outputs(self, photos: Sequence[bytes]) -> dict[str, np.ndarray]:
        """All outputs of `serve_bytes`, an array each with a row for each photo.

        Args:
            photos: encoded photos, JPEG, PNG or WebP.

        Raises:
            OSError, ValueError: a photo is damaged or no image.
            UserError: the server can't be reached, has no such model, or has no time; or its numbers aren't finite.
        """
        for photo in photos:
            decode_photo(photo)  # What can't be read would end the whole batch, in other words.
        found = self._outputs(list(photos)) if photos else {}
        check_finite(found, f"Model {self.model!r} of {self.address}")
        return found

    def predict_bytes(self, photos: Sequence[bytes]) -> list[dict]:
        """A dict a photo, as `ExportedModel.readable` gives it; but `<task>_probabilities` is a list, as the server's
        answer doesn't name the classes, and numbers are not rounded. Raises what `outputs` raises."""
        outputs = self.outputs(photos)
        tasks = [name for name in outputs if not _suffix(name, outputs)]
        return [self._entry(outputs, tasks, index) for index in range(len(photos))]

    @staticmethod
    def _entry(outputs: Mapping[str, np.ndarray], tasks: Sequence[str], index: int) -> dict:
        entry: dict[str, Any] = {}
        for name in sorted(tasks):
            if f"{name}_class" in outputs:
                entry[name] = str(outputs[f"{name}_class"][index])
                entry[f"{name}_probabilities"] = outputs[name][index].tolist()
                continue
            entry[name] = float(outputs[name][index])
            if f"{name}_interval" in outputs:
                entry[f"{name}_interval"] = outputs[f"{name}_interval"][index].tolist()
        return entry

    def _by_rest(self, photos: Sequence[bytes]) -> dict[str, np.ndarray]:
        images = [{"b64": base64.b64encode(photo).decode()} for photo in photos]
        columns = self._ask("outputs", "POST", ":predict", {"signature_name": _SIGNATURE, "inputs": images})
        if not isinstance(columns, dict):
            # A model with one output has it without its name.
            columns = {self._name_of_only_output(): columns}
        return {name: np.asarray(value) for name, value in columns.items()}

    def _name_of_only_output(self) -> str:
        """The name of the signature's one output, as the server's metadata have it."""
        if self._only_output:
            return self._only_output
        metadata = self._ask("metadata", "GET", "/metadata")
        try:
            (name,) = metadata["signature_def"]["signature_def"][_SIGNATURE]["outputs"]
        except (KeyError, TypeError, ValueError):
            raise UserError(
                f"{self.address} predicts one output of model {self.model!r} without its name, and its metadata don't "
                f"name one output of {_SIGNATURE}: ask by grpc://, where outputs have names"
            ) from None
        # The newest version may be another one by the next time.
        self._only_output = name if self.version is not None else ""
        return name

    def _ask(self, key: str, method: str, path: str, body: Mapping | None = None) -> Any:
        """What stands under `key` in the server's answer about the model; it is asked again while it is busy."""
        import httpx

        version = "" if self.version is None else f"/versions/{self.version}"
        url = f"{self.address}/v1/models/{self.model}{version}{path}"
        for attempt in range(RETRIES):
            try:
                answer = httpx.request(method, url, json=body, timeout=self.timeout)
            except httpx.TimeoutException:
                raise UserError(f"{self.address} did not answer within {self.timeout:g} seconds") from None
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise UserError(f"{self.address} can't be reached: {error}") from None
            if answer.status_code not in (429, 503) or attempt == RETRIES - 1:
                break
            wait = answer.headers.get("retry-after", "")
            time.sleep(min(float(wait) if wait.isdecimal() else 2.0**attempt, self.timeout))
        try:
            content = answer.json()
        except ValueError:
            content = {}
        content = content if isinstance(content, dict) else {}
        if answer.status_code != 200 or key not in content:
            reason = content.get("error") or f"no {key} in its answer, status {answer.status_code}"
            raise UserError(f"{self.address} does not predict with model {self.model!r}: {reason}")
        return content[key]

    def _by_grpc(self, photos: Sequence[bytes]) -> dict[str, np.ndarray]:
        from keras_mtl.quiet import import_tensorflow

        tf = import_tensorflow()
        import grpc
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.model
        request.model_spec.signature_name = _SIGNATURE
        if self.version is not None:
            request.model_spec.version.value = self.version
        request.inputs["images"].CopyFrom(tf.make_tensor_proto(list(photos), dtype=tf.string))
        with grpc.insecure_channel(self.address.partition("://")[2]) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            try:
                answer = stub.Predict(request, timeout=self.timeout)
            except grpc.RpcError as error:
                raise UserError(
                    f"{self.address} does not predict with model {self.model!r}: {error.code().name}, {error.details()}"  # type: ignore[attr-defined]
                ) from None
        arrays = {name: tf.make_ndarray(proto) for name, proto in answer.outputs.items()}
        return {
            name: np.array([text.decode() for text in value.reshape(-1)]) if value.dtype == object else value
            for name, value in arrays.items()
        }


def _suffix(name: str, outputs: Mapping[str, np.ndarray]) -> bool:
    """Whether an output says more about another."""
    owner, _, last = name.rpartition("_")
    return owner in outputs and last in OUTPUTS
