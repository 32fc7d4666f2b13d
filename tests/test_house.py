"""How the rooms of the package stand to each other: what imports what."""

import ast
import graphlib
import pathlib

import keras_mtl

PACKAGE = pathlib.Path(keras_mtl.__file__).parent
# From the ground up: nothing imports from a row above its own, in functions neither.
ROWS = (
    ("uncertainty",),
    ("kinds", "tasks", "names", "labels"),
    ("layers",),
    ("heads", "trunks"),
    ("balancing", "weighting_names"),
    ("models",),
    ("training",),
    ("evaluation",),
    ("pruning", "serving"),
    ("comparison",),
)


def modules():
    """By module name its file, `__init__`s under the package's name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports_of(path, known):
    """The package's modules that a file imports, at its top or in a function, but not for types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in known else node.module for name in whole)


def graph():
    files = dict(modules())
    return {name: set(imports_of(path, files)) - {name} for name, path in files.items()}


def test_no_module_imports_itself_by_way_of_others():
    found = graph()
    # The package's own __init__ gives names by which all of it is found, when they are asked for.
    del found["keras_mtl"]
    graphlib.TopologicalSorter({name: targets - {"keras_mtl"} for name, targets in found.items()}).prepare()


def test_rooms_import_from_below():
    row_of = {room: number for number, rooms in enumerate(ROWS) for room in rooms}
    wrong = []
    for name, targets in graph().items():
        room = (*name.split("."), "")[1]
        for target in targets:
            other = (*target.split("."), "")[1]
            if room != other and room in row_of and row_of.get(other, -1) > row_of[room]:
                wrong.append(f"{name} imports {target}")
    assert not wrong
