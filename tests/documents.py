"""The commands that users read: in README, docs, docstrings, scripts, and comments of files."""

from __future__ import annotations

import ast
import pathlib
import re
import shlex
import textwrap
from collections.abc import Iterator

from helpers import ROOT

PAGES = ("README.md", "CONTRIBUTING.md", "docs/*.md", "docs/results/*.md", "saved_models/README.md")
PROGRAMS = (
    r"(?:KERAS_MTL_DATA=\S+ )?"
    r"(?:python |\./run\.sh|pip |tensorboard |docker |export |find |curl |source \S+/activate|\.venv/bin/)"
)


def page_blocks(page: pathlib.Path) -> list[str]:
    """The indented blocks of a Markdown page, dedented."""
    blocks: list[list[str]] = [[]]
    for line in page.read_text().splitlines():
        if line.startswith("    "):
            blocks[-1].append(line[4:])
        elif blocks[-1]:
            blocks.append([])
    return ["\n".join(block) for block in blocks if block]


def fenced(page: pathlib.Path, language: str = "") -> list[str]:
    """The fenced blocks of a Markdown page in a language, dedented."""
    found = re.findall(r"(?ms)^ *```(\w*)\n(.*?)^ *```$", page.read_text())
    return [textwrap.dedent(block) for its_language, block in found if its_language == language]


def commands_of(text: str, beginning: str = PROGRAMS) -> Iterator[str]:
    """The commands in a text, one a line, without continuation, comment, and what a docstring says beside them."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if re.match(beginning, line.strip()):
            yield re.split(r"\s{2,}|\s#\s|\. (?=[A-Z])", line.strip())[0]


def inline_commands(text: str) -> Iterator[str]:
    """The commands between backticks in the sentences of a page or docstring."""
    for quoted in re.findall(r"(?<!`)`([^`]+)`(?!`)", text):
        if re.match(PROGRAMS, " ".join(quoted.split())):
            yield " ".join(quoted.split())


def all_commands() -> dict[str, list[str]]:
    """By file, every command that it tells of, in order."""
    found = {}
    for pattern in PAGES:
        for page in sorted(ROOT.glob(pattern)):
            text = page.read_text()
            # All that is indented is a command, or a task file.
            blocks = [
                line for block in page_blocks(page) if block[:7] != "- name:" for line in commands_of(block, r"\S")
            ]
            sentences = re.sub(r"(?ms)^    .*?$|^ *```.*?^ *```$", "", text)
            found[str(page.relative_to(ROOT))] = blocks + fenced(page) + list(inline_commands(sentences))
    for pattern in ("keras_mtl/**/*.py", "docs/*.py", "benchmarks/*.py"):
        for path in sorted(ROOT.glob(pattern)):
            text = ast.get_docstring(ast.parse(path.read_text())) or ""
            found[str(path.relative_to(ROOT))] = [*commands_of(text), *inline_commands(text)]
    found["run.sh"] = run_sh_commands()
    for name in ("compose.yaml", "Dockerfile", "saved_models/README.md", "constraints.txt"):
        comments = re.sub(r"(?m)^(?!#).*$", "", (ROOT / name).read_text())
        found.setdefault(name, []).extend(commands_of(re.sub(r"(?m)^#\s*", "", comments)))
    return {name: commands for name, commands in found.items() if commands}


def run_sh_commands() -> list[str]:
    """What `./run.sh` runs, and then says may come next, for its run."""
    text = (ROOT / "run.sh").read_text().replace(".venv/bin/python -m keras_mtl", "python -m keras_mtl")
    return list(commands_of(text.replace("$name", "drawn")))


def words_of(command: str) -> Iterator[list[str]]:
    """The words of each program that a command line runs, without assignments in front of it."""
    for part in re.split(r" && | \| ", command):
        words = shlex.split(part)
        while re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        yield words
