"""`--sources` read into sources: names, tasks, kinds, errors; and that it needs no TensorFlow."""

import subprocess
import sys

import pytest

from keras_mtl import tasks
from keras_mtl.data.sources import KINDS, parse_sources
from keras_mtl.tasks import Task

ALL = tasks.select_tasks(["age", "gender", "smile"])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder with one usable thing of each kind; the environment names none."""
    monkeypatch.delenv("KERAS_MTL_DATA", raising=False)
    (tmp_path / "people.csv").write_text("image,age,gender,smile\na.jpg,30,male,1\n")
    (tmp_path / "UTKFace").mkdir()
    for part in ("positives", "negatives"):
        (tmp_path / "SMILEs" / part).mkdir(parents=True)
    (tmp_path / "GENKI" / "files").mkdir(parents=True)
    (tmp_path / "GENKI" / "labels.txt").write_text("1 0 0 0\n")
    return tmp_path


def test_sources_are_named_after_kind_and_tasks_and_numbered_where_alike(folder):
    entries = ["age+gender=utkface:UTKFace", "smile=smiles:SMILEs", "smile=genki4k:GENKI"]
    entries += ["age+smile=csv:people.csv", "age+smile=csv:people.csv"]
    sources = parse_sources(entries, ALL, folder)
    assert [source.name for source in sources] == [
        "utkface_age_gender",
        "smiles_smile",
        "genki4k_smile",
        "csv_age_smile",
        "csv_age_smile_2",
    ]
    assert [source.tasks for source in sources][0] == ("age", "gender")
    assert all(source.licence and source.description and not source.drawn for source in sources)


def test_the_group_drawn_is_three_sources_of_one_task_each():
    sources = parse_sources(["drawn"], ALL)
    assert [(source.name, source.tasks, source.drawn) for source in sources] == [
        (f"drawn_{task}", (task,), True) for task in ALL
    ]


def test_what_is_not_wanted_is_dropped_and_names_stay(folder):
    entries = ["age+gender=utkface:UTKFace", "smile=smiles:no/such/folder"]
    sources = parse_sources(entries, tasks.select_tasks(["gender"]), folder)
    assert [(source.name, source.tasks) for source in sources] == [("utkface_age_gender", ("gender",))]


def test_relative_paths_start_at_data_dir_else_the_environment_else_here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert parse_sources(["age=csv:people.csv"], tasks.select_tasks(["age"]))
    monkeypatch.chdir("/")
    monkeypatch.setenv("KERAS_MTL_DATA", str(folder))
    assert parse_sources(["age=csv:people.csv"], tasks.select_tasks(["age"]))
    monkeypatch.setenv("KERAS_MTL_DATA", "/nowhere")
    assert parse_sources(["age=csv:people.csv"], tasks.select_tasks(["age"]), folder)
    assert parse_sources([f"age=csv:{folder}/people.csv"], tasks.select_tasks(["age"]))


def test_a_folder_that_is_named_as_a_published_set_is_read_as_a_folder(folder):
    (folder / "utkface").symlink_to(folder / "UTKFace")
    (found,) = parse_sources(["age=utkface:utkface"], tasks.select_tasks(["age"]), folder)
    assert type(found) is KINDS["utkface"]


@pytest.mark.parametrize(
    "entries, words",
    [
        (["age"], r"TASK\[\+TASK...\]=KIND:PATH or one of drawn. Received: 'age'"),
        (["age=csv"], "Received: 'age=csv'"),
        (["=csv:people.csv"], "Received: '=csv:people.csv'"),
        (["age=tfrecord:x"], "Unknown kind of source 'tfrecord'.*csv, drawn, genki4k, jsonl, parquet, shards, smiles"),
        (["age+age=csv:people.csv"], "names a task twice"),
        (["smile=utkface:UTKFace"], "A utkface source labels age and gender, not 'smile'"),
        (["age=smiles:SMILEs"], "A smiles source labels smile, not 'age'"),
        (["age=csv:people.csv"], "No source labels the task 'gender'. Received: age=csv:people.csv"),
        ([], "No source labels the task 'age'. Received: no source"),
        (["age=csv:none.csv"], "Source csv_age: no file 'none.csv'; looked from --data_dir=.*"),
        (
            ["age=csv:none_{split}.csv"],
            r"no file 'none_\{split\}.csv' \(\{split\} is train, validation, test\); looked",
        ),
        (["age=utkface:none"], "no folder 'none'; looked from --data_dir="),
        (["age=utkface:people.csv"], "'people.csv' is not a folder"),
        (["smile=smiles:UTKFace"], "there is no 'negatives' in the folder 'UTKFace'"),
        (["smile=genki4k:SMILEs"], "there is no 'labels.txt' in the folder 'SMILEs'"),
    ],
)
def test_wrong_entries_get_one_clear_line(entries, words, folder):
    with pytest.raises(ValueError, match=words) as caught:
        parse_sources(entries, ALL, folder)
    assert "\n" not in str(caught.value)


def test_a_missing_path_tells_where_it_was_looked_for(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(ValueError, match=f"from the working directory {folder}, since --data_dir and KERAS_MTL_DATA"):
        parse_sources(["age=csv:none.csv"], tasks.select_tasks(["age"]))
    monkeypatch.setenv("KERAS_MTL_DATA", str(folder))
    with pytest.raises(ValueError, match=f"looked from KERAS_MTL_DATA={folder}"):
        parse_sources(["age=csv:none.csv"], tasks.select_tasks(["age"]))
    with pytest.raises(ValueError, match="--data_dir must be a folder that exists. Received: '/nowhere'"):
        parse_sources(["age=csv:people.csv"], tasks.select_tasks(["age"]), "/nowhere")


def test_a_declared_task_can_come_from_a_csv(folder):
    emotion = Task("emotion", "multiclass", classes=("angry", "happy", "calm"))
    (folder / "emotion.csv").write_text("image,emotion\na.jpg,happy\n")
    (source,) = parse_sources(["emotion=csv:emotion.csv"], {"emotion": emotion}, folder)
    assert source.records("train").labels["emotion"].tolist() == [1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_tells_its_licence_and_what_it_is(kind):
    assert KINDS[kind].licence and KINDS[kind].description


def test_reading_sources_imports_no_tensorflow():
    code = (
        "import sys; from keras_mtl import tasks; from keras_mtl.data.sources import parse_sources;"
        "parse_sources(['drawn'], tasks.select_tasks(['age']));"
        "print('tensorflow' in sys.modules, 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "False"], done.stderr
