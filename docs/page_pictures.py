"""Makes the pictures of serve's page: `python docs/page_pictures.py` (extras `test` and `dev`, Chromium).

Takes five to ten minutes: a small net is trained on drawn faces and its age branch pruned from it; both are served.
The photo is a sheet of drawn faces too, since no picture of a real person goes into the repository. MTCNN, which was
made for photos, happens to find these; what the models say of them shows the page, not how good a model is.
"""

from __future__ import annotations

import pathlib
import random
import subprocess
import sys
import tempfile

from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
from browser import DESKTOP, PHONE, browser
from running_server import running_server, wait_until

from keras_mtl.data.drawing import draw_face, sample_face

HERE = pathlib.Path(__file__).parent
TRAINING = ["--image_size=48", "--width=16", "--batch_size=32", "--epochs=20", "--precision=float32"]
DRAWN = ",".join(f"{task}=drawn:fraction=0.3" for task in ("age", "gender", "smile"))
FACES, TILE, GAP = (1, 4, 10), 160, 50
MARGIN = 0.35
"""Drawn faces are not cropped as close as MTCNN's boxes."""


def run(command: str, *flags: str) -> None:
    subprocess.run([sys.executable, "-m", f"keras_mtl.{command}", *flags], cwd=HERE.parent, check=True)


def train_models(folder: pathlib.Path) -> pathlib.Path:
    """Exports a multitask net and the one pruned from it, by the command lines."""
    runs, models = f"--workdir={folder / 'runs'}", folder / "saved_models"
    run("train", *TRAINING, f"--sources={DRAWN}", runs, "--name=multitask")
    run("prune", f"--run={folder / 'runs' / 'multitask'}", "--keep=age", "--epochs=2", "--name=pruned")
    for name in ("multitask", "pruned"):
        run("export", f"--run={folder / 'runs' / name}", f"--directory={models}")
    return models


def draw_photo(path: pathlib.Path) -> None:
    """A group photo of drawn faces."""
    photo = Image.new("RGB", (GAP + len(FACES) * (TILE + GAP), TILE + 2 * GAP), (120, 140, 125))
    for place, number in enumerate(FACES):
        face = draw_face(sample_face(random.Random(f"page/{number}")), TILE)
        photo.paste(face, (GAP + place * (TILE + GAP), GAP))
    photo.save(path)


def take_picture(address: str, photo: pathlib.Path, path: pathlib.Path, width: int, height: int, theme: str) -> None:
    with browser(width, height, theme) as driver:
        driver.get(address)
        driver.find_element("id", "file").send_keys(str(photo))
        wait_until(lambda: "found" in driver.find_element("id", "status").text)
        driver.find_element("class name", "box").click()
        driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
        driver.save_screenshot(str(path))
    print(path)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        draw_photo(folder / "photo.png")
        with running_server(train_models(folder), detect=True, margin=MARGIN) as address:
            for picture, *look in (("light", DESKTOP, 1080, "light"), ("dark_phone", PHONE, 1240, "dark")):
                take_picture(address, folder / "photo.png", HERE / f"page_{picture}.png", *look)


if __name__ == "__main__":
    main()
