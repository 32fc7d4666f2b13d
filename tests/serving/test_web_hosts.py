"""Exported formats in a browser, by the runtimes that web pages use: ONNX Runtime Web and LiteRT.js."""

import functools
import http.server
import shutil
import subprocess
import threading

import numpy as np
import pytest
from browser import browser
from exported_models import SIZE, random_model

from keras_mtl.serving.backends import BACKENDS
from keras_mtl.serving.export import export_model

PACKAGES = ("onnxruntime-web@1.30.0", "@litertjs/core@2.5.3")
IMAGES = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
FORMATS = ("onnx", "litert", "litert_float16", "litert_dynamic", "litert_int8")

# Each host gives {output: numbers} for bytes of images; `litert_int8` goes through its two files.
PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="importmap">{"imports": {
  "@litertjs/wasm-utils": "/node_modules/@litertjs/wasm-utils/dist/index.js",
  "@litertjs/core": "/node_modules/@litertjs/core/dist/index.js",
  "ort": "/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs"
}}</script>
<script type="module">
import * as ort from "ort";
import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
ort.env.wasm.wasmPaths = "/node_modules/onnxruntime-web/dist/";
ort.env.wasm.numThreads = 1;
const numbers = (tensors, data) =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, Array.from(data(tensor))]));
window.onnx = async (file, bytes, shape) => {
  const session = await ort.InferenceSession.create(file);
  const images = new ort.Tensor("uint8", Uint8Array.from(bytes), shape);
  return numbers(await session.run({ images }), (tensor) => tensor.data);
};
window.litert = async (files, bytes, shape) => {
  let tensors = { images: new Tensor(Uint8Array.from(bytes), shape) };
  for (const file of files) {
    const model = await loadAndCompile(file, { accelerator: "wasm" });
    tensors = await model.run("one", tensors);
  }
  return numbers(tensors, (tensor) => tensor.toTypedArray());
};
window.ready = loadLiteRt("/node_modules/@litertjs/core/wasm/").then(() => true, String);
</script>
"""
ASK = """
const [host, ...given] = [...arguments].slice(0, -1), done = arguments[arguments.length - 1];
window.ready.then(() => window[host](...given)).then(done, (error) => done(String(error)));
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models")
    return export_model(random_model(), folder, name="m", formats=FORMATS, images=IMAGES)


@pytest.fixture(scope="module")
def page(version, tmp_path_factory):
    """A browser in which both runtimes are loaded, before a server of the exported files."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not there, which gets ONNX Runtime Web and LiteRT.js (on Debian: apt install npm)")
    root = tmp_path_factory.mktemp("web")
    # Without scripts: what they would fetch is for other hosts than browsers.
    flags = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--silent")
    subprocess.run([npm, "install", *flags, "--prefix", str(root), *PACKAGES], check=True)
    (root / "index.html").write_text(PAGE)
    (root / "formats").symlink_to(version / "formats")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=root)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with browser() as driver:
            driver.set_script_timeout(60)
            driver.get(f"http://127.0.0.1:{server.server_port}/index.html")
            yield driver
        server.shutdown()


def assert_near(version, name, given, images):
    assert isinstance(given, dict), given
    expected = BACKENDS[name](version, name).predict(images)
    assert set(given) == set(expected)
    for output, values in expected.items():
        scale = 120 if output in ("age", "age_interval") else 1
        # Other kernels round 8-bit values otherwise.
        limit = 2e-2 if name in ("litert_dynamic", "litert_int8") else 1e-4
        np.testing.assert_allclose(np.reshape(given[output], values.shape) / scale, values / scale, atol=limit)


@pytest.mark.parametrize("count", [1, 3])
def test_onnx_runtime_web_gives_what_onnx_runtime_gives(page, version, count):
    images = IMAGES[:count]
    given = page.execute_async_script(ASK, "onnx", "/formats/onnx.onnx", images.ravel().tolist(), list(images.shape))
    assert_near(version, "onnx", given, images)


@pytest.mark.parametrize("name", FORMATS[1:])
def test_litert_js_gives_what_litert_gives(page, version, name):
    files = [f"/formats/{path.name}" for path in sorted(version.glob(f"formats/{name}*.tflite"))]
    files = [file for file in files if file.removeprefix(f"/formats/{name}") in (".tflite", "_readout.tflite")]
    given = page.execute_async_script(ASK, "litert", files, IMAGES[:1].ravel().tolist(), [1, SIZE, SIZE, 3])
    assert_near(version, name, given, IMAGES[:1])
