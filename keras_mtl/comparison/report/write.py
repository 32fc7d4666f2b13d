"""Writes the report: sections into the template, with style, script and plotly.js inside of the one file."""

from __future__ import annotations

import datetime
import importlib.resources
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import keras_mtl
from keras_mtl.comparison.colours import colour_of
from keras_mtl.comparison.report import (
    card,
    classes,
    commands,
    conflict,
    costs,
    curves,
    groups,
    overview,
    pictures,
    predicted_values,
    weightings,
)
from keras_mtl.comparison.report.blocks import Section
from keras_mtl.comparison.report.context import Context
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.table import Table
from keras_mtl.files import replacing

if TYPE_CHECKING:
    from keras_mtl.models.cost import Cost


def write_report(
    results: Results,
    table: Table,
    costs: Mapping[str, Cost],
    path: str | pathlib.Path,
    *,
    with_pictures: bool = True,
) -> None:
    """Writes a comparison as one HTML file that needs nothing else: no network, no other file.

    Args:
        results: a finished comparison.
        table: as `build_table` gives.
        costs: by `Row.key`, as `measure_costs` gives; may be empty.
        path: the file.
        with_pictures: whether test images are shown; leave them out of what is to be published.
    """
    context = Context(results, table, costs)
    page = render(context, sections(context, with_pictures=with_pictures))
    with replacing(path) as beside:
        beside.write_text(page, encoding="utf-8")


def sections(context: Context, *, with_pictures: bool = True) -> list[Section]:
    """The report's sections in their order; those that have nothing to show are left out."""
    found = [
        overview.section(context),
        weightings.section(context),
        curves.section(context),
        conflict.section(context),
        predicted_values.section(context),
        classes.section(context),
        groups.section(context),
        costs.section(context),
        pictures.section(context) if with_pictures else None,
        pictures.nets(context),
        commands.section(context),
        card.section(context),
    ]
    return [section for section in found if section]


def render(context: Context, found: list[Section]) -> str:
    """The page."""
    import jinja2
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_mtl.comparison.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    rows = context.results.nets
    return environment.get_template("report.html").render(
        title=f"Comparison {context.results.config.name}",
        sections=found,
        style=_file("style.css"),
        script=_file("theme.js"),
        plotly=get_plotlyjs(),
        dark={colour_of(row, rows): colour_of(row, rows, dark=True) for row in rows},
        version=keras_mtl.__version__,
        written=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _file(name: str) -> str:
    return (importlib.resources.files("keras_mtl.comparison.report") / "templates" / name).read_text("utf-8")
