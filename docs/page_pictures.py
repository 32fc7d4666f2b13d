"""Makes the pictures of serve's page: `python docs/page_pictures.py` (extras `test` and `dev`, Chromium).

Takes five to ten minutes: a small net is trained on drawn faces and its age branch pruned from it; both are served.
Photos are sheets of drawn faces too, since no picture of a real person goes into the repository. The detector, which
was made for photos, happens to find them; what the models say of them shows the page, not how good a model is. The
page's own sample is made as well.
"""

from __future__ import annotations

import pathlib
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
from browser import DESKTOP, browser
from running_server import running_server, wait_until

from keras_mtl.data.drawing import draw_face, sample_face
from keras_mtl.serving.server.page import FOLDER

HERE = pathlib.Path(__file__).parent
TRAINING = ["--image_size=48", "--width=16", "--batch_size=32", "--epochs=20", "--precision=float32"]
DRAWN = ",".join(f"{task}=drawn:fraction=0.3" for task in ("age", "gender", "smile"))
PHOTOS = {"one": [4], "three": [1, 4, 10], "twelve": range(20, 32)}
PHONE = 390
TILE, GAP = 160, 50
MARGIN = 0.35
"""Drawn faces show more around them than a detector's crops do."""


def run(command: str, *flags: str) -> None:
    subprocess.run([sys.executable, "-m", f"keras_mtl.{command}", *flags], cwd=HERE.parent, check=True)


def train_models(folder: pathlib.Path) -> pathlib.Path:
    """Exports a multitask net and the one pruned from it, by the command lines."""
    runs, models = f"--workdir={folder / 'runs'}", folder / "saved_models"
    run("train", *TRAINING, f"--sources={DRAWN}", runs, "--name=multitask")
    run("prune", f"--run={folder / 'runs' / 'multitask'}", "--keep=age", "--epochs=2", "--name=pruned")
    for name in ("multitask", "pruned"):
        run("evaluate", f"--run={folder / 'runs' / name}", "--split=test")
    for name in ("multitask", "pruned"):
        run("export", f"--run={folder / 'runs' / name}", f"--directory={models}")
    return models


def draw_photo(path: pathlib.Path, faces: Sequence[int]) -> str:
    """A group photo of drawn faces."""
    across = min(4, len(faces))
    size = [GAP + count * (TILE + GAP) for count in (across, -(-len(faces) // across))]
    photo = Image.new("RGB", (size[0], size[1]), (120, 140, 125))
    for place, number in enumerate(faces):
        face = draw_face(sample_face(random.Random(f"page/{number}")), TILE)
        photo.paste(face, tuple(GAP + part * (TILE + GAP) for part in (place % across, place // across)))
    photo.save(path)
    return str(path)


def take_picture(address: str, picture: Picture, photos: Sequence[str]) -> None:
    path = HERE / f"page_{picture.name}.png"
    with browser(picture.width, picture.height, picture.theme) as driver:
        driver.get(address)
        wait_until(lambda: driver.find_elements("css selector", "#cards details"))
        for name in picture.without:
            driver.find_element("css selector", f"[value={name}]").click()
        driver.find_element("id", "file").send_keys("\n".join(photos))
        wait_until(lambda: picture.says in driver.find_element("css selector", "main").text)
        wait_until(lambda: "waits" not in driver.find_element("id", "photos").text)
        if picture.rests:
            driver.find_element("css selector", ".rests button").click()
            wait_until(lambda: "Marked is" in driver.find_element("css selector", ".rests").text)
        for box in driver.find_elements("class name", "box")[:1]:
            box.click()
        driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
        driver.save_screenshot(str(path))
    print(path)


class Picture(NamedTuple):
    """A picture: its name, the photos, what tells that it is ready, how it is looked at, which models are left out, and
    whether it is asked what the first face's estimates rest on.
    """

    name: str
    photos: Sequence[str]
    says: str
    width: int
    height: int
    theme: str
    without: Sequence[str] = ()
    rests: bool = False


PICTURES = [
    Picture("light", ["three"], "3 faces found", DESKTOP, 1180, "light"),
    Picture("one_face", ["one"], "1 face found", DESKTOP, 1000, "dark", ["pruned"]),
    Picture("rests", ["one"], "1 face found", DESKTOP, 1180, "light", ["pruned"], True),
    Picture("twelve", ["twelve"], "12 faces found", DESKTOP, 1100, "light"),
    Picture("several", ["three", "one", "twelve", "none"], "4 photos", DESKTOP, 1100, "dark"),
    Picture("error", ["none"], "not an image", DESKTOP, 620, "light"),
    Picture("dark_phone", ["three"], "3 faces found", PHONE, 1500, "dark"),
    Picture("several_phone", ["one", "three", "twelve"], "3 photos", PHONE, 1500, "light"),
]


def main() -> None:
    sample = draw_face(sample_face(random.Random("page/4")), 256)
    sample.save(FOLDER / "sample.jpg", quality=88)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        photos = {name: draw_photo(folder / f"{name}.png", faces) for name, faces in PHOTOS.items()}
        photos["none"] = str(folder / "none.png")
        pathlib.Path(photos["none"]).write_text("not a photo")
        with running_server(train_models(folder), detect=True, margin=MARGIN) as address:
            for picture in PICTURES:
                take_picture(address, picture, [photos[name] for name in picture.photos])


if __name__ == "__main__":
    main()
