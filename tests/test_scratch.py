"""What is half made goes with its process, however that ends, and never with another's."""

import errno
import os
import signal
import subprocess
import sys

import pytest
from helpers import ROOT, heed_interrupts

from keras_mtl import locks
from keras_mtl.files import replacing, write_json
from keras_mtl.scratch import _swept

WRITES = """
import pathlib, sys, time
from keras_mtl import files, scratch
from keras_mtl.serving.versions import add_version

path = pathlib.Path(sys.argv[1])

def half(beside):
    beside.mkdir()
    (beside / "half").write_bytes(bytes(100_000))
    print("half", flush=True)
    time.sleep(60)

def of_file():
    with files.replacing(path / "model.keras") as beside:
        beside.write_bytes(bytes(100_000))
        print("half", flush=True)
        time.sleep(60)

def of_folder():
    with files.replacing(path / "logs") as beside:
        half(beside)

def of_version():
    add_version(path, half)

def between():
    pathlib.Path.replace = lambda made, target: half(made.with_name("stopped"))
    with files.replacing(path / "logs") as beside:
        beside.mkdir()
        (beside / "new").touch()

globals()[sys.argv[2]]()
"""


def killed(folder, what, *, before=lambda: None, end=signal.SIGKILL):
    """A process that was killed while it wrote to a folder."""
    command = [sys.executable, "-c", WRITES, folder, what]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, preexec_fn=heed_interrupts) as process:
        assert process.stdout.readline() == b"half\n"
        before()
        process.send_signal(end)


def write_there(folder):
    """As the next command does, in a process of its own."""
    _swept.clear()
    write_json(folder / "metrics.json", {})


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("what", ["of_file", "of_folder", "of_version"])
def test_what_a_killed_process_left_is_swept_by_the_next_that_writes_there_and_a_living_ones_stays(what, tmp_path):
    def stays():
        before = tree(tmp_path)
        write_there(tmp_path)
        assert [name for name in tree(tmp_path) if name != "metrics.json"] == before and len(before) >= 3

    killed(tmp_path, what, before=stays)
    assert any("writing" in name for name in tree(tmp_path))
    write_there(tmp_path)
    assert tree(tmp_path) == ["metrics.json"]


@pytest.mark.parametrize("what", ["of_file", "of_folder", "of_version", "between"])
def test_who_is_stopped_leaves_nothing(what, tmp_path):
    killed(tmp_path, what, end=signal.SIGINT)
    assert tree(tmp_path) == []


def test_of_a_folder_there_is_the_old_or_the_new_wherever_its_writer_was_killed(tmp_path):
    with replacing(tmp_path / "logs") as beside:
        beside.mkdir()
        (beside / "old").touch()
    killed(tmp_path, "of_folder")
    write_there(tmp_path)
    assert tree(tmp_path) == ["logs", "logs/old", "metrics.json"]
    killed(tmp_path, "between")
    write_there(tmp_path)
    assert tree(tmp_path) == ["logs", "logs/new", "metrics.json"]


def test_a_temporary_of_another_program_stays(tmp_path):
    (tmp_path / ".writing-others").mkdir()
    (tmp_path / ".writing-file").touch()
    write_there(tmp_path)
    assert tree(tmp_path) == [".writing-file", ".writing-others", "metrics.json"]


def test_where_there_are_no_locks_all_stay(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    killed(tmp_path, "of_file")
    monkeypatch.setattr(locks.fcntl, "flock", none)
    write_there(tmp_path)
    assert len(list(tmp_path.glob("*/model.keras"))) == 1


def test_what_is_written_is_on_the_disk_before_it_is_renamed(tmp_path, monkeypatch):
    done = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (done.append(os.readlink(f"/proc/self/fd/{file}")), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda made, path: (done.append(str(path)), rename(made, path)))
    with replacing(tmp_path / "logs") as beside:
        beside.mkdir()
        (beside / "one").write_text("1")
    assert [os.path.basename(path) for path in done] == ["one", "logs"]
