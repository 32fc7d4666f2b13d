"""The fault campaign: every write of every command fails once, in every way, and the command is given again.

    python tests/faults/campaign.py                         all commands, every write (hours)
    python tests/faults/campaign.py audit evaluate --sample=40 --seed=1

A command's writes are listed by Python's audit events of an undisturbed run on small data: each file that is opened to
be written, each rename, new folder and removal below the work folder. Then, for each of them and each fault, the folder
is put back to what it was, the command runs with that one write failing (killed there with SIGKILL, or ENOSPC, EIO,
EACCES raised by it), and once more undisturbed. `size` faults are the kernel's: no file may grow beyond so many bytes,
so that TensorFlow's and HDF5's own writes fail in the middle.

It fails where a command prints a traceback, does not end with 0 or 2 (or by the kill), can't be given again, leaves
something else than the undisturbed run in the end, or leaves temporaries behind. Each run is a fork of this process,
which has imported TensorFlow but not used it.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import errno
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import runpy
import shutil
import signal
import sys
import tempfile
import zipfile

FAULTS = ("kill", "ENOSPC", "EIO", "EACCES")
SIZES = (0, 100, 3_000, 20_000, 60_000)
"""Bytes beyond which no file may grow, one fault each."""

TINY = ("--image_size=32", "--width=8", "--stages=1,1", "--batch_size=16", "--precision=float32")
TASKS = "--tasks=age,smile"
CLOCKED = {
    *("started", "images_per_second", "input_wait", "seconds", "seconds_of_last_start"),
    *("commit", "peak_memory", "saved", "created"),
}
"""What says when, or how fast: no function of a command's flags."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A command to disturb.

    Attributes:
        flags: with {root} for the work folder.
        before: the commands that make what it needs.
        without: what is taken away of that, as patterns: a comparison's nets are trained, and scored when disturbed.
    """

    flags: tuple[str, ...]
    before: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


TRAINING = (*TINY, TASKS, "--sources=age+smile=csv:{root}/photos.csv", "--epochs=2", "--checkpoint_steps=2")
CASES = {
    "audit": Case(("--sources=age+smile=csv:{root}/photos.csv", TASKS, "--write_clean", "--workdir={root}/runs")),
    "prepare": Case(("--sources=age+smile=csv:{root}/photos.csv", "--format=shards", "--out={root}/sets")),
    "train": Case((*TRAINING, "--workdir={root}/runs", "--name=a")),
    "prune": Case(("--run={root}/runs/a", "--keep=age", "--epochs=1", "--workdir={root}/runs", "--name=p"), ("train",)),
    "evaluate": Case(("--run={root}/runs/a", "--split=validation", "--resamples=50"), ("train",)),
    "compare": Case(
        (*TRAINING, "--seeds=1", "--variants=multitask,single", "--workdir={root}/runs", "--name=c"),
        ("compare",),
        ("runs/c/epochs", "runs/c/cells/*/predictions"),
    ),
    "export": Case(("--run={root}/runs/a", "--directory={root}/saved"), ("train",)),
    "predict": Case(
        ("--model={root}/saved/a", "--out={root}/out.jsonl", "--backend=tensorflow", "{root}/photos"),
        ("train", "export"),
    ),
}  # fmt: skip


def photos(root: pathlib.Path) -> None:
    """Forty small pictures with labels."""
    import numpy as np
    import PIL.Image

    drawn = np.random.default_rng(0)
    (root / "photos").mkdir(parents=True)
    lines = ["image,split,age,smile"]
    for number in range(40):
        pixels = drawn.integers(0, 256, (36, 36, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(root / "photos" / f"{number}.png")
        split = ("train", "train", "validation", "test")[number % 4]
        lines.append(f"photos/{number}.png,{split},{20 + number},{'smiling' if number % 3 else 'not smiling'}")
    (root / "photos.csv").write_text("\n".join(lines) + "\n")


def run(command: str, root: pathlib.Path, said: pathlib.Path, *, at: int = -1, fault: str = "") -> int:
    """Runs a command in a fork; the `at`-th write below `root` fails. Returns the exit code, below 0 for a signal."""
    reading, writing = os.pipe()  # Not a file: no file may grow under some faults.
    pid = os.fork()
    if not pid:
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        os.close(writing)
        os.close(reading)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        code = 1
        try:
            _run_here(command, root, said, at, fault)
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        said.write_bytes(file.read())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _run_here(command: str, root: pathlib.Path, said: pathlib.Path, at: int, fault: str) -> None:
    from keras_mtl import ending

    ending.begin()
    os.chdir(root)
    sys.argv = [f"keras_mtl_{command}", *(flag.format(root=root) for flag in CASES[command].flags)]
    if fault.startswith("size"):
        limit = int(fault.partition("=")[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    else:
        sys.addaudithook(_Hook(root, said.with_suffix(".writes"), at, fault))
    runpy.run_module(f"keras_mtl.{command}", run_name="__main__", alter_sys=True)


class _Hook:
    """Lists the writes below a folder, or makes one of them fail."""

    def __init__(self, root: pathlib.Path, listed: pathlib.Path, at: int, fault: str):
        self.root, self.at, self.fault, self.count, self.pid = f"{root}/", at, fault, 0, os.getpid()
        self.listed = os.open(listed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) if at < 0 else -1

    def __call__(self, event: str, arguments: tuple) -> None:
        if event == "open":
            path, _, flags = arguments
            if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
                return
        elif event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink"):
            path = arguments[0]
        else:
            return
        if not isinstance(path, (str, bytes, os.PathLike)) or not os.fsdecode(path).startswith(self.root):
            return
        if os.getpid() != self.pid:
            return
        if self.at < 0:
            os.write(self.listed, f"{event} {os.fsdecode(path)}\n".encode())
        elif self.count == self.at:
            self.count += 1  # Before it fails: what cleans up may write again.
            if self.fault == "kill":
                os.kill(self.pid, signal.SIGKILL)
            code = getattr(errno, self.fault)
            raise OSError(code, os.strerror(code), os.fsdecode(path))
        self.count += 1


def state(folder: pathlib.Path) -> dict[str, str]:
    """What a folder holds, by path: a hash, but for what says when, and what TensorFlow writes in its own way."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or "/checkpoints/" in name or "/logs/" in name or name.endswith(".lock"):
            continue
        if path.suffix == ".json" and (text := path.read_text()):
            data = json.dumps(_timeless(json.loads(text)), sort_keys=True).encode()
        elif path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                data = b"".join(archive.read(part) for part in archive.namelist() if part != "metadata.json")
        elif path.suffix in (".html", ".pb") or ".array_record" in path.name:
            data = b""
        else:
            data = path.read_bytes()
        # A version that was broken is followed by the next one.
        name = re.sub(r"^saved/(\w+)/\d+/", r"saved/\1/", name)
        found[name] = hashlib.sha256(data).hexdigest()[:16]
    return found


def _timeless(value):
    if isinstance(value, dict):
        # Hashes of model.keras, where a zip holds the time of day, and of a SavedModel.
        return {key: _timeless(one) for key, one in value.items() if key not in CLOCKED | {"of", "files"}}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


def left_over(folder: pathlib.Path) -> list[str]:
    """Temporaries."""
    return [str(path) for path in folder.rglob(".*") if path.name.startswith((".writing", ".packing"))]


def disturb(
    command: str,
    prepared: pathlib.Path,
    work: pathlib.Path,
    wanted: dict,
    at: int,
    fault: str,
    is_removal: bool = False,
) -> str:
    """One fault; what was wrong then, or an empty text."""
    root, said = work / "root", work / "said.txt"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(prepared, root, symlinks=True)
    for number in (0, 1):  # As it is disturbed, and again if it failed or has left something.
        code = run(command, root, said, **({"at": at, "fault": fault} if number == 0 else {"at": 10**9}))
        text = said.read_text(errors="replace")
        if "Traceback" in text or "Fatal Python" in text:
            return f"traceback ({'again' if number else 'at once'}): {text.strip().splitlines()[-1][:200]}"
        if number == 0 and code not in (0, 2, *([-signal.SIGKILL] if fault == "kill" else [])):
            return f"exit code {code}: {text.strip()[-200:]}"
        if number == 0 and code == 2 and text.count("Error: ") != 1:
            return f"no line that says why: {text.strip()[-200:]}"
        if number and code:
            return f"can't be given again, exit code {code}: {text.strip()[-200:]}"
        if not code and not left_over(root):
            break
    found = state(root)
    differing = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if differing:
        return f"ends otherwise: {', '.join(differing[:4])}"
    # What could not be removed stays until something is written there again.
    if (temporaries := left_over(root)) and not is_removal:
        return f"left over: {', '.join(temporaries[:3])}"
    return ""


def campaign(commands, faults, sample: int, seed: int, tell=print) -> list[str]:
    """Runs the campaign; returns a line for each fault that did harm."""
    harms: list[str] = []
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        work = pathlib.Path(name).resolve()
        os.environ["KERAS_MTL_CACHE"] = str(work / "cache")
        for command in commands:
            # The folder's name stands in flags.txt: every run has the same one.
            root, prepared = work / "root", work / f"prepared-{command}"
            shutil.rmtree(root, ignore_errors=True)
            photos(root)
            for before in CASES[command].before:
                assert run(before, root, work / "said.txt") == 0, (work / "said.txt").read_text()
            for path in [path for pattern in CASES[command].without for path in root.glob(pattern)]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            shutil.copytree(root, prepared, symlinks=True)
            assert run(command, root, work / "said.txt") == 0, (work / "said.txt").read_text()
            wanted = state(root)
            writes = (work / "said.writes").read_text().splitlines()
            again = disturb(command, prepared, work, wanted, 10**9, "kill")
            assert not again, f"{command}, undisturbed: {again}"  # Else some of `state` is no function of the flags.
            planned = [(at, fault) for at in range(len(writes)) for fault in faults]
            planned += [(-1, f"size={size}") for size in SIZES if "size" in faults or set(faults) == set(FAULTS)]
            planned = [(at, fault) for at, fault in planned if fault != "size"]
            random.Random(seed).shuffle(planned)
            first = {fault.partition("=")[0]: (at, fault) for at, fault in reversed(planned)}  # Each kind, in any case.
            planned = list(dict.fromkeys([*first.values(), *planned]))
            done: collections.Counter = collections.Counter()
            known = len(harms)
            for at, fault in planned[: sample or None]:
                is_removal = at >= 0 and writes[at].startswith("os.rmdir")
                harm = disturb(command, prepared, work, wanted, at, fault, is_removal)
                done[fault.partition("=")[0]] += 1
                if harm:
                    where = writes[at].replace(str(root), "") if at >= 0 else fault
                    harms.append(f"{command}, {fault} at write {at} ({where}): {harm}")
                    tell(harms[-1])
            counts = ", ".join(f"{count} {fault}" for fault, count in sorted(done.items()))
            tell(f"{command}: {len(writes)} writes; {counts}; {len(harms) - known} did harm")
            sys.stdout.flush()
    return harms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=f"some of {', '.join(CASES)}; all by default")
    parser.add_argument("--faults", default=",".join(FAULTS), help="some of kill, ENOSPC, EIO, EACCES, size")
    parser.add_argument("--sample", type=int, default=0, help="so many faults of each command, drawn; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from keras_mtl.quiet import import_tensorflow

    import_tensorflow()
    import keras_mtl.comparison.experiment
    import keras_mtl.serving.export
    import keras_mtl.training.fit  # noqa: F401  # Before the forks.

    sys.exit(bool(campaign(given.commands or list(CASES), given.faults.split(","), given.sample, given.seed)))


if __name__ == "__main__":
    main()
