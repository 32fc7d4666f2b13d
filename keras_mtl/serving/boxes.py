"""Photos with their predictions drawn on them."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from keras_mtl.files import replacing, short_name
from keras_mtl.kinds import Kind
from keras_mtl.serving.inputs import Shot

Box = tuple[float, float, float, float]

SHORTEST_SIDE, LONGEST_SIDE = 640, 1600
"""Between these is a picture's longer side, in pixels."""
_BACK, _FRONT = (20, 20, 20), (255, 255, 255)
_COLOURS = ((255, 196, 0), (0, 200, 255), (255, 110, 180), (120, 230, 90), (255, 140, 60), (190, 150, 255))


class Pictures:
    """Writes a JPEG for each shot to a folder, 640 to 1,600 pixels long, under the photo's name.

    Args:
        folder: where to; made if need be.
        kinds: the model's tasks' kinds by name.
    """

    def __init__(self, folder: str, kinds: Mapping[str, Kind]):
        self.folder, self.kinds = pathlib.Path(folder), kinds
        self.folder.mkdir(parents=True, exist_ok=True)
        self._taken: dict[str, str] = {}

    def write(self, shot: Shot, photo: PIL.Image.Image, entries: Sequence[dict]) -> None:
        """Draws the entries' boxes and words on a copy of the photo, and writes it whole or not at all."""
        drawn = draw(photo, entries, self.kinds)
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


def draw(photo: PIL.Image.Image, entries: Sequence[dict], kinds: Mapping[str, Kind]) -> PIL.Image.Image:
    """A copy of a photo with a box for each face and its predictions beside it, never over a face.

    A label that has no room in the photo stands in a strip below it, by the number of its face, as does that of a whole
    photo. A small photo is enlarged, so that words are small beside faces.
    """
    longest = max(photo.size)
    scale = min(max(longest, SHORTEST_SIDE), LONGEST_SIDE) / longest
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    shown = photo.resize(size, PIL.Image.Resampling.LANCZOS)
    pen = PIL.ImageDraw.Draw(shown)
    font = PIL.ImageFont.load_default(max(11, round(max(size) / 55)))
    texts = [
        [entry["error"]] if "error" in entry else [kind.brief(entry) for kind in kinds.values()] for entry in entries
    ]
    boxes = {number: _scaled(entry["box"], scale) for number, entry in enumerate(entries) if "box" in entry}
    sizes = [pen.multiline_textbbox((0, 0), "\n".join(texts[number]), font=font) for number in boxes]
    labels = place_labels(size, list(boxes.values()), [(wide + 8, high + 8) for _, _, wide, high in sizes])
    placed = dict(zip(boxes, labels, strict=True))
    below: list[str] = []
    for number, lines in enumerate(texts):
        if number not in boxes:
            below.append(", ".join(lines))
            continue
        colour = _COLOURS[number % len(_COLOURS)]
        pen.rectangle(boxes[number], outline=colour, width=max(2, round(max(size) / 400)))
        label = placed[number]
        if label is None:
            below.append(f"{number + 1}: {', '.join(lines)}")
            pen.text((boxes[number][0] + 4, boxes[number][1] + 2), str(number + 1), font=font, fill=colour)
        else:
            pen.rectangle(label, fill=_BACK, outline=colour)
            pen.multiline_text((label[0] + 4, label[1] + 4), "\n".join(lines), font=font, fill=_FRONT)
    return _with_strip(shown, below, font)


def place_labels(
    size: tuple[int, int], boxes: Sequence[Box], labels: Sequence[tuple[float, float]]
) -> list[Box | None]:
    """Where the labels of boxes go: below, above, right or left of each, wherever nothing is covered.

    Args:
        size: width and height of the picture.
        boxes: left, top, right and bottom of each face.
        labels: width and height of each one's label.

    Returns:
        Left, top, right and bottom of each label: in the picture, over no box and no other label; None without such a
        place.
    """
    taken, placed = list(boxes), list[Box | None]()
    for (left, top, right, bottom), (wide, high) in zip(boxes, labels, strict=True):
        across, down = min(max(left, 0.0), size[0] - wide), min(max(top, 0.0), size[1] - high)
        corners = ((across, bottom), (across, top - high), (right, down), (left - wide, down))
        free = (
            place
            for place in ((x, y, x + wide, y + high) for x, y in corners)
            if min(place[:2]) >= 0 and place[2] <= size[0] and place[3] <= size[1]
            if not any(_overlap(place, other) for other in taken)
        )
        label = next(free, None)
        placed.append(label)
        if label:
            taken.append(label)
    return placed


def _scaled(box: Sequence[float], scale: float) -> Box:
    left, top, right, bottom = (side * scale for side in box)
    return left, top, right, bottom


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _with_strip(picture: PIL.Image.Image, lines: Sequence[str], font) -> PIL.Image.Image:
    """The picture with lines of text below it; it is made wider where one is longer than it."""
    if not lines:
        return picture
    text = "\n".join(lines)
    _, _, wide, high = PIL.ImageDraw.Draw(picture).multiline_textbbox((0, 0), text, font=font)
    whole = PIL.Image.new("RGB", (max(picture.width, round(wide) + 8), picture.height + round(high) + 8), _BACK)
    whole.paste(picture)
    PIL.ImageDraw.Draw(whole).multiline_text((4, picture.height + 4), text, font=font, fill=_FRONT)
    return whole
