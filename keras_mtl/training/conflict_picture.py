"""Heat maps of the tasks' cosines, for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_mtl.training.conflict_cosine import Cosine

CONFLICT, NEUTRAL, AGREEMENT = (178, 24, 43), (247, 247, 247), (33, 102, 172)
"""Colours of the cosines -1, 0 and 1; told apart by colour-blind readers too."""
NOTHING = (222, 222, 222)
FEW = 10  # tasks up to which a cell shows its number
ACROSS = 3  # matrices in a row
LINE, GAP = 16, 14


def heat_maps(cosines: Mapping[tuple[str, str, str], Cosine], tasks: Sequence[str], looks: int) -> np.ndarray:
    """A matrix a stage, red where tasks conflict and blue where they agree; grey where the looks do not tell.

    Args:
        cosines: by stage and two tasks.
        tasks: their names.
        looks: how many looks the cosines are over.

    Returns:
        uint8 [height, width, 3].
    """
    names = [name if len(name) <= 16 else f"{name[:15]}…" for name in tasks]
    stages = dict.fromkeys(stage for stage, _, _ in cosines)
    panels = [_panel(stage, _matrix(cosines, stage, tasks), names) for stage in stages]
    width, height = (panels[0].width + GAP, panels[0].height + GAP) if panels else (0, 0)
    across = min(ACROSS, len(panels))
    caption = (
        f"cosine of the tasks' gradients without noise, 95 % interval, {looks} look{'' if looks == 1 else 's'}; "
        "red: conflict, blue: agreement, ?: more looks needed"
    )
    font = _font()
    size = (
        max(across * width, round(font.getlength(caption)) + GAP) + GAP,
        2 * LINE + height * -(-len(panels) // ACROSS),
    )
    sheet = Image.new("RGB", size, "white")
    ImageDraw.Draw(sheet).text((GAP, 6), caption, fill="black", font=font)
    for number, panel in enumerate(panels):
        sheet.paste(panel, (GAP + number % ACROSS * width, 2 * LINE + number // ACROSS * height))
    return np.asarray(sheet)


def _matrix(cosines: Mapping[tuple[str, str, str], Cosine], stage: str, tasks: Sequence[str]) -> list[list]:
    """A stage's cosines by two tasks; None where a task has no gradient."""
    found = {tuple(pair): cosine for (place, *pair), cosine in cosines.items() if place == stage}
    return [[found.get((one, other)) or found.get((other, one)) for other in tasks] for one in tasks]


def _panel(stage: str, matrix: Sequence[Sequence[Cosine | None]], names: Sequence[str]) -> Image.Image:
    font = _font()
    side = max(round(font.getlength(name)) for name in names) + 6
    few = len(names) <= FEW
    wide, high = (max(84, side), 40) if few else (LINE - 2, LINE - 2)
    top = LINE * (2 if few else 1)
    panel = Image.new("RGB", (side + wide * len(names), top + high * len(names)), "white")
    draw = ImageDraw.Draw(panel)
    draw.text((0, 0), stage, fill="black", font=font)
    for row, name in enumerate(names):
        y = top + row * high
        draw.text((side - 4, y + high / 2), name, fill="black", font=font, anchor="rm")
        if few:
            draw.text((side + (row + 0.5) * wide, LINE), name, fill="black", font=font, anchor="ma")
        for column in range(len(names)):
            x, cosine = side + column * wide, matrix[row][column]
            value = cosine.value if cosine is not None and cosine.is_told else np.nan
            draw.rectangle((x, y, x + wide - 2, y + high - 2), fill=colour(value))
            if few and row != column:
                lines = ["–" if cosine is None else "?"]
                if cosine is not None and cosine.is_told:
                    lines = [f"{value:+.2f}", f"{cosine.low:+.2f} to {cosine.high:+.2f}"]
                ink = "white" if abs(value) > 0.6 else "black"
                for number, line in enumerate(lines, start=1):
                    where = (x + wide / 2, y + high * number / (len(lines) + 1))
                    draw.text(where, line, fill=ink, font=font, anchor="mm")
    return panel


def colour(cosine: float) -> tuple[int, int, int]:
    """Of a cell: from red at -1 over white at 0 to blue at 1; grey for NaN."""
    if np.isnan(cosine):
        return NOTHING
    end, share = np.array(AGREEMENT if cosine > 0 else CONFLICT), min(1.0, abs(cosine))
    red, green, blue = np.round(np.array(NEUTRAL) * (1 - share) + end * share).astype(int).tolist()
    return red, green, blue


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(12)
