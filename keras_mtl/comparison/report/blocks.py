"""What a report is made of: sections, and in them texts, tables, figures and pictures. The template draws each kind."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

_NUMBERS: Iterator[int] = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclasses.dataclass(frozen=True)
class Note:
    """A paragraph that a reader must not miss."""

    kind: ClassVar[str] = "note"
    text: str


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclasses.dataclass(frozen=True)
class List:
    """A list of sentences, with a title where it has one."""

    kind: ClassVar[str] = "list"
    items: Sequence[str]
    title: str = ""


@dataclasses.dataclass(frozen=True)
class Code:
    """Command lines, or other text to be copied."""

    kind: ClassVar[str] = "code"
    text: str


@dataclasses.dataclass(frozen=True)
class Cell:
    """A table's cell.

    Attributes:
        text: what stands there.
        small: a second line, smaller.
        look: classes of the style sheet: "", "better", "worse", "same", "few" or "best".
    """

    text: str
    small: str = ""
    look: str = ""


@dataclasses.dataclass(frozen=True)
class HtmlTable:
    """A table.

    Attributes:
        caption: what it shows.
        head: the columns' titles; a second line behind a line break.
        rows: cells; the first one is the row's title.
        words: the indices of further columns that hold words and not numbers.
    """

    kind: ClassVar[str] = "table"
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    words: Sequence[int] = ()

    def cells(self, row: Sequence[Cell | str]) -> list[Cell]:
        return [cell if isinstance(cell, Cell) else Cell(cell) for cell in row]


@dataclasses.dataclass(frozen=True)
class LegendEntry:
    """A line of a legend, which shows and hides the traces whose legendgroup is `group`."""

    group: str
    title: str
    colour: str
    dash: str


@dataclasses.dataclass(frozen=True)
class Figure:
    """A plot.

    Attributes:
        title: stands above it.
        description: what is to be seen, for those who don't see it.
        plot: a `plotly.graph_objects.Figure`.
        legend: its lines, below it.
        caption: stands below the plot.
    """

    kind: ClassVar[str] = "figure"
    title: str
    description: str
    plot: Any
    legend: Sequence[LegendEntry] = ()
    caption: str = ""
    key: str = dataclasses.field(default_factory=lambda: f"figure-{next(_NUMBERS)}")

    @property
    def height(self) -> int:
        """Pixels."""
        return self.plot.layout.height

    @property
    def json(self) -> str:
        """Data and layout, safe inside of a script element."""
        return re.sub("<", r"\\u003c", self.plot.to_json())


@dataclasses.dataclass(frozen=True)
class Panels:
    """Figures beside each other, as many as there is room for, with one legend; `narrowest` is in pixels."""

    kind: ClassVar[str] = "panels"
    figures: Sequence[Figure]
    legend: Sequence[LegendEntry] = ()
    caption: str = ""
    narrowest: int = 250


@dataclasses.dataclass(frozen=True)
class Tile:
    """A small picture with a few lines below it; `uri` is a data URI."""

    uri: str
    alt: str
    lines: Sequence[Cell]


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Small pictures beside each other."""

    kind: ClassVar[str] = "gallery"
    caption: str
    tiles: Sequence[Tile]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A large picture, which scrolls in its own box."""

    kind: ClassVar[str] = "picture"
    uri: str
    alt: str


@dataclasses.dataclass(frozen=True)
class Details:
    """Blocks that are shown on demand."""

    kind: ClassVar[str] = "details"
    summary: str
    blocks: Sequence[Any]


@dataclasses.dataclass(frozen=True)
class Section:
    """A section with its place in the table of contents."""

    key: str
    title: str
    blocks: Sequence[Any]
