"""Heat maps of the tasks' cosines, for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CONFLICT, NEUTRAL, AGREEMENT = (178, 24, 43), (247, 247, 247), (33, 102, 172)
"""Colours of the cosines -1, 0 and 1; told apart by colour-blind readers too."""
NOTHING = (222, 222, 222)
FEW = 10  # tasks up to which a cell shows its number
ACROSS = 3  # matrices in a row
LINE, GAP = 16, 14


def heat_maps(matrices: Mapping[str, np.ndarray], tasks: Sequence[str], looks: int) -> np.ndarray:
    """A matrix a stage, red where tasks conflict and blue where they agree.

    Args:
        matrices: mean cosines by stage, [tasks, tasks]; NaN where a task has no gradient.
        tasks: their names.
        looks: how many looks the means are over.

    Returns:
        uint8 [height, width, 3].
    """
    names = [name if len(name) <= 16 else f"{name[:15]}…" for name in tasks]
    panels = [_panel(stage, matrix, names) for stage, matrix in matrices.items() if np.isfinite(matrix).any()]
    width, height = (panels[0].width + GAP, panels[0].height + GAP) if panels else (0, 0)
    across = min(ACROSS, len(panels))
    caption = (
        f"mean cosine of the tasks' gradients, {looks} look{'' if looks == 1 else 's'}; red: conflict, blue: agreement"
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


def _panel(stage: str, matrix: np.ndarray, names: Sequence[str]) -> Image.Image:
    font = _font()
    side = max(round(font.getlength(name)) for name in names) + 6
    few = len(names) <= FEW
    wide, high = (max(46, side), 30) if few else (LINE - 2, LINE - 2)
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
            x, value = side + column * wide, matrix[row, column]
            draw.rectangle((x, y, x + wide - 2, y + high - 2), fill=colour(value))
            if few and row != column:
                text = "–" if np.isnan(value) else f"{value:+.2f}"
                ink = "white" if abs(value) > 0.6 else "black"
                draw.text((x + wide / 2, y + high / 2), text, fill=ink, font=font, anchor="mm")
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
