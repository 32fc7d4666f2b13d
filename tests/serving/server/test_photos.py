"""Photo uploads: good ones, turned ones, and those that are none."""

import base64
import io
import struct
import tempfile
import zlib

import httpx
import numpy as np
import PIL.Image
import psutil
import pytest
from exported_models import SIZE, random_model
from fake_detector import load, paint
from helpers import mutated
from hypothesis import given, settings
from hypothesis import strategies as st
from running_server import running_server

from keras_mtl.photos import square_pixels
from keras_mtl.serving.export import export_model
from keras_mtl.serving.exported import load_exported
from keras_mtl.serving.occlusion import changes, covered

PHOTO = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8)).resize(
    (60, 80), PIL.Image.Resampling.BICUBIC
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models")
    export_model(random_model(), folder, name="a")
    export_model(random_model(), folder, name="b", about={"run": "other"})
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_mtl.serving.server.state.load_detector", load)
        with running_server(folder, max_body_mb=0.5, max_megapixels=1) as address:
            yield address


@pytest.fixture(scope="module")
def expected(folder):
    return load_exported(folder / "a", "tensorflow").predict_bytes([encoded(PHOTO)])[0]


def encoded(photo, kind="PNG", **options):
    data = io.BytesIO()
    photo.save(data, kind, **options)
    return data.getvalue()


def send(address, data, kind="image/png", **query):
    return httpx.post(f"{address}/v1/predict", content=data, headers={"Content-Type": kind}, params=query, timeout=60)


def turned():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    return encoded(PHOTO.transpose(PIL.Image.Transpose.ROTATE_90), exif=exif)


def transparent():
    """The photo, and beside it nothing that can be seen."""
    photo = PHOTO.convert("RGBA")
    return encoded(photo)


def sixteen_bits():
    grey = np.asarray(PHOTO.convert("L")).astype(np.uint16) * 257
    return encoded(PIL.Image.fromarray(grey))


GOOD = {
    "turned by the camera": turned,
    "transparent": transparent,
    "16 bits": sixteen_bits,
    "CMYK": lambda: encoded(PHOTO.convert("CMYK"), "JPEG", quality=98),
    "WebP": lambda: encoded(PHOTO, "WEBP", lossless=True),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_photo_of_any_kind_gets_the_answer_of_its_pixels(address, expected, folder, kind):
    answer = send(address, GOOD[kind](), "application/octet-stream").json()
    given = answer["faces"][0]["predictions"]["a"]
    if kind == "16 bits":
        expected = load_exported(folder / "a", "tensorflow").predict_bytes([encoded(PHOTO.convert("L"))])[0]
    loose = kind == "CMYK"  # They lose something of the colours.
    assert given["age"] == pytest.approx(expected["age"], abs=5 if loose else 0.02)
    assert answer["image"] == {"width": 60, "height": 80}


def test_the_smallest_photo_is_answered(address):
    assert send(address, encoded(PIL.Image.new("RGB", (1, 1)))).status_code == 200


def bomb():
    """A PNG of 20,000 x 20,000 pixels in 400 KB: all of one grey."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(20_001) * 20_000, 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


def huge_jpeg():
    """A JPEG that says to have 20,000 x 20,000 pixels."""
    data = bytearray(encoded(PHOTO, "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 20_000, 20_000)
    return bytes(data)


BAD = {
    "text": (lambda: b"hello", 400, "not an image"),
    "nothing": (lambda: b"", 400, "no body"),
    "cut PNG": (lambda: encoded(PHOTO)[:-2000], 400, "The photo"),
    "cut JPEG": (lambda: encoded(PHOTO, "JPEG")[:-500], 400, "The photo"),
    "bomb": (bomb, 413, "pixels; at most 1 million"),
    "huge JPEG": (huge_jpeg, 413, "pixels; at most 1 million"),
    "large PNG": (lambda: encoded(PIL.Image.new("RGB", (2000, 600))), 413, "2,000 x 600 pixels"),
    "too many bytes": (lambda: bytes(600_000), 413, "500,000"),
    "PDF": (lambda: b"%PDF-1.4\n" + bytes(99), 400, "not an image"),
    "EPS": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 400, "not an image"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_photo_gets_one_clear_line(address, kind):
    make, status, words = BAD[kind]
    answer = send(address, make())
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"] and words in answer.json()["error"]


def test_forms(address, expected):
    url = f"{address}/v1/predict"
    given = httpx.post(url, files={"photo": ("a.png", encoded(PHOTO), "image/png")})
    assert given.json()["faces"][0]["predictions"]["a"] == expected
    assert "photo" in httpx.post(url, files={"picture": ("a.png", encoded(PHOTO))}).json()["error"]
    damaged = send(address, b"--x\r\nnothing", "multipart/form-data; boundary=x")
    assert damaged.status_code == 400
    assert send(address, b"--x", "multipart/form-data").status_code == 400
    assert send(address, b"{}", "application/json").status_code == 415
    for ending in ("", '; filename="f"'):
        part = f'--x\r\nContent-Disposition: form-data; name="a"{ending}\r\n\r\n1\r\n'
        many = send(address, part.encode() * 33 + b"--x--\r\n", "multipart/form-data; boundary=x")
        assert many.status_code == 400 and "32 parts" in many.json()["error"]


def test_no_part_of_an_upload_is_written_to_disk(address, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("a file is made")

    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp", "mkdtemp"):
        monkeypatch.setattr(tempfile, name, forbidden)
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (380, 380, 3), np.uint8))
    assert len(encoded(noise)) > 400_000
    form = {"photo": ("a.png", encoded(noise), "image/png")}
    assert httpx.post(f"{address}/v1/predict", files=form).status_code == 200


def test_several_models_and_what_they_are(address, expected):
    answer = send(address, encoded(PHOTO), models="b,a", distributions=True).json()
    assert [model["name"] for model in answer["models"]] == ["b", "a"]
    predictions = answer["faces"][0]["predictions"]
    assert list(predictions) == ["b", "a"]
    shares = predictions["a"].pop("age_distribution")
    assert predictions["a"] == expected
    assert sum(shares) == pytest.approx(1, abs=0.01)
    assert len(shares) == len(answer["models"][0]["distributions"]["age"])
    told = httpx.get(f"{address}/v1/models").json()["models"]
    assert [(model["name"], model["version"], model["versions"]) for model in told] == [
        ("a", "1", ["1"]),
        ("b", "1", ["1"]),
    ]
    assert all(model["limits"] and model["tasks"] for model in told)
    missing = send(address, encoded(PHOTO), models="a,none")
    assert missing.status_code == 404 and "none" in missing.json()["error"]
    assert send(address, encoded(PHOTO), detect="perhaps").status_code == 400


def test_every_face_is_boxed_cropped_and_predicted(address, folder, tmp_path):
    paint(tmp_path / "p.png", 20, 30)
    answer = send(address, (tmp_path / "p.png").read_bytes(), detect=True, crops=True).json()
    faces = answer["faces"]
    assert [face["box"] for face in faces] == [[45, 5, 75, 35], [5, 5, 25, 25]]
    assert all(len(face["points"]) == 5 for face in faces) and answer["detected"]
    for face in faces:
        crop = PIL.Image.open(io.BytesIO(base64.b64decode(face["crop"])))
        again = load_exported(folder / "a", "tensorflow").predict_bytes([encoded(crop)])[0]
        assert again["age"] == pytest.approx(face["predictions"]["a"]["age"], abs=1)
    assert send(address, encoded(PHOTO), detect=True).json()["faces"] == []


def test_what_estimates_rest_on(address, folder):
    told = httpx.post(f"{address}/v1/explain", params={"model": "b"}, content=encoded(PHOTO)).json()
    model = load_exported(folder / "b", "tensorflow")
    assert (told["model"], told["version"], list(told["changes"])) == ("b", "1", list(model.tasks))
    copies = covered(square_pixels(PHOTO, model.size))
    wanted = changes(model.kinds, model.backend.predict(copies))
    for task, values in wanted.items():
        np.testing.assert_allclose(told["changes"][task], values, atol=1e-4)
    assert httpx.post(f"{address}/v1/explain", params={"model": "none"}, content=encoded(PHOTO)).status_code == 404
    assert httpx.post(f"{address}/v1/explain", content=b"%PDF").status_code == 400


def test_operation_and_openapi(address):
    assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
    send(address, encoded(PHOTO))
    counters = httpx.get(f"{address}/metrics").text
    assert 'keras_mtl_requests_total{method="POST",route="/v1/predict",status="200"}' in counters
    assert 'keras_mtl_model_version{model="a"} 1.0' in counters
    paths = httpx.get(f"{address}/openapi.json").json()["paths"]
    assert {"/v1/predict", "/v1/models", "/v1/models/{name}:predict", "/healthz", "/metrics"} <= set(paths)
    assert httpx.get(f"{address}/nothing/here").json() == {"error": "Not Found"}
    assert httpx.get(f"{address}/v1/predict").status_code == 405
    headers = httpx.get(f"{address}/v1/models").headers
    assert "default-src 'self'" in headers["content-security-policy"]


SEEDS = [encoded(PHOTO), encoded(PHOTO, "JPEG"), encoded(PHOTO, "WEBP")]


@settings(max_examples=80, deadline=None)
@given(
    st.one_of(st.binary(max_size=200), st.builds(mutated, st.sampled_from(SEEDS), st.randoms(use_true_random=False)))
)
def test_no_bytes_whatever_are_a_defect(address, data):
    answer = send(address, data, "application/octet-stream")
    assert answer.status_code in (200, 400, 413), (answer.status_code, answer.text)


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["instances", "inputs", "images", "b64", "signature_name"]), inner, max_size=3),
    ),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None)
@given(JSON)
def test_no_json_whatever_is_a_defect(address, value):
    answer = httpx.post(f"{address}/v1/models/a:predict", json=value)
    assert answer.status_code in (200, 400), (answer.status_code, answer.text)


def test_bad_photos_leave_no_memory_behind(address, expected):
    process = psutil.Process()
    bad = [bomb(), huge_jpeg(), encoded(PHOTO)[:-2000], b"hello"]
    for data in bad:
        send(address, data)
    before = process.memory_info().rss
    for _ in range(10):
        for data in bad:
            assert send(address, data).status_code in (400, 413)
    assert process.memory_info().rss - before < 100e6
    assert send(address, encoded(PHOTO)).json()["faces"][0]["predictions"]["a"] == expected
    assert PHOTO.width != SIZE
