"""How commands end: one line and the right exit code, whatever happens around them."""

import errno
import os
import signal
import subprocess
import sys

import pytest
from helpers import ROOT, heed_interrupts, run_command

from keras_mtl import ending
from keras_mtl.errors import UserError


def start(*flags, **options):
    command = [sys.executable, "-m", "keras_mtl.train", *flags]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=heed_interrupts, **options)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_during_the_first_imports_it_says_so(tmp_path, number, code):
    (tmp_path / "wrapt.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with start("--epochs=1", stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(number)
        assert process.communicate(timeout=60) == ("", "Stopped.\n") and process.returncode == code


def test_nobody_reads_what_it_prints():
    reading, writing = os.pipe()
    os.close(reading)
    with start("--help", stdout=writing) as process:
        os.close(writing)
        assert process.communicate(timeout=60)[1] == "" and process.returncode == 141


def test_streams_are_closed_or_full():
    """A file that is opened next must not get a closed stream's number: what is printed would go into it."""
    python = f"{sys.executable} -m keras_mtl.train"
    for line, code, said in (
        (f"{python} --help >&-", 0, ""),
        (f"{python} --help <&- >&- 2>&-", 0, ""),
        (f"{python} --epochs=some >&- 2>&-", 2, ""),
        (f"{python} --help >/dev/full", 2, "Error: No space left on device (free some space, then give the same"),
    ):
        done = subprocess.run(["sh", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == code and done.stderr.startswith(said) and done.stderr.count("\n") == bool(said), line


def test_a_terminal_without_the_characters_gets_escapes():
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "TERM": "dumb"}
    done = run_command("train", "--epochs=lächelt", check=False, env=env)
    assert done.returncode == 2 and "l\\xe4chelt" in done.stderr and done.stderr.count("\n") == 1


def test_files_that_stand_in_the_way_are_named(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for path, said in (
        (tmp_path / "file" / "m", "Not a directory (a file, a folder or a link is in its place)"),
        (tmp_path / "link", "File exists (a file, a folder or a link is in its place)"),
        (tmp_path / ("x" * 300), "File name too long (choose a shorter name)"),
    ):
        with pytest.raises(OSError) as caught:
            path.mkdir()
        assert ending.told(caught.value) == (f"Error: {path}: {said}", 2)


def _tensorflows():
    import tensorflow as tf

    return tf.errors.ResourceExhaustedError(None, None, "runs/a/checkpoints/x.tempstate; No space left on device [Op]")


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (lambda: UserError("No such task"), "Error: No such task", 2),
        (_tensorflows, "Error: runs/a/checkpoints/x.tempstate; No space left on device (free some space", 2),
        # As HDF5 gives it: no errno of its own.
        (lambda: OSError("No writing (message = 'No space left on device')"), "Error: No writing (message = 'No sp", 2),
        # And ArrayRecord.
        (
            lambda: RuntimeError("Failed to write; File too large; a-0 [1]"),
            "Error: Failed to write; File too large (",
            2,
        ),
        (lambda: OSError(errno.EROFS, "Read-only file system", b"runs/a"), "Error: runs/a: Read-only file system", 2),
        (lambda: MemoryError(), "Error: Not enough memory: close other programs, or take a smaller --batch_size", 2),
        (lambda: KeyboardInterrupt(), "Stopped.", 130),
        (lambda: ending.Terminated(), "Stopped.", 143),
        (lambda: BrokenPipeError(errno.EPIPE, "Broken pipe"), "", 141),
    ],
)
def test_what_is_wrong_is_one_line_with_its_code(error, line, code):
    said, number = ending.told(error())
    assert said.startswith(line) and bool(said) == bool(line) and "\n" not in said and number == code


@pytest.mark.parametrize("error", [KeyError("age"), RuntimeError("no space left"), OSError(errno.EBADF, "Bad file")])
def test_a_defect_keeps_its_traceback(error):
    def main():
        raise error

    with pytest.raises(type(error)):
        ending.run(main)


def test_programs_that_only_import_the_package_keep_their_own_ways(tmp_path):
    (tmp_path / "theirs.py").write_text(
        "import signal, sys, keras_mtl.train\n"
        "print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, sys.excepthook is sys.__excepthook__)\n"
    )
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    for how in (["-m", "theirs"], [str(tmp_path / "theirs.py")]):
        done = subprocess.run([sys.executable, *how], env=env, capture_output=True, text=True, timeout=60)
        assert done.stdout == "True True\n", done.stderr
