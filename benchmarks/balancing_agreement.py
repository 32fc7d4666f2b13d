"""Whether our weightings agree with LibMTL's and torchjd's own code, on the same gradients and losses.

    python benchmarks/balancing_agreement.py --torch_python=/tmp/peers/bin/python --libmtl=../LibMTL

The peers run in a process of their own, in float64; its Python may be another one, with what `pip install
'keras_mtl[peers]'` brings. LibMTL is a clone of github.com/median-research-group/LibMTL; without `--libmtl` torchjd
is compared alone.

Each case is a list of steps: the tasks' gradients as a matrix, their losses and, for methods that draw, what is
drawn. Both make a combined gradient of each step; the difference is the largest over the steps, relative to the
peer's length. Methods without a memory get the matrices of the tests' bank whose rows are independent (elsewhere
minima are many, and each solver has one of its own); the others eight steps for three tasks and for eight.

Where the methods are minima or maxima, the score says who comes nearer to the paper's: the largest lead over
all cases, of ours over the peer's and of the peer's over ours.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import statistics
import sys
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
from balancing import matrices  # noqa: E402
from balancing_comparisons import COMPARISONS, Comparison  # noqa: E402
from training_speed import Worker  # noqa: E402

from keras_mtl.balancing.surgery import random_orders  # noqa: E402
from keras_mtl.weighting_names import parse_weighting  # noqa: E402

AGREES = 1e-4
STEPS = 8


@dataclasses.dataclass(frozen=True)
class Result:
    """What came out of a comparison.

    Attributes:
        differences: by case, the largest of its steps, relative.
        lead, peers_lead: the most by which one's score is over the other's in a case; 0 without a score.
        errors: what the peer raised, by case.
    """

    comparison: Comparison
    differences: dict[str, float]
    lead: float
    peers_lead: float
    errors: dict[str, str]

    @property
    def agreeing(self) -> int:
        """Cases in which the two agree."""
        return sum(difference <= AGREES for difference in self.differences.values())


class Peers(Worker):
    """The process in which the peers' own code runs."""

    def __init__(self, python: str, libmtl: str | None = None):
        super().__init__(python, "torch_weightings.py", {"LIBMTL": str(libmtl)} if libmtl else {})

    def comparisons(self) -> list[Comparison]:
        """Those that can be made here."""
        return [one for one in COMPARISONS if one.peer != "LibMTL" or self.about["libmtl"]]


def compare(comparison: Comparison, peers: Peers) -> Result:
    differences, errors, leads = {}, {}, [0.0, 0.0]
    for name, steps in cases(comparison):
        tasks = len(steps[0]["losses"])
        options = {key: tasks if value == "tasks" else value for key, value in comparison.options.items()}
        answer = peers.ask(what="run", peer=comparison.peer, method=comparison.method, options=options, steps=steps)
        if "error" in answer:
            errors[name] = answer["error"]
            continue
        theirs = np.array(answer["combined"]) * (tasks if comparison.tasks_times else 1)
        differences[name] = 0.0
        for a, b, step in zip(run_ours(comparison, steps), theirs, steps, strict=True):
            gradients = np.array(step["gradients"][0])
            # Where the step is nearly 0, only the rounding of the gradients is left to compare.
            length = max(np.linalg.norm(b), 1e-2 * np.linalg.norm(gradients, axis=1).min())
            differences[name] = max(differences[name], float(np.linalg.norm(a - b) / length))
            if comparison.score:
                lead = comparison.score(gradients, a) - comparison.score(gradients, b)
                leads = [max(leads[0], lead), max(leads[1], -lead)]
    return Result(comparison, differences, *leads, errors)


def cases(comparison: Comparison) -> Iterator[tuple[str, list[dict]]]:
    """Names and steps; every number is one that float32 has."""
    if comparison.cases != "steps":
        bank = matrices.independent() if comparison.cases == "matrices" else matrices.bank()
        for name, matrix in bank.items():
            if len(matrix) > 1:
                random = np.random.default_rng(1)
                yield name, [_step(comparison, random, matrix[None], keras.random.SeedGenerator(0))]
        return
    for tasks in (3, 8):
        random = np.random.default_rng(tasks)
        generator = keras.random.SeedGenerator(0)
        scales = 10 ** random.uniform(-0.5, 0.5, (1, tasks, 1))
        drawn = [scales * random.normal(size=(comparison.samples, tasks, 30)) for _ in range(STEPS)]
        # What two samples have in common, so that they agree about a task's gradient.
        common = scales * random.normal(size=(1, tasks, 30))
        yield f"{tasks} tasks", [_step(comparison, random, 0.5 * one + common, generator) for one in drawn]


def _step(comparison: Comparison, random: np.random.Generator, gradients: np.ndarray, generator) -> dict:
    _, tasks, size = gradients.shape
    gradients = gradients.astype(np.float32).astype(float)
    losses = random.uniform(0.2, 3, tasks).astype(np.float32).astype(float)
    step: dict = {"gradients": gradients.tolist(), "losses": losses.tolist()}
    if comparison.spec.startswith("famo"):
        step["after"] = (losses * random.uniform(0.8, 1.05, tasks)).astype(np.float32).astype(float).tolist()
    # As our weighting, whose seed is 0 too, will draw it.
    if comparison.draws == "normal":
        step["drawn"] = keras.random.normal([tasks], seed=generator).numpy().astype(float).tolist()
    elif comparison.draws == "uniform":
        step["drawn"] = keras.random.uniform([size], seed=generator).numpy().astype(float).tolist()
    elif comparison.draws == "orders":
        step["orders"] = random_orders(tasks, generator).numpy().tolist()
    return step


def run_ours(comparison: Comparison, steps: list[dict]) -> list[np.ndarray]:
    """Our combined gradient of each step."""
    weighting = parse_weighting(comparison.spec)
    tasks, size = np.shape(steps[0]["gradients"][0])
    weighting.build(tasks, [(size,)])
    combined = []
    for step in steps:
        # The step is made of the last sample, the Gramian of the first two; with one sample all are the same.
        first, second, last = (tf.constant(step["gradients"][i], tf.float32) for i in _samples(comparison))
        losses = tf.constant(step["losses"], tf.float32)
        if weighting.sees == "gradients":
            combined.append(weighting.combine([[row] for row in tf.unstack(last)], losses)[0].numpy())
        else:
            gramian = tf.matmul(first, second, transpose_b=True) if weighting.sees == "gramian" else None
            weights = weighting.weights(losses, gramian)
            if comparison.late:
                weights = weighting.task_weights.value
            combined.append(weights.numpy().astype(float) @ last.numpy().astype(float))
        if "after" in step:
            weighting.after_step(tf.constant(step["after"], tf.float32))
        weighting.on_epoch_end()
    return combined


def _samples(comparison: Comparison) -> tuple[int, int, int]:
    if comparison.samples == 1:
        return 0, 0, 0
    # LibMTL's SDMGrad makes its step of the first of three; the worker of torchjd's of the last.
    return (1, 2, 0) if (comparison.peer, comparison.method) == ("LibMTL", "SDMGrad") else (0, 1, 2)


def row(result: Result) -> str:
    comparison, differences = result.comparison, result.differences
    everywhere = result.agreeing == len(differences) and not result.errors
    worst = max(differences, key=differences.__getitem__, default="–")
    notes = [
        "" if everywhere else comparison.deviation,
        "the peer takes a mean: times tasks" if comparison.tasks_times else "",
        "our step takes the weights one step later: compared as updated" if comparison.late else "",
        *(f"on {name} the peer raises {error.split(':')[0]}" for name, error in result.errors.items()),
    ]
    cells = [
        comparison.spec,
        f"{comparison.peer} {comparison.method}",
        f"{result.agreeing} of {len(differences) + len(result.errors)}",
        f"{statistics.median(differences.values()):.0e}",
        f"{differences[worst]:.0e} ({worst})",
        f"{result.lead:.0e} / {result.peers_lead:.0e}" if comparison.score else "–",
        "; ".join(filter(None, notes)) or "–",
    ]
    return f"| {' | '.join(cells)} |"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--torch_python", default=sys.executable, help="a Python that has torch and torchjd")
    parser.add_argument("--libmtl", type=pathlib.Path, help="a clone of LibMTL")
    parser.add_argument("--only", default="", help="only comparisons whose weighting begins with this")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    peers = Peers(arguments.torch_python, arguments.libmtl)
    print(f"TensorFlow {tf.__version__}, {', '.join(peers.about['versions'])}\n")
    print("| ours | peer | agree at 1e-4 | median difference | largest | lead in score, ours / peer | notes |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for comparison in peers.comparisons():
        if comparison.spec.startswith(arguments.only):
            print(row(compare(comparison, peers)), flush=True)
    peers.close()


if __name__ == "__main__":
    main()
