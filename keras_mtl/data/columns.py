"""Which columns of a table hold what: `PATH?image=TEMPLATE&age=COLUMN&…`, and image names out of templates."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import unquote, urlsplit

from keras_mtl.errors import UserError
from keras_mtl.files import shortened
from keras_mtl.values import shown

OPTIONAL = ("split", "identity", "group")
"""What a table may hold besides images and labels, in columns of these names unless an option names others."""

_FIELD = re.compile(r"\{([^{}]+)\}")
_PARTS = ("name", "stem", "suffix")

Options = Mapping[str, Sequence[str]]


@dataclasses.dataclass(frozen=True)
class Columns:
    """Which columns of one table hold what.

    Args:
        image: a column of file names, or a template of them such as `photos/{user}/{url.name}`.
        labels: {task: column}.
        split, identity: columns, empty where there is none.
        groups: columns that tell groups of people to evaluate by, each a kind of group.
    """

    image: str
    labels: dict[str, str]
    split: str = ""
    identity: str = ""
    groups: tuple[str, ...] = ()

    @classmethod
    def choose(cls, options: Options, tasks: Sequence[str], found: Sequence[str], where: object) -> Columns:
        """The columns that the options ask for; where one doesn't say, the column of the option's own name.

        A column for `split`, `identity` and `group` need not be there, unless an option names it, and is none of
        these where a task has its name.

        Args:
            options: as from `read_options`.
            tasks: names of the wanted tasks.
            found: the table's columns.
            where: the table, for messages.

        Raises:
            UserError: a column that isn't there, or is there twice.
        """
        image = options.get("image", ["image"])[0]
        labels = {task: options.get(task, [task])[0] for task in tasks}
        more = {
            name: list(options.get(name, [name] if name in found else [])) if name not in tasks else []
            for name in OPTIONAL
        }
        wanted = [*fields_of(image, found), *labels.values(), *more["split"], *more["identity"], *more["group"]]
        for column in wanted:
            if found.count(column) != 1:
                number = "no column" if column not in found else "more than one column"
                raise UserError(
                    f"{where} has {number} {column!r}; its columns are: {shortened(', '.join(found), 1000)}"
                )
        return cls(image, labels, "".join(more["split"]), "".join(more["identity"]), tuple(more["group"]))

    def used(self, found: Sequence[str]) -> list[str]:
        """All columns that are read, each once, in the order of `found`."""
        wanted = {*fields_of(self.image, found), *self.labels.values(), self.split, self.identity, *self.groups}
        return [column for column in found if column in wanted]

    def name_image(self, row: Mapping[str, object], split: str) -> str:
        """The image's file name.

        Args:
            row: a record's values by column.
            split: what `{split}` stands for where no column has that name.

        Raises:
            ValueError: a value that the name is made of is missing; or it is an address on the web.
        """
        if "{" not in self.image:
            name = shown(row.get(self.image))
            if not name:
                raise ValueError("no image is named")
            if urlsplit(name).scheme in ("http", "https"):
                raise ValueError(
                    f"{name[:80]!r} is an address, not a file: name the file that it was saved as with "
                    f"image=FOLDER/{{{self.image}.name}}"
                )
            return name
        values = {"split": split, **row}
        return _FIELD.sub(lambda match: _fill(match[1], values), self.image)


def read_options(path: str) -> tuple[str, dict[str, list[str]]]:
    """`PATH?NAME=VALUE&…` in its parts; a character that means something here or on the command line is `%XX`.

    Raises:
        UserError: an option without a value, one but `group` given twice, or a template that isn't closed.

    Example:
        >>> read_options("p.csv?image=photos/{user}/{url.name}&age=Age%2C years")
        ('p.csv', {'image': ['photos/{user}/{url.name}'], 'age': ['Age, years']})
    """
    path, _, text = path.partition("?")
    options: dict[str, list[str]] = {}
    for option in filter(None, text.split("&")):
        name, _, value = option.partition("=")
        if not name or not value:
            raise UserError(f"A table's options are NAME=COLUMN with & between them. Received: {option!r}")
        options.setdefault(name, []).append(unquote(value))
        if len(options[name]) > 1 and name != "group":
            raise UserError(f"The option {name!r} is given twice: {text!r}")
    if "{" in _FIELD.sub("", options.get("image", [""])[0]):
        raise UserError(f"image must be a column, or a template such as photos/{{id}}.jpg. Received: {text!r}")
    return path, options


def check_options(options: Iterable[str], tasks: Sequence[str]) -> None:
    """Raises UserError for an option that is none of the entry's tasks and none that every table has."""
    known = (*tasks, "image", *OPTIONAL)
    for name in options:
        if name not in known:
            raise UserError(f"Unknown option {name!r} of a table; known: {', '.join(known)}")


def fields_of(image: str, found: Sequence[str]) -> list[str]:
    """The columns that an image's name is made of; `{split}` needs none."""
    if "{" not in image:
        return [image]
    columns = [_column_and_part(field, found)[0] for field in _FIELD.findall(image)]
    return [column for column in columns if column != "split" or column in found]


def _fill(field: str, values: Mapping[str, object]) -> str:
    column, part = _column_and_part(field, list(values))
    text = shown(values.get(column))
    if not text:
        raise ValueError(f"no image is named: its column {column!r} is empty")
    if not part:
        return text
    path = urlsplit(text).path if "://" in text else text
    return str(getattr(pathlib.PurePosixPath(unquote(path) if "://" in text else path), part))


def _column_and_part(field: str, found: Sequence[str]) -> tuple[str, str]:
    column, _, part = field.rpartition(".")
    return (column, part) if part in _PARTS and column and field not in found else (field, "")
