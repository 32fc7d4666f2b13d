"""What a training prints: a live block with one line a task on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

import keras
from rich.console import Group
from rich.live import Live
from rich.text import Text

from keras_mtl.kinds import kind_of
from keras_mtl.tasks import Task

WIDTH = 30


class TaskProgress(keras.callbacks.Callback):
    """Shows an epoch's progress and each task's loss and metrics.

    Args:
        tasks: by name.
        batches: the `TrainingBatches`, for the number of steps.
        epochs: how many epochs the training has.
    """

    def __init__(self, tasks: Mapping[str, Task], batches, epochs: int):
        super().__init__()
        self.tasks = tasks
        self.batches = batches
        self.epochs = epochs
        self._live: Live | None = None

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._started = epoch, time.monotonic()
        self._done = self._first = self.batches.first_step
        if sys.stdout.isatty():
            self._live = Live(refresh_per_second=4)
            self._live.start()

    def on_train_batch_end(self, batch, logs=None):
        self._done += 1
        if self._live:
            self._live.update(self._block(logs))

    def on_epoch_end(self, epoch, logs=None):
        if self._live:
            self._live.update(self._block(logs))
            self._live.stop()
            self._live = None
        else:
            tasks = "; ".join(f"{name} {self._figures(task, logs)}" for name, task in self.tasks.items())
            skill = f"; val_skill {logs['val_skill']:.3f}" if "val_skill" in logs else ""
            print(f"{self._title()}, loss {logs['loss']:.3f}: {tasks}{skill}", flush=True)

    def on_train_end(self, logs=None):
        self.close()

    def close(self) -> None:
        """Gives the terminal back, also where a training ends by an error, of which Keras tells no callback."""
        if self._live:
            self._live.stop()
            self._live = None

    def _title(self) -> str:
        seconds = time.monotonic() - self._started
        return f"Epoch {self._epoch + 1}/{self.epochs}, {seconds:.0f} s"

    def _block(self, logs) -> Group:
        steps = self.batches.steps_per_epoch
        filled = round(WIDTH * self._done / steps)
        pace = (time.monotonic() - self._started) / max(self._done - self._first, 1)
        bar = "━" * filled + "╌" * (WIDTH - filled)
        lines = [f"{self._title()}  {bar} {self._done}/{steps}, {(steps - self._done) * pace:.0f} s left"]
        longest = max(len(name) for name in self.tasks)
        lines += [f"  {name:<{longest}}  {self._figures(task, logs)}" for name, task in self.tasks.items()]
        return Group(*(Text(line) for line in lines))

    def _figures(self, task: Task, logs) -> str:
        """One task's figures: training's, then validation's where they are known."""
        parts = []
        for measure in ("loss", *kind_of(task).measures):
            key = f"{task.name}_{measure}"
            if key not in logs:
                continue
            unit = f" {task.unit}" if measure == "mae" and task.unit else ""
            digits = 3 if measure == "loss" else kind_of(task).digits(measure)
            shown = f"{float(logs[key]):.{digits}f}"
            if f"val_{key}" in logs:
                shown += f" (val {float(logs[f'val_{key}']):.{digits}f})"
            parts.append(f"{measure} {shown}{unit}")
        return ", ".join(parts)
