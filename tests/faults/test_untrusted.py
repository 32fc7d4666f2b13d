"""Files and names that somebody else chose: nothing waits, grows, leaves its folder, or is taken for a formula."""

import os
import resource
import sys
import time
import types

import hypothesis
import hypothesis.strategies as st
import PIL.Image
import pyarrow
import pyarrow.parquet
import pytest

from keras_mtl import cli, formulas
from keras_mtl.audit import AuditConfig
from keras_mtl.audit import main as audit
from keras_mtl.comparison.config import CompareConfig
from keras_mtl.comparison.experiment import compare
from keras_mtl.data.builders.lists import read_rows, read_struct
from keras_mtl.data.clean import read_clean
from keras_mtl.data.faces.journal import Journal
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.tabular import CsvSource
from keras_mtl.errors import UserError
from keras_mtl.files import read_bytes, read_csv, read_json, read_text, short_name, visible_files
from keras_mtl.kinds import kind_of
from keras_mtl.models.keras_files import load_model
from keras_mtl.serving.inputs import find_files, shots
from keras_mtl.serving.reading import read_whole
from keras_mtl.serving.results import Csv, Kept
from keras_mtl.tasks import Task, read_task_file, select_tasks
from keras_mtl.training.config import Config
from keras_mtl.training.run_folder import RunFolder

AGE = select_tasks(["age"])
PAIRS = list(zip("abcdefgh", "bcdefghi", strict=True))


@pytest.fixture(autouse=True)
def little():
    """Two gigabytes more than the process has: what reads without an end fails here, and not the machine."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (2 << 30), before[1]))
    start = time.monotonic()
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
    assert time.monotonic() - start < 10


READERS = {
    "JSON": read_json,
    "a text": read_text,
    "a CSV of ours": lambda path: read_csv(path, ["a"]),
    "a table": lambda path: CsvSource("a", AGE, str(path)),
    "JSON lines": lambda path: parse_sources([f"age=jsonl:{path}"], AGE),
    "parquet": lambda path: parse_sources([f"age=parquet:{path}"], AGE),
    "a task file": read_task_file,
    "a flagfile": lambda path: cli.parse(Config, [f"--flagfile={path}"]),
    "a model": load_model,
    "a list of labels": lambda path: list(read_rows(path, ["a"], ["b"])),
    "a MATLAB file": lambda path: read_struct(path, "a", ["b"]),
    "a journal": Journal,
    "a file to go on with": lambda path: Kept(str(path), {}),
    "metrics": lambda path: RunFolder(path.parent).metrics(),
    "a clean split": lambda path: read_clean(path.parent),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_only_regular_files_are_opened(reader, kind, tmp_path):
    name = {"a file to go on with": "a.csv", "metrics": "metrics.json", "a clean split": "clean.json"}
    path = tmp_path / name.get(reader, "a.keras")
    Kept(str(tmp_path / "a.csv"), {})
    {"pipe": os.mkfifo, "device": lambda path: path.symlink_to("/dev/zero"), "folder": os.mkdir}[kind](path)
    with pytest.raises(UserError, match="Not a regular file|Is a directory|a directory"):
        READERS[reader](path)


def test_photos_and_videos_are_regular_files(tmp_path):
    for name in ("a.jpg", "b.mp4"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    with open(tmp_path / "large.jpg", "wb") as file:
        file.truncate(1 << 40)
    names = [str(path) for path in sorted(tmp_path.iterdir())] + ["/dev/stdin", "http://localhost/a.mp4", "a\0.jpg"]
    looks = [read_whole(shot) for shot in shots(names, 1.0)]
    assert [look.error.split(",")[0] for look in looks] == [
        *("Not a regular file", "Not a regular file", "It has 1", "Not a regular file", "Not a regular file"),
        *(looks[5].error, "No such file or directory", "embedded null byte"),
    ]


def test_a_file_is_read_to_its_bound(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(OSError, match="It has 5 bytes, and at most 4 are read"):
        read_bytes(path, 4)
    for reader in ("JSON", "a task file", "a flagfile", "a text"):
        with open(path, "wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(UserError, match="at most .* are read"):
            READERS[reader](path)


def test_a_line_without_an_end_is_one_bad_record(tmp_path):
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with open(tmp_path / "a.csv", "w") as file:
        file.write("image,age\na.png,3\n")
        file.write("x" * (40 << 20))
        file.write("\na.png,4\n")
    records = CsvSource("a", AGE, str(tmp_path / "a.csv")).records("train")
    assert records.labels["age"].tolist() == [3, 4] and "line 3 is not a CSV" in records.bad[0].reason
    lines = ['{"image": "a.png", "age": 3}', "[" * (40 << 20), '{"image": "a.png", "age": 4}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    records = parse_sources([f"age=jsonl:{tmp_path}/a.jsonl"], AGE)[0].records("train")
    assert records.labels["age"].tolist() == [3, 4] and records.bad[0].reason == "line 2 is not a JSON object"


def test_a_bad_row_of_a_parquet_file_is_one_bad_record(tmp_path):
    rows = [b"a.png", b"\xff.png", b"b.png"]
    images = pyarrow.Array.from_buffers(pyarrow.string(), 3, pyarrow.array(rows, pyarrow.binary()).buffers())
    pyarrow.parquet.write_table(pyarrow.table({"image": images, "age": [1, 2, 3]}), tmp_path / "a.parquet")
    records = parse_sources([f"age=parquet:{tmp_path}/a.parquet"], AGE)[0].records("train")
    assert records.images == ["a.png", "b.png"] and "line 2 can't be read" in records.bad[0].reason
    whole = (tmp_path / "a.parquet").read_bytes()
    for damaged in (b"", whole[:50], whole[:4] + bytes(80) + whole[84:], whole[:-1], whole[::-1]):
        (tmp_path / "a.parquet").write_bytes(damaged)
        with pytest.raises(UserError, match=r"a\.parquet"):
            parse_sources([f"age=parquet:{tmp_path}/a.parquet"], AGE)[0].records("train")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in PAIRS),
        "- &a {k: v}\n" + "".join(f"- &{b} {{<<: [{','.join([f'*{a}'] * 9)}]}}\n" for a, b in PAIRS),
        "- &a {name: *a}\n",
        "- &a\n  <<: *a\n",
    ],
)
def test_aliases_of_yaml_are_counted_as_what_they_stand_for(text, tmp_path):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError, match=r"holds more than 100,000 values|inside itself"):
        read_task_file(tmp_path / "a.yaml")


def test_an_alias_that_is_meant_well(tmp_path):
    (tmp_path / "a.yaml").write_text("- &a {name: a, kind: binary, classes: [x, y]}\n- {<<: *a, name: b}\n")
    assert [task.classes for task in read_task_file(tmp_path / "a.yaml").values()] == [("x", "y"), ("x", "y")]


def test_flagfiles_that_name_each_other(tmp_path):
    for number in range(20):
        (tmp_path / str(number)).write_text(f"--flagfile={tmp_path}/{number + 1}\n" * 2)
    (tmp_path / "20").touch()
    with pytest.raises(UserError, match="More than 100 flagfiles"):
        cli.parse(Config, [f"--flagfile={tmp_path}/0"])
    (tmp_path / "a").write_text(f"--flagfile={tmp_path}/./a\n")
    with pytest.raises(UserError, match="is read by itself"):
        cli.parse(Config, [f"--flagfile={tmp_path}/a"])


def test_names_on_stdin_have_an_end(monkeypatch):
    with open("/dev/zero", "rb") as zeros:
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=zeros))
        with pytest.raises(UserError, match="A line on stdin has 65,536 bytes or more"):
            find_files(["-"])


NAMES = ("../x", "/tmp/x", "a/../../x", "..", ".", "link", "link/x", "a\0b")


@pytest.mark.parametrize("name", NAMES)
def test_names_stay_in_their_folder(name, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (work / "link").symlink_to(tmp_path / "elsewhere")
    for run in (
        lambda: Config(workdir=str(work), name=name).run_path,
        lambda: compare(CompareConfig(workdir=str(work), name=name)),
        lambda: audit(AuditConfig(workdir=str(work), audit_name=name)),
    ):
        with pytest.raises(UserError, match="which it can't leave|leads out of"):
            run()
    assert not any((tmp_path / "elsewhere").iterdir()) and [path.name for path in work.iterdir()] == ["link"]


def test_names_below_a_folder_and_folders_that_are_links(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "work")
    for work in ("work", "linked"):
        assert Config(workdir=str(tmp_path / work), name="a/b").run_path == tmp_path / work / "a" / "b"


@hypothesis.given(st.text(max_size=300))
def test_a_short_name_is_one_part_of_a_path(name):
    short = short_name(name)
    assert "/" not in short and short not in (".", "..") and len(short.encode()) <= 160


def test_a_nul_in_a_flag_is_told():
    for config, argument in ((Config, "name"), (Config, "sources"), (CompareConfig, "workdir")):
        with pytest.raises(UserError, match=f"--{argument} holds a NUL"):
            cli.parse(config, [f"--{argument}=a\0b"])
    with pytest.raises(UserError, match="not a whole number"):
        cli.parse(Config, ["--epochs=1" + "0" * 400])


def test_each_real_folder_is_looked_into_once(tmp_path):
    for name in ("a/x.jpg", "b/y.jpg", "b/c/z.jpg", ".hidden/h.jpg"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "o.jpg").touch()
    photos = tmp_path / "photos"
    (photos / "a" / "above").symlink_to(photos)
    (photos / "a" / "b").symlink_to(photos / "b")
    (photos / "b" / "itself").symlink_to(".")
    (photos / "more").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "back").symlink_to(photos)
    (photos / "gone").symlink_to("nowhere")
    (photos / "y.jpg").symlink_to("b/y.jpg")
    assert visible_files(photos) == ["a/x.jpg", "b/c/z.jpg", "b/y.jpg", "gone", "more/o.jpg", "y.jpg"]
    assert visible_files(photos, recursive=False) == ["gone", "y.jpg"]
    assert visible_files(tmp_path / "none") == []
    found = find_files([f"{photos}/**/*.jpg"])
    assert [os.path.relpath(path, photos) for path in found] == [
        "a/x.jpg",
        "b/c/z.jpg",
        "b/y.jpg",
        "more/o.jpg",
        "y.jpg",
    ]
    assert len(find_files([str(photos)], recursive=True)) == 5


@hypothesis.given(st.text(st.sampled_from("'=+-@1a.e \uff1d")) | st.text())
def test_a_cell_reads_back_unchanged_and_is_no_formula(text):
    cell = formulas.quoted(text)
    assert formulas.unquoted(cell) == text
    assert cell[:1] not in ("=", "@") and (cell[:1] not in ("+", "-") or float(cell) is not None)


def test_what_people_name_comes_through_our_csvs(tmp_path):
    names = ["=cmd|' calc'!A0.png", "@a.png", "-b.png", "+c.png", "'=d.png", "\t=e.png", "plain.png"]
    lines = ["image,age,identity,group"]
    for number, name in enumerate(names):
        PIL.Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / name)
        lines.append(f'"{formulas.quoted(name)}",{number},=person {number},-group')
    (tmp_path / "a.csv").write_text("\n".join(lines))
    records = CsvSource("a", AGE, str(tmp_path / "a.csv")).records("train")
    assert records.images[:5] == names[:5] and records.identities[0] == "=person 0"
    assert set(records.groups["group"]) == {"-group"}


def test_predictions_of_files_with_such_names(tmp_path):
    path = tmp_path / "out.csv"
    kept = Kept(str(path), {})
    with kept.open() as file:
        writer = Csv({"smile": kind_of(Task("smile", "binary", classes=("=yes", "-no")))}, file)
        writer.begin()
        for name in ("=a.jpg", "-b.jpg", "c.jpg"):
            entry = {"image": name, "smile": "=yes", "smile_probabilities": {"=yes": 0.9, "-no": 0.1}}
            writer.write([entry, {"image": name, "error": "=x"}])
    assert "'=a.jpg,,,,,,,,'=yes,0.9,0.1," in path.read_text() and ",'=x\n" in path.read_text()
    assert Kept(str(path), {}).done == {("=a.jpg", None), ("-b.jpg", None)}
