"""The entries of --weightings: what they mean, what they are called, and the cells that they make."""

import pytest
from comparison.test_cells import SHARE

from keras_mtl.comparison.cells import Lengths, plan, rows
from keras_mtl.comparison.colours import NET_GROUPS, colour_of, dash_of, run_groups
from keras_mtl.comparison.config import CompareConfig
from keras_mtl.comparison.weightings import expand, key_of, title_of, with_weighting
from keras_mtl.errors import UserError
from keras_mtl.training.config import Config

LENGTHS = Lengths(100, 5, SHARE)


def cells(**settings):
    return {cell.config.name: cell for cell in plan(CompareConfig(seeds=1, **settings), LENGTHS)}


@pytest.mark.parametrize(
    ("entry", "key", "title"),
    [
        ("ew", "ew", "EW"),
        ("nash_mtl", "nash_mtl", "Nash-MTL"),
        ("cagrad:c=0.4", "cagrad-c=0.4", "CAGrad c=0.4"),
        ("ew:weights=2/1/0", "ew-weights=2-1-0", "EW weights=2:1:0"),
        ("ew@batch_statistics=source", "ew-batch_statistics=source", "EW batch_statistics=source"),
    ],
)
def test_keys_are_fit_for_files_and_titles_for_readers(entry, key, title):
    assert (key_of(entry), title_of(entry)) == (key, title)


def test_an_entry_sets_the_weighting_and_other_flags_of_a_training():
    config = with_weighting(Config(), "cagrad:c=0.4@batch_statistics=joint@learning_rate=0.01@early_stopping=true")
    assert config.weighting == "cagrad:c=0.4" and config.batch_statistics == "joint"
    assert config.learning_rate == 0.01 and config.early_stopping is True


def test_a_sweep_is_ew_with_every_weight_of_the_grid():
    found = expand(("uw", "sweep:2@mix=equal"), 2)
    assert found == ("uw", "ew:weights=2/0@mix=equal", "ew:weights=1/1@mix=equal", "ew:weights=0/2@mix=equal")
    assert len(expand(("sweep:4",), 3)) == 15


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weightings": ("ew", "nothing")}, "Unknown weighting 'nothing'; known weightings: ew, uw"),
        ({"weightings": ("cagrad:d=1",)}, "has no setting 'd=1'"),
        (
            {"weightings": ("ew@batch_statistic=source",)},
            "takes WEIGHTING@flag=value with a flag of .*batch_statistics",
        ),
        ({"weightings": ("ew@seed=3",)}, "takes WEIGHTING@flag=value"),
        ({"weightings": ("ew@batch_statistics=some",)}, "batch_statistics"),
        ({"weightings": ("ew", "uw", "ew")}, "names 'ew' more than once"),
        ({"weightings": ("sweep:",)}, "takes sweep:N"),
        ({"weightings": ("ew",), "tasks": ("age",)}, "needs two --tasks or more"),
        ({"weightings": ("ew",), "variants": ("single",)}, "name multitask in --variants"),
    ],
)
def test_mistakes_are_met_before_anything_is_trained(settings, message):
    with pytest.raises(UserError, match=message) as caught:
        rows(CompareConfig(**settings))
    assert "\n" not in str(caught.value)


def test_each_weighting_has_a_row_beside_the_single_nets():
    found = rows(CompareConfig(weightings=("ew", "upgrad"), tasks=("age", "smile")))
    assert [row.key for row in found] == ["multitask-ew", "multitask-upgrad", "single-age", "single-smile"]
    assert found[1].title == "Multitask-ResNet-18 UPGrad" and found[1].weighting == "upgrad"


def test_cells_that_are_trained_without_weightings_are_the_same_with_them():
    plain = cells(variants=("multitask", "single", "pruned"))
    found = cells(weightings=("ew", "uw"), variants=("multitask", "single", "pruned"))
    assert set(found) - set(plain) == {"multitask-uw-seed0"}
    assert {name: found[name].config for name in plain} == {name: cell.config for name, cell in plain.items()}


def test_pruned_nets_come_from_the_first_weighting():
    found = cells(weightings=("uw", "ew"), variants=("multitask", "pruned"), tasks=("age", "smile"))
    pruned = found["pruned-age-uw-epochs-seed0"].config
    assert pruned.prune_from == str(found["multitask-uw-seed0"].config.run_path) and pruned.weighting == "ew"


def test_single_nets_have_none_of_an_entrys_settings():
    found = cells(weightings=("ew@batch_statistics=source", "ew"))
    assert found["multitask-ew-batch_statistics=source-seed0"].config.batch_statistics == "source"
    assert found["multitask-seed0"].config.batch_statistics == "auto"
    assert found["single-age-epochs-seed0"].config.batch_statistics == "auto"


def test_weightings_look_different_from_each_other_and_from_single_nets():
    names = ("ew", "uw", "dwa", "rlw", "gls", "imtl_l", "famo", "stch", "pcgrad", "cagrad", "mgda", "upgrad", "moco")
    found = rows(CompareConfig(weightings=names))
    looks = {(colour_of(row, found), dash_of(row, found)) for row in found if row.weighting}
    singles = {(colour_of(row, found), dash_of(row, found)) for row in found if not row.weighting}
    assert len(looks) == len(names) and len(singles) == 1 and not looks & singles
    assert run_groups(found) == NET_GROUPS
