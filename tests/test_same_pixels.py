"""Training, evaluation, the audit, shards, predict, the server and the exported graph see a photo's same pixels."""

import hashlib
import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from photo_bank import encoded, jpeg_segments, orientation_tag, readable, refused, scene, with_exif

from keras_mtl.data import parse_sources
from keras_mtl.data.audit.pictures import read_pictures
from keras_mtl.data.images import decode_bytes, decode_files
from keras_mtl.data.shards import write_shards
from keras_mtl.photos import decode_photo, square_pixels
from keras_mtl.serving.inputs import Shot
from keras_mtl.serving.photo_graph import decode_image, resize_images
from keras_mtl.serving.reading import read_whole
from keras_mtl.serving.server.budget import Budget
from keras_mtl.serving.server.pixels import decoded
from keras_mtl.serving.server.refusal import Refusal
from keras_mtl.tasks import select_tasks

SIZE = 32
GOOD, BAD = readable(), refused()
graph_decode = tf.function(decode_image, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
graph_resize = tf.function(
    lambda images: resize_images(images, SIZE), input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)]
)


def expected(data):
    return square_pixels(decode_photo(data), SIZE)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The whole bank as a table, and its source."""
    folder = tmp_path_factory.mktemp("bank")
    rows = []
    for number, data in enumerate([*GOOD.values(), *(data for data, _ in BAD.values())]):
        (folder / f"{number}.jpg").write_bytes(data)
        rows.append(f"{number}.jpg,{number % 100}")
    (folder / "bank.csv").write_text("image,age\n" + "\n".join(rows) + "\n")
    (source,) = parse_sources([f"age=csv:{folder}/bank.csv"], select_tasks(["age"]))
    return source


@pytest.mark.parametrize("kind", GOOD)
def test_the_exported_graph_decodes_and_resizes_to_the_same_pixels(kind):
    pixels = graph_decode(GOOD[kind])
    np.testing.assert_array_equal(pixels, np.asarray(decode_photo(GOOD[kind])))
    np.testing.assert_array_equal(graph_resize(pixels), expected(GOOD[kind]))


def test_training_reads_the_same_pixels_and_refuses_the_same_files(table):
    images = table.records("train").images
    pixels, reasons = table.decode(images, SIZE)
    np.testing.assert_array_equal(pixels, np.stack([expected(data) for data in GOOD.values()]))
    assert list(reasons) == list(range(len(GOOD), len(GOOD) + len(BAD)))
    for (_, said), reason in zip(BAD.values(), reasons.values(), strict=True):
        assert said in reason and "\n" not in reason
    from_bytes, _ = decode_bytes(list(GOOD.values()), SIZE)
    np.testing.assert_array_equal(from_bytes, pixels)


def test_the_audit_looks_at_the_same_pixels_and_finds_the_same_files_bad(table):
    images = table.records("train").images
    found = read_pictures(table, images)
    assert found.unreadable == table.decode(images, SIZE)[1]
    for data, hashed in zip(GOOD.values(), found.hashes, strict=False):
        photo = decode_photo(data)
        assert hashed == hashlib.sha256(f"{photo.size}".encode() + photo.tobytes()).hexdigest()[:32]


def test_shards_hold_what_training_reads(table, tmp_path):
    bad = write_shards(table, tmp_path / "shards")
    assert [one.reason for one in bad] == list(table.decode(table.records("train").images, SIZE)[1].values())
    (packed,) = parse_sources([f"age=shards:{tmp_path}/shards"], select_tasks(["age"]))
    pixels, reasons = packed.decode(packed.records("train").images, SIZE)
    assert not reasons
    np.testing.assert_array_equal(pixels, np.stack([expected(data) for data in GOOD.values()]))


def test_predict_and_the_server_see_the_same_pixels(table):
    for number, data in enumerate(GOOD.values()):
        (seen,) = read_whole(Shot(str(table.root / f"{number}.jpg"))).images
        np.testing.assert_array_equal(square_pixels(seen, SIZE), expected(data))
        with decoded(data, 9, Budget(1), 0) as photo:
            np.testing.assert_array_equal(square_pixels(photo, SIZE), expected(data))


@pytest.mark.parametrize("kind", BAD)
def test_what_is_not_read_is_refused_by_predict_the_server_and_the_graph(kind, tmp_path):
    data, said = BAD[kind]
    (tmp_path / "a.jpg").write_bytes(data)
    look = read_whole(Shot(str(tmp_path / "a.jpg")))
    assert said in look.error and not look.images
    with pytest.raises(Refusal, match=said), decoded(data, 9, Budget(1), 0):
        pass
    # In plain TensorFlow the process dies of an animated WebP (2.21: "malloc(): invalid size").
    with pytest.raises(tf.errors.InvalidArgumentError, match="animated WebP" if "WebP" in kind else "neither JPEG"):
        graph_decode(data)


def test_a_webp_that_says_it_is_animated_is_refused_whatever_it_holds():
    one = encoded(scene(), "WEBP", save_all=True, append_images=[scene(seed=1)])
    with PIL.Image.open(io.BytesIO(one)) as opened:
        assert opened.n_frames == 2
    still = bytearray(encoded(scene().convert("RGBA"), "WEBP", exif=b"Exif\0\0" + with_exif(orientation_tag(1))))
    assert still[12:16] == b"VP8X"
    still[20] |= 2
    with pytest.raises((ValueError, OSError)):
        decode_photo(bytes(still))
    with pytest.raises(tf.errors.InvalidArgumentError, match="animated WebP"):
        graph_decode(bytes(still))


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300), seed=st.integers(0, 99))
def test_any_size_is_resized_to_the_same_pixels(height, width, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    np.testing.assert_array_equal(graph_resize(pixels), square_pixels(PIL.Image.fromarray(pixels), SIZE))


def test_large_photos_are_resized_in_pieces_to_the_same_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (900, 2100, 3), np.uint8)
    np.testing.assert_array_equal(graph_resize(pixels), square_pixels(PIL.Image.fromarray(pixels), SIZE))


@settings(max_examples=40, deadline=None)
@given(
    value=st.integers(0, 12),
    order=st.sampled_from("<>"),
    kind=st.sampled_from([3, 4]),
    before=st.integers(0, 5),
    comment=st.binary(max_size=40),
)
def test_the_orientation_is_found_wherever_it_lies(value, order, kind, before, comment):
    exif = with_exif(orientation_tag(value, order, kind), order, before)
    data = jpeg_segments(encoded(scene(20, 12), "JPEG"), (0xFE, comment), (0xE1, b"Exif\0\0" + exif))
    np.testing.assert_array_equal(graph_decode(data), np.asarray(decode_photo(data)))
    assert graph_decode(data).shape == ((20, 12, 3) if 5 <= value <= 8 else (12, 20, 3))


def test_files_give_the_pixels_of_each_by_itself_in_order(tmp_path):
    paths = []
    for number in range(150):
        data = encoded(scene(20 + number % 7, 30 - number % 11, seed=number), ("JPEG", "PNG", "WEBP")[number % 3])
        (tmp_path / f"{number}").write_bytes(data)
        paths.append(str(tmp_path / f"{number}"))
    pixels, reasons = decode_files(paths, SIZE)
    assert reasons == {}
    for number, path in enumerate(paths):
        with open(path, "rb") as file:
            np.testing.assert_array_equal(pixels[number], expected(file.read()))
