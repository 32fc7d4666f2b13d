"""Colours and dashes: rows can be told apart, and TensorBoard's groups are the report's colours."""

import itertools
import re
import urllib.parse

import pytest

from keras_mtl.comparison.cells import rows
from keras_mtl.comparison.colours import LIGHT, RUN_GROUPS, UNSEEN, colour_of, dash_of, tensorboard_link
from keras_mtl.comparison.config import VARIANTS, CompareConfig

ALL = rows(CompareConfig())


def contrast(colour: str, ground: str) -> float:
    """WCAG 2.2's contrast ratio."""
    luminances = []
    for text in (colour, ground):
        shares = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        luminances.append(sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), linear, strict=True)) + 0.05)
    return max(luminances) / min(luminances)


@pytest.mark.parametrize("dark", [False, True])
def test_every_row_looks_different_and_those_of_one_task_in_colour_and_dash(dark):
    looks = {(colour_of(row, ALL, dark), dash_of(row, ALL), row.task) for row in ALL}
    assert len(ALL) == 10 and len(looks) == 10
    for one, other in itertools.combinations(ALL, 2):
        if one.task == other.task or None in (one.task, other.task):
            assert colour_of(one, ALL, dark) != colour_of(other, ALL, dark) and dash_of(one, ALL) != dash_of(other, ALL)


@pytest.mark.parametrize("dark, ground", [(False, "#ffffff"), (True, "#121212")])
def test_lines_stand_out_from_the_ground(dark, ground):
    assert all(contrast(colour_of(row, ALL, dark), ground) > 2.4 for row in ALL)
    assert contrast(LIGHT[UNSEEN], "#ffffff") < 2  # why it is left out


def test_colours_go_by_the_variants_that_are_there():
    few = rows(CompareConfig(variants=("single",), tasks=("age", "smile")))
    assert {colour_of(row, few) for row in few} == {LIGHT[0]}


def test_tensorboard_groups_runs_by_variant():
    def group(run):
        return re.match(RUN_GROUPS, run).groups()

    groups = {variant: {group(f"{row.title}/seed0") for row in ALL if row.variant == variant} for variant in VARIANTS}
    assert all(len(found) == 1 for found in groups.values())
    assert len(set.union({group("about")}, *groups.values())) == 5
    for row in ALL:
        assert group(f"{row.title}/seed0") == group(f"{row.title}/seed12/train") == group(f"{row.title}/mean")


def test_the_link_carries_the_groups():
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(tensorboard_link("http://host:1")).query)
    assert query["runColorGroup"] == [f"regex:{RUN_GROUPS}"]
    assert re.search(query["runFilter"][0], "ResNet-18-Age/seed11")
    assert not re.search(query["runFilter"][0], "ResNet-18-Age/seed11/train")
