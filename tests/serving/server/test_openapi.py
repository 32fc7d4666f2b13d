"""What /openapi.json says is true: schemathesis asks the server all that it says may be asked, and more."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import httpx
import pytest
from exported_models import random_model
from running_server import running_server

from keras_mtl.serving.export import export_model

# 400 where others say 405 or 404 are TensorFlow Serving's words: for methods, and for labels, which none are here.
AS_TENSORFLOW_SERVING = ("--exclude-checks=unsupported_method", "--exclude-path-regex=labels")

# Bytes are what the schema asks for, and few of them are a photo.
SETTINGS = """
[[operations]]
include-name = "POST /v1/predict"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 404, 413, 415]
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models")
    export_model(random_model(), folder, name="m")
    with running_server(folder, max_body_mb=1) as address:
        yield address


def test_schemathesis_finds_nothing(address, tmp_path):
    program = pathlib.Path(sys.executable).with_name("schemathesis")
    flags = ["--max-examples=8", "--seed=1", "--phases=examples,coverage,fuzzing", "--no-color"]
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    done = subprocess.run(
        [program, "run", f"{address}/openapi.json", *flags, *AS_TENSORFLOW_SERVING],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr


def test_every_route_of_models_is_told_with_its_parameters(address):
    told = httpx.get(f"{address}/openapi.json").json()["paths"]
    for path, methods in told.items():
        for method in methods.values():
            names = {one["name"] for one in method.get("parameters", []) if one["in"] == "path"}
            assert names == {part.split("}")[0] for part in path.split("{")[1:]}, path
    assert "/v1/models/{name}/labels/{label}:predict" in told and "/v2/models/{name}/infer" in told
