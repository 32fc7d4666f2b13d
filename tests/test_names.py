"""Names of tasks and classes: those that would mix with others are refused before anything is trained."""

import keras
import pytest

import keras_mtl
from keras_mtl import names
from keras_mtl.comparison.cells import rows
from keras_mtl.comparison.config import CompareConfig
from keras_mtl.data.builders.catalogue import CATALOGUE
from keras_mtl.data.sources import parse_sources
from keras_mtl.errors import UserError
from keras_mtl.evaluation.predictions import predict_split
from keras_mtl.tasks import Task, select_tasks
from keras_mtl.training.config import Config
from keras_mtl.training.tensorboard import by_tag


def declared(**classes):
    return {name: Task(name, "multiclass", classes=labels or ("a", "b")) for name, labels in classes.items()}


@pytest.mark.parametrize(
    "tasks, words",
    [
        (declared(images=()), "'images': a layer of the model"),
        (declared(pool=()), "'pool': a layer"),
        (declared(stem=()), "'stem': a layer"),
        (declared(stage1=()), "'stage1': a layer"),
        (declared(stage12_block1_conv1=()), "a layer"),
        (declared(pixels=()), "a layer"),
        (declared(source=()), "'source': a column of the predictions"),
        (declared(image=()), "a column"),
        (declared(error=()), "a column"),
        (declared(val=()), "figures on validation"),
        (declared(val_age=()), "figures on validation"),
        (declared(_age=()), "begin with _"),
        (declared(mask=("predicted", "seen")), "'mask_predicted' would stand for a class"),
        (declared(eyes=("open", "closed"), eyes_open=("no", "yes")), "'eyes' and 'eyes_open' .* column 'eyes_open'"),
        (declared(eyes=("open_a", "b"), eyes_open=("a", "b")), "column 'eyes_open_a'"),
        (declared(mood=(), mood_class=()), "output 'mood_class'"),
        (declared(mood=(), mood_probabilities=()), "output 'mood_probabilities'"),
        (declared(mood=(), mood_logits=()), "layer 'mood_logits'"),
        ({"age": Task("age", "regression", low=0, high=9), **declared(age_low=())}, "column 'age_low'"),
        (declared(mood=("a", " b")), "without blanks around it"),
        (declared(mood=("a", "")), "without blanks around it"),
        (declared(mood=("a", "b\nc")), "one line"),
    ],
)
def test_names_that_would_mix_are_refused_before_training(tasks, words):
    with pytest.raises(UserError, match=words) as caught:
        select_tasks(list(tasks), tasks)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=words):
        keras_mtl.build_model(tasks)
    with pytest.raises(UserError, match=words):
        predict_split(type("Trained", (), {"tasks": tasks})(), [])


def test_names_that_only_begin_alike_are_taken():
    tasks = declared(eyes=("left", "right"), eyes_open=(), stage_fright=(), valence=(), pool_party=(), sources=())
    assert list(select_tasks(list(tasks), tasks)) == list(tasks)
    assert select_tasks(["age", "age_group", "age_decade"])


def test_every_layer_of_the_trunk_and_of_a_branch_is_known():
    task = Task("mood", "multiclass", classes=("a", "b"))
    for stem in ("imagenet", "small"):
        model = keras_mtl.build_model(
            {"mood": task}, image_size=32, width=8, blocks=(2, 1), stem=stem, hidden=4, dropout=0.5,
            branch_at={"mood": "stage2"},
        )  # fmt: skip
        for layer in model.layers:
            ending = layer.name.removeprefix("mood_")
            if layer.name == "mood" or ending in names.LAYERS:
                continue
            with pytest.raises(UserError, match="a layer of the model"):
                names.check_names({layer.name: Task(layer.name, "binary", classes=("a", "b"))})


def test_each_attribute_of_celeba_is_a_task_and_all_together_too():
    found = declared(**dict.fromkeys(CATALOGUE["celeb_a"].labels, ("no", "yes")))
    assert "5_o_clock_shadow" in select_tasks(list(found), found)
    task = found["5_o_clock_shadow"]
    model = keras_mtl.build_model({task.name: task}, image_size=32, width=8, blocks=(1,))
    assert isinstance(model, keras.Model) and model.output_names == ["5_o_clock_shadow"]


def test_a_figure_is_that_of_the_longest_name_that_it_begins_with():
    figures = {"age_loss": 1, "age_mae": 2, "age_group_loss": 3, "age_group_accuracy": 4, "loss": 5}
    assert by_tag(figures, ["age", "age_group"]) == {
        "age/loss": 1,
        "age/mae": 2,
        "age_group/loss": 3,
        "age_group/accuracy": 4,
        "loss": 5,
    }


@pytest.mark.parametrize(
    "best_by, age, age_group",
    [
        ("val_age_group_accuracy", "val_skill", "val_age_group_accuracy"),
        ("val_age_mae", "val_age_mae", "val_skill"),
        ("val_age_loss", "val_loss", "val_skill"),
        ("val_age_group_loss", "val_skill", "val_loss"),
        ("val_loss", "val_loss", "val_loss"),
        ("val_skill", "val_skill", "val_skill"),
    ],
)
def test_a_single_net_is_chosen_by_its_own_figure(best_by, age, age_group):
    config = Config(tasks=("age", "age_group"), best_by=best_by)
    assert (config.for_tasks(["age"]).best_by, config.for_tasks(["age_group"]).best_by) == (age, age_group)
    assert config.for_tasks(["age_group", "age"]).best_by == best_by


def test_rows_of_tasks_that_read_alike_have_titles_of_their_own():
    titles = [row.title for row in rows(CompareConfig(tasks=("eyes_open", "EyesOpen"), variants=("single",)))]
    assert titles == ["ResNet-18-eyes_open", "ResNet-18-EyesOpen"]


def test_sources_have_different_names_whatever_their_tasks_are_called(tmp_path):
    (tmp_path / "t.csv").write_text("image,age,age_2\na.jpg,1,a\n")
    entries = [f"age=csv:{tmp_path}/t.csv"] * 2 + [f"age_2=csv:{tmp_path}/t.csv"] * 2
    found = parse_sources(entries, {**select_tasks(["age"]), **declared(age_2=())})
    assert [source.name for source in found] == ["csv_age", "csv_age_2", "csv_age_2_2", "csv_age_2_3"]
