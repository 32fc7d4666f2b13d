"""One writer at a time, whatever becomes of it; who reads is not held up."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import ROOT, held

from keras_mtl import locks
from keras_mtl.errors import UserError
from keras_mtl.locks import LOCK, only_writer


@pytest.mark.parametrize("name", ["", "ages.csv"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_second_writer_is_told_whose_turn_it_is_and_takes_over_from_a_dead_one(name, end, tmp_path):
    with held(tmp_path, name) as process:
        with (
            pytest.raises(
                UserError, match=rf"process {process.pid} on .* is writing to {tmp_path / name}: wait"
            ) as told,
            only_writer(tmp_path, name),
        ):
            raise AssertionError("both wrote")
        assert "\n" not in str(told.value)
        (tmp_path / "other").touch()  # Whoever does not ask is not held up.
        process.send_signal(end)
        process.wait()
    with only_writer(tmp_path, name):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_the_files_of_a_folder_have_locks_of_their_own(tmp_path):
    with held(tmp_path, "one"), only_writer(tmp_path), only_writer(tmp_path, "other"):
        assert {path.name for path in tmp_path.iterdir()} == {LOCK, f"{LOCK}-one", f"{LOCK}-other"}


def test_folders_are_made_and_go_again_where_nothing_was_written(tmp_path):
    with only_writer(tmp_path / "runs" / "a"):
        pass
    assert not (tmp_path / "runs").exists()
    with only_writer(tmp_path / "runs" / "a"):
        (tmp_path / "runs" / "a" / "flags.txt").touch()
    assert [path.name for path in (tmp_path / "runs" / "a").iterdir()] == ["flags.txt"]


def test_a_folder_by_another_name_is_the_same_one(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with held(tmp_path / "real"), pytest.raises(UserError, match="is writing to"), only_writer(tmp_path / "link"):
        pass


def test_who_waits_gets_it_when_the_other_has_ended(tmp_path):
    with held(tmp_path, "metrics.json") as process:
        os.kill(process.pid, signal.SIGSTOP)
        waiting = subprocess.Popen([sys.executable, "-c", WAIT, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
        assert waiting.stdout.readline() == b"asking\n"
        time.sleep(0.2)
        assert waiting.poll() is None
        process.kill()
        assert waiting.communicate(timeout=20)[0] == b"held\n"


WAIT = """
import sys
from keras_mtl.locks import only_writer
print("asking", flush=True)
with only_writer(sys.argv[1], "metrics.json", wait=True):
    print("held", flush=True)
"""

COUNT = """
import pathlib, sys
from keras_mtl.locks import only_writer
path = pathlib.Path(sys.argv[1]) / "count"
for _ in range(200):
    with only_writer(path.parent, "count", wait=True):
        number = int(path.read_text())
        path.write_text(str(number + 1))
"""


def test_no_turn_is_lost_while_lock_files_come_and_go(tmp_path):
    (tmp_path / "count").write_text("0")
    workers = [subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path)], cwd=ROOT) for _ in range(4)]
    assert [worker.wait(timeout=60) for worker in workers] == [0] * 4
    assert (tmp_path / "count").read_text() == "800"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


def test_where_there_are_no_locks_a_warning_says_so(tmp_path, monkeypatch, caplog):
    def none(*_):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(locks.fcntl, "flock", none)
    with only_writer(tmp_path / "a"):
        (tmp_path / "a" / "flags.txt").touch()
    assert "the file system has no locks; see that only one command writes there" in caplog.text
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["flags.txt"]
