"""Trains the cells of a comparison, several at a time, each in a process of its own."""

from __future__ import annotations

import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from keras_mtl import cli
from keras_mtl.comparison.cells import Cell
from keras_mtl.cores import count_cores
from keras_mtl.errors import UserError

POLL_SECONDS = 0.2


def train_cells(
    cells: Sequence[Cell],
    jobs: int,
    output: pathlib.Path,
    tell: Callable[[str], None] = print,
    *,
    may_diverge: bool = False,
) -> None:
    """Trains every cell that is not finished; one that was stopped goes on where it was.

    Each runs `keras_mtl.train` in a process, which gets its share of the cores. A cell that starts from another's
    model waits for it. When one fails the others are stopped, and go on with the next call.

    Args:
        cells: in an order in which each comes after what it needs.
        jobs: how many are trained at once.
        output: the folder for what the processes print, one file a cell.
        tell: takes a line for each start and end.
        may_diverge: whether a training that diverged is an answer as well, as in a search, and no failure.

    Raises:
        UserError: a cell's folder holds another training, or a cell failed.
    """
    for cell in cells:
        cell.run.check(cell.config)
    waiting = [cell for cell in cells if not has_ended(cell, may_diverge)]
    done = len(cells) - len(waiting)
    if done:
        tell(f"{done} of {len(cells)} nets are trained already")
    output.mkdir(parents=True, exist_ok=True)
    running: dict[str, _Job] = {}
    try:
        while waiting or running:
            for name, job in list(running.items()):
                if not job.ended():
                    continue
                del running[name]
                is_lost = may_diverge and job.run.diverged
                if not is_lost:
                    job.check()
                job.write_memory()
                done += 1
                how = "diverged after" if is_lost else "trained in"
                tell(f"[{done}/{len(cells)}] {name}: {how} {time.monotonic() - job.started:.0f} s")
            unfinished = {str(cell.config.run_path) for cell in waiting} | {job.path for job in running.values()}
            ready = [cell for cell in waiting if cell.config.prune_from not in unfinished]
            for cell in ready[: jobs - len(running)]:
                waiting.remove(cell)
                running[cell.config.name] = _Job(cell, jobs, output / f"{cell.config.name}.txt")
            time.sleep(POLL_SECONDS)
    finally:
        for job in running.values():
            job.process.terminate()
        for job in running.values():
            job.process.wait()


def has_ended(cell: Cell, may_diverge: bool) -> bool:
    """Whether a cell has come to its end, or, where that is an answer, has diverged."""
    return cell.run.finished or (may_diverge and cell.run.diverged is not None)


class _Job:
    """A cell's process and the file that it prints to."""

    def __init__(self, cell: Cell, jobs: int, output: pathlib.Path):
        self.run = cell.run
        self.path = str(cell.config.run_path)
        self.memory = 0
        self.output = output
        self.started = time.monotonic()
        command = [sys.executable, "-m", "keras_mtl.train", *cli.to_arguments(cell.config)]
        with open(output, "w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, env=_environment(jobs), preexec_fn=_die_with_parent
            )

    def ended(self) -> bool:
        """Whether the process has come to its end; if so, what it held of memory is known."""
        if not hasattr(os, "wait4"):  # Windows
            return self.process.poll() is not None
        # Popen's own poll() would leave nobody to ask for the memory.
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if pid:
            self.process.returncode = os.waitstatus_to_exitcode(status)
            self.memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return bool(pid)

    def write_memory(self) -> None:
        """Adds to the cell's metrics the most bytes that its process held; of its last start, where it was stopped."""
        if self.memory:
            self.run.update_metrics(process={"peak_memory": self.memory})

    def check(self) -> None:
        """Raises UserError where the process failed, with the line that says why."""
        if self.process.returncode:
            lines = self.output.read_text(encoding="utf-8", errors="replace").split("\n")
            errors = [line for line in lines if "Error: " in line]
            reason = errors[-1] if errors else f"exit code {self.process.returncode}"
            raise UserError(f"Training {self.path} failed: {reason.removeprefix('Error: ')} (all of it: {self.output})")


def _environment(jobs: int) -> dict[str, str]:
    """The environment of a process that is one of `jobs`: each gets an equal share of the cores."""
    if jobs == 1:
        return dict(os.environ)
    share = str(max(1, count_cores() // jobs))
    return {"TF_NUM_INTRAOP_THREADS": share, "OMP_NUM_THREADS": share, **os.environ}


def _die_with_parent() -> None:
    """On Linux, ends a process when the comparison is killed: two of one cell would spoil each other's files."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
