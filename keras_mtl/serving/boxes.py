"""Photos with their predictions drawn on them."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from keras_mtl.files import replacing, short_name
from keras_mtl.serving.inputs import Shot
from keras_mtl.serving.results import cell

LONGEST_SIDE = 1600
_BACK, _FRONT = (20, 20, 20), (255, 255, 255)
_COLOURS = ((255, 196, 0), (0, 200, 255), (255, 110, 180), (120, 230, 90), (255, 140, 60), (190, 150, 255))


class Pictures:
    """Writes a JPEG for each shot to a folder, at most 1,600 pixels long, under the photo's name.

    Args:
        folder: where to; made if need be.
        tasks: the model's, as in tasks.json.
    """

    def __init__(self, folder: str, tasks: Mapping[str, dict]):
        self.folder, self.tasks = pathlib.Path(folder), tasks
        self.folder.mkdir(parents=True, exist_ok=True)
        self._taken: dict[str, str] = {}

    def write(self, shot: Shot, photo: PIL.Image.Image, entries: Sequence[dict]) -> None:
        """Draws the entries' boxes and words on a copy of the photo, and writes it whole or not at all."""
        drawn = draw(photo, entries, self.tasks)
        with replacing(self.folder / self._name(shot)) as beside:
            drawn.save(beside, "JPEG", quality=90)

    def _name(self, shot: Shot) -> str:
        stem = short_name(pathlib.Path(shot.name).stem)
        if shot.seconds is not None:
            stem += f"-{shot.seconds:g}s"
        name, number = f"{stem}.jpg", 2
        # Files of one name in two folders; a shot that comes again, as after a stop, keeps its name.
        while self._taken.setdefault(name, str(shot.key)) != str(shot.key):
            name, number = f"{stem}-{number}.jpg", number + 1
        return name


def draw(photo: PIL.Image.Image, entries: Sequence[dict], tasks: Mapping[str, dict]) -> PIL.Image.Image:
    """A copy of a photo with a box for each face, and the predictions below it; without boxes they stand below."""
    shown = photo.copy()
    shown.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    scale = shown.width / photo.width
    pen = PIL.ImageDraw.Draw(shown)
    font = PIL.ImageFont.load_default(max(11, round(max(shown.size) / 55)))
    for number, entry in enumerate(entries):
        lines = [entry["error"]] if "error" in entry else [cell(entry, name, task) for name, task in tasks.items()]
        text, colour = "\n".join(lines), _COLOURS[number % len(_COLOURS)]
        left, below = 0.0, float(shown.height)
        if box := entry.get("box"):
            left, top, right, below = (side * scale for side in box)
            pen.rectangle((left, top, right, below), outline=colour, width=max(2, round(max(shown.size) / 400)))
        _, _, wide, high = pen.multiline_textbbox((0, 0), text, font=font)
        left = min(max(left, 0.0), max(shown.width - wide - 8, 0.0))
        below = min(max(below, 0.0), max(shown.height - high - 8, 0.0))
        pen.rectangle((left, below, left + wide + 8, below + high + 8), fill=_BACK, outline=colour if box else None)
        pen.multiline_text((left + 4, below + 4), text, font=font, fill=_FRONT)
    return shown
