"""Makes the README's pictures: `python docs/pictures.py [runs/faces]` (extra `dev`).

Without a run it makes only `docs/drawn_faces.png`. No picture of a real person goes into the repository: of a run
on real faces only curves and points are drawn.
"""

from __future__ import annotations

import pathlib
import random
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from keras_mtl.data.drawing import draw_face, sample_face
from keras_mtl.files import read_json

HERE = pathlib.Path(__file__).parent
COLOURS = {"age": "#1b6ca8", "gender": "#b5532a", "smile": "#2f8f5b"}


def drawn_faces(columns: int = 10, rows: int = 3, tile: int = 96) -> Image.Image:
    """A sheet of drawn faces, from young to old, with what each was drawn as."""
    faces = [sample_face(random.Random(f"readme/{number}")) for number in range(columns * rows)]
    faces.sort(key=lambda face: face.person.age)
    sheet = Image.new("RGB", (columns * tile, rows * (tile + 14)), "white")
    draw = ImageDraw.Draw(sheet)
    for number, face in enumerate(faces):
        left, top = number % columns * tile, number // columns * (tile + 14)
        sheet.paste(draw_face(face, tile), (left, top))
        person = face.person
        words = f"{person.age:.0f}, {'female' if person.female else 'male'}{', smiling' if person.smiling else ''}"
        draw.text((left + 3, top + tile + 1), words, fill="#333333")
    return sheet


def results(run: pathlib.Path) -> plt.Figure:
    """Learning curves by task, and predicted against true ages on the test images."""
    history = pd.DataFrame(read_json(run / "metrics.json")["training"]["history"])
    ages = pd.read_csv(run / "predictions" / "test.csv").dropna(subset=["age"])
    epochs = np.arange(1, len(history) + 1)
    figure, (errors, shares, scatter) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for axis, name in ((errors, "age_mae"), (shares, "gender_accuracy"), (shares, "smile_accuracy")):
        task = name.split("_")[0]
        axis.plot(epochs, history[name], color=COLOURS[task], alpha=0.35, label=f"{task}, training")
        axis.plot(epochs, history[f"val_{name}"], color=COLOURS[task], label=f"{task}, validation")
    errors.set(title="Age: mean absolute error", xlabel="epoch", ylabel="years", ylim=(0, None))
    shares.set(title="Gender and smile: accuracy", xlabel="epoch", ylim=(0.5, 1))
    scatter.scatter(ages["age"], ages["age_predicted"], s=5, alpha=0.35, color=COLOURS["age"], linewidths=0)
    scatter.plot((0, 116), (0, 116), color="#888888", linewidth=1)
    scatter.set(title="Age on the test images", xlabel="label, years", ylabel="predicted, years")
    for axis in (errors, shares):
        axis.legend(frameon=False)
    for axis in (errors, shares, scatter):
        axis.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    drawn_faces().save(HERE / "drawn_faces.png")
    if len(sys.argv) > 1:
        results(pathlib.Path(sys.argv[1])).savefig(HERE / "results.png", dpi=110)
