"""The cache of decoded pixels: made once, never out of date, whole or made anew."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from keras_mtl import tasks
from keras_mtl.data.cache import choose_mode, default_folder, load_pixels
from keras_mtl.data.source import Records, Source


class Photos(Source):
    """PNG files in a folder; counts what it decodes."""

    def __init__(self, root):
        super().__init__("photos", tasks.select_tasks(["age"]), base=root)
        self.decoded = 0

    def splits(self):
        return ("train",)

    def records(self, split):
        return Records(sorted(os.listdir(self.root)), {}, [])

    def decode(self, images, size):
        self.decoded += len(images)
        return super().decode(images, size)


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(5):
        Image.new("RGB", (9, 9), (i * 10, 0, 0)).save(tmp_path / "photos" / f"{i}.png")
    return Photos(tmp_path / "photos")


def load(source, folder, mode="memory", size=8):
    images = source.records("train").images
    return load_pixels(source, images, size, source.fingerprint(images, size), folder, mode)


@pytest.mark.parametrize("mode", ["memory", "file", "none"])
def test_pixels_are_those_decoded_in_order(mode, photos, tmp_path):
    pixels, bad = load(photos, tmp_path / "cache", mode)
    assert pixels.shape == (5, 8, 8, 3) and pixels.dtype == np.uint8 and bad == {}
    assert pixels[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40]
    assert isinstance(pixels, np.memmap) == (mode == "file")
    assert (tmp_path / "cache").exists() == (mode != "none")


def test_a_source_of_many_tasks_has_an_entry_that_file_systems_take(photos, tmp_path):
    photos.name = "csv_" + "_".join(f"an_attribute_of_faces_{number}" for number in range(40))
    load(photos, tmp_path / "cache")
    again = Photos(photos.root)
    again.name = photos.name
    load(again, tmp_path / "cache")
    assert again.decoded == 0
    again.name += "_more"
    load(again, tmp_path / "cache")
    assert again.decoded == 5


def test_a_set_is_decoded_once_for_every_mode_and_process(photos, tmp_path):
    first, _ = load(photos, tmp_path)
    again, _ = load(Photos(photos.root), tmp_path, "file")
    np.testing.assert_array_equal(first, again)
    load(photos, tmp_path)
    assert photos.decoded == 5


def test_a_changed_an_added_and_another_size_of_image_are_decoded_anew(photos, tmp_path):
    load(photos, tmp_path)
    load(photos, tmp_path, size=4)
    assert photos.decoded == 10
    Image.new("RGB", (9, 9), (99, 0, 0)).save(photos.root / "0.png")
    os.utime(photos.root / "0.png", ns=(1, 1))
    pixels, _ = load(photos, tmp_path)
    assert pixels[0, 0, 0, 0] == 99 and photos.decoded == 15
    Image.new("RGB", (9, 9)).save(photos.root / "5.png")
    assert len(load(photos, tmp_path)[0]) == 6


def test_bad_images_are_kept_with_the_entry_and_tried_again(photos, tmp_path):
    (photos.root / "1.png").write_text("no picture")
    cache = tmp_path / "cache"
    pixels, bad = load(photos, cache)
    assert pixels[:, 0, 0, 0].tolist() == [0, 20, 30, 40]
    assert list(bad) == [1] and "not a readable image" in bad[1]
    photos.decoded = 0
    assert load(photos, cache)[1] == bad
    assert photos.decoded == 1
    # Mended in a way that leaves no trace in the fingerprint.
    stamp = (photos.root / "1.png").stat()
    image = Image.new("RGB", (1, 1), (10, 0, 0))
    image.save(photos.root / "mended.png")
    content = (photos.root / "mended.png").read_bytes()
    (photos.root / "mended.png").unlink()
    facts = next(cache.glob("*.json"))
    fingerprint = facts.stem.split("-")[-1]
    (photos.root / "1.png").write_bytes(content)
    os.utime(photos.root / "1.png", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    images = photos.records("train").images
    pixels, bad = load_pixels(photos, images, 8, fingerprint, cache, "memory")
    assert bad == {} and pixels[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40]


def damage_pixels(npy):
    content = bytearray(npy.read_bytes())
    content[-1] ^= 1
    npy.write_bytes(content)


@pytest.mark.parametrize("mode", ["memory", "file"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda npy: npy.write_bytes(npy.read_bytes()[:-100]),
        lambda npy: npy.write_bytes(b""),
        lambda npy: npy.write_bytes(b"nonsense" * 50),
        lambda npy: np.save(npy, np.zeros([5, 8, 8, 3], np.float32)),
        lambda npy: np.save(npy, np.zeros([4, 8, 8, 3], np.uint8)),
        damage_pixels,
        lambda npy: npy.with_suffix(".json").unlink(),
        lambda npy: npy.with_suffix(".json").write_text("{"),
        lambda npy: npy.with_suffix(".json").write_text("[]"),
        lambda npy: npy.with_suffix(".json").write_text('{"bad": {"x": 1}, "crc32": 0}'),
    ],
    ids=["cut", "empty", "nonsense", "dtype", "shape", "bit", "no facts", "cut facts", "list", "wrong facts"],
)
def test_a_damaged_entry_is_made_anew(damage, mode, photos, tmp_path, caplog):
    whole = load(photos, tmp_path / "cache", mode)[0].copy()  # A mapped file must not be cut.
    damage(next((tmp_path / "cache").glob("*.npy")))
    pixels, bad = load(photos, tmp_path / "cache", mode)
    np.testing.assert_array_equal(pixels, whole)
    assert bad == {} and photos.decoded == 10
    assert "is damaged; it is made anew" in caplog.text
    load(photos, tmp_path / "cache", mode)
    assert photos.decoded == 10


def test_a_decoding_that_breaks_off_leaves_nothing_behind(photos, tmp_path):
    def broken(images, size):
        raise KeyboardInterrupt

    photos.decode = broken
    with pytest.raises(KeyboardInterrupt):
        load(photos, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_large_sets_are_decoded_in_chunks_to_the_same_pixels(photos, tmp_path, monkeypatch):
    (photos.root / "3.png").write_text("no picture")
    whole, bad = load(photos, tmp_path / "one")
    monkeypatch.setattr("keras_mtl.data.cache._CHUNK", 2 * 8 * 8 * 3)
    pixels, same = load(photos, tmp_path / "two")
    np.testing.assert_array_equal(pixels, whole)
    assert bad == same and list(bad) == [3]


AT_ONCE = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from test_cache import Image, Photos, load

class Quick(Photos):
    def decode(self, images, size):  # Spares the import of TensorFlow.
        return np.stack([np.array(Image.open(self.root / image).resize((size, size))) for image in images]), {}

print("pixels", load(Quick(sys.argv[2]), sys.argv[3])[0].sum())
"""


def test_two_processes_at_once_both_get_the_pixels(photos, tmp_path):
    command = [sys.executable, "-c", AT_ONCE, os.path.dirname(__file__), str(photos.root), str(tmp_path / "cache")]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [worker.communicate(timeout=120)[0].split()[-2:] for worker in workers]
    pixels, _ = load(photos, tmp_path / "cache")
    assert said == [["pixels", str(pixels.sum())]] * 2 and photos.decoded == 0
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".json", ".npy"]


def test_a_folder_that_cant_be_written_is_told(photos, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cache folder .*file/cache can't be written: .*--cache_dir"):
        load(photos, tmp_path / "file" / "cache")


def test_modes(monkeypatch):
    assert choose_mode("auto", 12_000, 64) == "memory"
    assert choose_mode("auto", 1_000_000, 64) == "file"
    assert choose_mode("file", 1, 1) == "file"
    with pytest.raises(ValueError, match="cache must be one of auto, memory, file, none. Received: 'disk'"):
        choose_mode("disk", 1, 1)
    monkeypatch.setenv("KERAS_MTL_CACHE", "/somewhere")
    assert default_folder() == pathlib.Path("/somewhere")
    monkeypatch.delenv("KERAS_MTL_CACHE")
    assert default_folder() == pathlib.Path("~/.cache/keras_mtl").expanduser()


def test_the_facts_are_plain_json(photos, tmp_path):
    (photos.root / "4.png").unlink()
    images = ["0.png", "4.png"]
    load_pixels(photos, images, 8, photos.fingerprint(images, 8), tmp_path / "cache", "memory")
    facts = json.loads(next((tmp_path / "cache").glob("*.json")).read_text())
    assert facts["bad"] == {"1": "file is missing"}
