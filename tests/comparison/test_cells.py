from __future__ import annotations

import dataclasses

import pytest

from keras_mtl.comparison.cells import Lengths, net_name, plan, rows
from keras_mtl.comparison.config import VARIANTS, CompareConfig
from keras_mtl.data.clean import write_clean
from keras_mtl.errors import UserError
from keras_mtl.training.config import Config

SHARE = {"age": 0.25, "gender": 0.35, "smile": 0.4}


def cells(steps=1000, epochs=10, **settings):
    """The plan of a comparison by run name."""
    planned = plan(CompareConfig(**settings), Lengths(steps, epochs, SHARE))
    return {cell.config.name: cell for cell in planned}


def test_rows_are_those_of_the_seed_and_the_pruned_ones():
    found = rows(CompareConfig())
    assert [row.title for row in found[:4]] == [
        "Multitask-ResNet-18",
        "ResNet-18-Age",
        "ResNet-18-Gender",
        "ResNet-18-Smile",
    ]
    assert [(row.title, row.key) for row in found[4:]] == [
        (f"ResNet-18-{task.capitalize()}{ending}", f"{variant}-{task}")
        for variant, ending in (("pruned", "-Pruned"), ("frozen", "-Pruned-Frozen"))
        for task in ("age", "gender", "smile")
    ]
    assert len({row.key for row in found}) == len(found)


def test_rows_keep_their_order_whatever_the_flags_order():
    some = rows(CompareConfig(variants=("pruned", "single", "multitask"), tasks=("smile", "age")))
    assert [row.key for row in some] == ["multitask", "single-smile", "single-age", "pruned-smile", "pruned-age"]


def test_titles_of_other_nets_and_tasks():
    narrow = CompareConfig(stages=(1, 1, 1, 1), width=16, tasks=("hair_colour",))
    assert net_name(narrow) == "ResNet-10-w16"
    assert rows(narrow)[1].title == "ResNet-10-w16-HairColour"


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        (("multitask", "double"), "--variants takes some of multitask, single, updates, permuted, .*frozen. Received"),
        (("single", "pruned"), "made from multitask"),
        (("frozen",), "made from multitask"),
        (("multitask", "updates"), "updates is a control arm beside single: name that one as well"),
        (("single", "permuted"), "permuted is a control arm beside multitask: name that one as well"),
    ],
)
def test_wrong_variants_are_named(variants, message):
    with pytest.raises(UserError, match=message):
        rows(CompareConfig(variants=variants))


def test_each_row_and_seed_has_a_cell_with_a_folder_of_its_own():
    found = cells(seeds=2, seed=5, workdir="runs", name="faces")
    assert {(cell.row.key, cell.seed) for cell in found.values()} == {
        (row.key, seed) for row in rows(CompareConfig()) for seed in (5, 6)
    }
    assert len(found) == 20 and len({cell.run.path for cell in found.values()}) == 20
    assert str(found["multitask-seed5"].run.path) == "runs/faces/cells/multitask-seed5"
    assert all(cell.config.seed == cell.seed for cell in found.values())
    assert all(type(cell.config) is Config for cell in found.values())


def test_a_cell_comes_after_what_it_needs_and_seeds_are_finished_one_after_another():
    planned = plan(CompareConfig(seeds=3), Lengths(1000, 10, SHARE))
    done = set()
    for cell in planned:
        if cell.config.prune_from:
            assert cell.config.prune_from in done
            assert cell.config.prune_from.endswith(f"multitask-seed{cell.seed}")
        done.add(str(cell.config.run_path))
    assert [cell.seed for cell in planned] == sorted(cell.seed for cell in planned)


def test_the_multitask_net_is_trained_as_the_flags_say():
    config = CompareConfig(epochs=7, heads=("age=dex",), best_by="val_age_mae", mix=("equal",))
    (cell,) = plan(dataclasses.replace(config, seeds=1, variants=("multitask",)), Lengths(70, 7, SHARE))
    differing = {"workdir", "name"}
    for field in dataclasses.fields(Config):
        if field.name not in differing:
            assert getattr(cell.config, field.name) == getattr(config, field.name), field.name


def test_equal_epochs_gives_a_single_net_its_tasks_share_of_the_steps():
    found = cells(seeds=1, budget="epochs")
    assert {name: cell.config.steps for name, cell in found.items() if "single" in name} == {
        "single-age-epochs-seed0": 250,
        "single-gender-epochs-seed0": 350,
        "single-smile-epochs-seed0": 400,
    }


def test_equal_compute_gives_every_net_the_same_steps():
    found = cells(seeds=1, budget="compute")
    assert {cell.config.steps for cell in found.values() if cell.row.task} == {1000}
    assert "single-age-compute-seed0" in found


def test_both_budgets_share_the_multitask_net_and_nothing_else():
    assert set(cells(budget="epochs")) & set(cells(budget="compute")) == {f"multitask-seed{seed}" for seed in range(3)}


@pytest.mark.parametrize("budget", ["epochs", "compute"])
@pytest.mark.parametrize("steps", [3, 10, 97, 1000])
def test_every_net_is_validated_about_as_often(budget, steps):
    for cell in cells(steps=steps, epochs=3, budget=budget).values():
        if cell.row.task:
            assert cell.config.steps >= 1
            epochs = -(-cell.config.steps // cell.config.steps_per_epoch)
            assert 1 <= epochs <= 3


def test_pruned_nets_are_retrained_for_the_share_with_a_learning_rate_of_their_own():
    found = cells(seeds=1, retrain_share=0.1, retrain_learning_rate=1e-5, learning_rate=1e-2, init_from="runs/other")
    for cell in found.values():
        is_retrained = cell.row.variant in ("pruned", "frozen")
        assert cell.config.learning_rate == (1e-5 if is_retrained else 1e-2)
        assert cell.config.freeze == ("trunk" if cell.row.variant == "frozen" else "none")
        assert bool(cell.config.prune_from) == is_retrained
        assert cell.config.init_from == ("" if is_retrained else "runs/other")
    assert found["pruned-age-epochs-seed0"].config.steps == 25
    assert cells(seeds=1, retrain_share=0.01, steps=40)["frozen-age-epochs-seed0"].config.steps == 1


def test_a_net_for_one_task_keeps_what_is_said_of_that_task_only():
    found = cells(
        seeds=1,
        heads=("age=dldl:sigma=3", "smile=softmax"),
        loss_weights=("age=0.2", "gender=2"),
        branch_at=("age:stage4", "smile:stage3"),
        mix=("csv_age=0.5", "csv_smile=0.5"),
        best_by="val_age_mae",
    )
    age, smile = found["single-age-epochs-seed0"].config, found["single-smile-epochs-seed0"].config
    assert (age.tasks, age.heads, age.loss_weights) == (("age",), ("age=dldl:sigma=3",), ("age=0.2",))
    assert (smile.tasks, smile.heads, smile.loss_weights) == (("smile",), ("smile=softmax",), ())
    assert (age.branch_at, smile.branch_at) == (("age:stage4",), ("smile:stage3",))
    assert age.mix == smile.mix == ("size",)
    assert (age.best_by, smile.best_by) == ("val_age_mae", "val_skill")
    for cell in found.values():
        cell.config.selected_tasks(), cell.config.loss_weight_of(), cell.config.branches(), cell.config.mix_of()


@pytest.mark.parametrize("best_by", ["val_skill", "val_loss"])
def test_scores_and_mixes_of_all_tasks_hold_for_every_net(best_by):
    for cell in cells(seeds=1, best_by=best_by, mix=("equal",)).values():
        assert (cell.config.best_by, cell.config.mix) == (best_by, ("equal",))


def test_variants_are_those_of_the_flag():
    assert {row.variant for row in rows(CompareConfig())} == set(VARIANTS)


@pytest.mark.parametrize(("side", "trained_on"), [("test", ""), ("train", "clean")])
def test_a_clean_split_that_leaves_training_alone_takes_nets_trained_as_given(tmp_path, side, trained_on):
    write_clean(tmp_path / "clean", side, [], {})
    planned = cells(clean=str(tmp_path / "clean"))
    expected = str(tmp_path / "clean") if trained_on else ""
    assert {cell.config.clean for cell in planned.values()} == {expected}


ARMS = ("multitask", "single", "updates", "permuted", "retrained", "pruned")


def test_control_arms_differ_from_their_neighbours_in_one_thing():
    found = cells(variants=ARMS, seeds=1, retrain_share=0.5, batch_size=60)
    single, updates = (found[f"{name}-age-epochs-seed0"].config for name in ("single", "updates"))
    assert (updates.steps, updates.batch_size) == (1000, 15) and single.steps * single.batch_size == 1000 * 15
    assert dataclasses.replace(updates, name="", steps=1, steps_per_epoch=1, batch_size=1) == dataclasses.replace(
        single, name="", steps=1, steps_per_epoch=1, batch_size=1
    )
    multitask, permuted = found["multitask-seed0"].config, found["permuted-age-seed0"].config
    assert permuted == dataclasses.replace(multitask, name=permuted.name, permute_labels=("gender", "smile"))
    pruned, retrained = (found[f"{name}-age-epochs-seed0"].config for name in ("pruned", "retrained"))
    assert retrained == dataclasses.replace(pruned, name=retrained.name, prune_from=str(single.run_path))
    assert list(found).index("retrained-age-epochs-seed0") > list(found).index("single-age-epochs-seed0")


def test_control_arms_leave_the_other_cells_as_they_are():
    few, all_ = cells(variants=("multitask", "single", "pruned")), cells(variants=ARMS)
    assert {name: all_[name].config for name in few} == {name: cell.config for name, cell in few.items()}


def test_equal_compute_has_no_arm_of_equal_updates():
    with pytest.raises(UserError, match="updates is for --budget=epochs"):
        rows(CompareConfig(variants=("multitask", "single", "updates"), budget="compute"))
