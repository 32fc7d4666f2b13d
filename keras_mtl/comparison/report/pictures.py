"""Pictures: the worst and typical test images of each task, and the nets before and after branches were removed."""

from __future__ import annotations

import base64
import io
import pathlib
import shutil
import tempfile

import numpy as np
import pandas as pd

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import Cell, Details, Gallery, Heading, Note, Picture, Section, Text, Tile
from keras_mtl.comparison.report.context import Context
from keras_mtl.errors import UserError
from keras_mtl.files import printable
from keras_mtl.kinds import kind_of

EACH = 6
SIDE = 112
"""Pixels of an embedded picture."""
Pixels = dict[tuple[str, str], np.ndarray]


def section(context: Context) -> Section:
    """The images that the multitask net errs on most, and typical ones."""
    title = "Worst and typical pictures"
    try:
        pixels = _pixels(context)
    except (UserError, OSError) as error:
        return Section("pictures", title, [Text(f"The pictures can't be shown here: {error}")])
    who = context.multitask
    about = Text(
        f"Chosen by {who.title if who else 'the first net of each task'} with seed {context.first_seed}: the largest "
        "errors, and those in the middle. A large error may also be a wrong label. Below each picture stand its label "
        "and what the nets of its task predict: multitask, single, pruned, and pruned with the trunk frozen."
    )
    warning = Note("These are pictures out of the data sets. Mind their licence before you pass this file on.")
    blocks: list = [about] if context.results.drawn else [about, warning]
    for name in context.tasks:
        errors = _errors(context, name)
        if not len(errors):
            continue
        order = np.argsort(-errors, kind="stable")
        middle = max(0, len(order) // 2 - EACH // 2)
        heading = wording.task_name(name)
        blocks += [
            Heading(heading),
            Gallery(f"{heading}: the largest errors", _tiles(context, name, order[:EACH], pixels)),
            Gallery(f"{heading}: typical errors", _tiles(context, name, order[middle : middle + EACH], pixels)),
        ]
    return Section("pictures", title, blocks)


def nets(context: Context) -> Section:
    """Pictures of the multitask net and of a pruned one, where Graphviz is there."""
    title = "The nets"
    rows = [context.multitask, next((row for row in context.results.rows if row.variant == "pruned"), None)]
    blocks: list = []
    for row in rows:
        if row is None:
            continue
        try:
            uri = _net(context, row)
        except (UserError, OSError, ImportError) as error:
            blocks.append(Text(f"{row.title} can't be drawn: {error}"))
            break
        blocks.append(Details(f"{row.title}, layer by layer", [Picture(uri, f"The layers of {row.title}")]))
    return Section("nets", title, blocks or [Text("There is no multitask net here.")])


def _pixels(context: Context) -> Pixels:
    """Images uint8 [height, width, 3] by source and name. Raises UserError or OSError where they aren't there."""
    from keras_mtl.data.sources import parse_sources
    from keras_mtl.training.inputs import load_configured_split

    found: Pixels = {}
    config = context.results.cells[0].config
    sources = parse_sources(config.sources, context.tasks, config.data_dir or None)
    data, _ = load_configured_split(config, sources, context.tasks, context.results.split)
    for part in data:
        found.update({(part.source, printable(key)): part.images[index] for index, key in enumerate(part.keys)})
    return found


def _row(context: Context, name: str) -> Row:
    return context.multitask or context.rows_of(name)[0]


def _errors(context: Context, name: str) -> np.ndarray:
    """How far off each labelled image is: the distance, or 1 - the probability of the label; float64 [N]."""
    labels, predictions = context.labelled(_row(context, name), name, context.first_seed)
    return kind_of(context.tasks[name]).misses(labels, predictions)


def _tiles(context: Context, name: str, indices: np.ndarray, pixels: Pixels) -> list[Tile]:
    images = context.images(_row(context, name), name, context.first_seed)
    others = {
        row: context.images(row, name, context.first_seed).set_index(["source", "image"])
        for row in context.rows_of(name)
    }
    tiles = []
    for index in indices:
        image = images.iloc[int(index)]
        key = (str(image["source"]), str(image["image"]))
        lines = [Cell("label", _shown(context, name, image, label=True))]
        lines += [
            Cell(row.variant, _shown(context, name, frame.loc[[key]].iloc[0]))
            for row, frame in others.items()
            if key in frame.index
        ]
        alt = f"Test image {key[1]}: {', '.join(f'{line.text} {line.small}' for line in lines)}"
        tiles.append(Tile(_data_uri(pixels[key]) if key in pixels else "", alt, lines))
    return tiles


def _shown(context: Context, name: str, image: pd.Series, *, label: bool = False) -> str:
    """A label or a prediction, with the probability of the predicted class."""
    text, share = kind_of(context.tasks[name]).cell(
        {str(column): value for column, value in image.items()}, label=label
    )
    return f"{text} {wording.percent(share, 0)}" if share is not None else text or wording.NONE


def _data_uri(image: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image, np.uint8)).resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(
        buffer, "JPEG", quality=80
    )
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _net(context: Context, row: Row) -> str:
    """The net's layers as an SVG data URI. Raises ImportError where Graphviz or pydot isn't there."""
    if shutil.which("dot") is None:
        raise ImportError("install Graphviz (on Debian: apt install graphviz) and pydot (pip install pydot)")
    try:
        import pydot  # noqa: F401
    except ImportError:
        raise ImportError("install pydot (pip install pydot)") from None
    run = context.results.cell(row, context.first_seed).run
    if not run.model_path.is_file():
        raise UserError(f"{run.model_path} is not there")
    import keras

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "net.svg"
        keras.utils.plot_model(run.load_model(), str(path), show_shapes=True, show_layer_names=True, dpi=54)
        return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
