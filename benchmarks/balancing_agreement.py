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
import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
from balancing import matrices  # noqa: E402

from keras_mtl.balancing import parse_weighting  # noqa: E402
from keras_mtl.balancing.surgery import random_orders  # noqa: E402

AGREES = 1e-4
STEPS = 8


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One of our weightings beside a peer's.

    Attributes:
        spec: ours, with settings.
        peer: "LibMTL" or "torchjd".
        method: what the peer calls it.
        options: the peer's settings.
        tasks_times: that the peer's is to be multiplied by the number of tasks: it takes a mean where we take a sum.
        cases: "matrices" (one step each, of independent rows), "all matrices" or "steps".
        draws: what of a step is drawn: "normal", "uniform", "orders" or nothing.
        samples: matrices of gradients in a step.
        late: that our step is the peer's weights one step late, by design: ours after the update are compared.
        deviation: why the two differ.
        somewhere: that they do so in some cases only, for the peer's solver is not exact.
        score: how good a combined gradient is by the paper: (gradients, combined) -> higher is better.
    """

    spec: str
    peer: str
    method: str
    options: dict = dataclasses.field(default_factory=dict)
    tasks_times: bool = False
    cases: str = "matrices"
    draws: str = ""
    samples: int = 1
    late: bool = False
    deviation: str = ""
    somewhere: bool = False
    score: Callable[[np.ndarray, np.ndarray], float] | None = None


def shortness(gradients: np.ndarray, combined: np.ndarray) -> float:
    """MGDA: the shorter the better, in units of the shortest gradient."""
    return -float(np.linalg.norm(combined) / np.linalg.norm(gradients, axis=1).min())


def least_gain(gradients: np.ndarray, combined: np.ndarray, c: float = 0.5, divisor: float = 1.25) -> float:
    """CAGrad: the least served task's gain, of a step within c |g_0| of the mean gradient g_0."""
    mean = gradients.mean(0)
    offset = combined * divisor / len(gradients) - mean
    # A solver's error in the radius is not a gain.
    offset *= c * np.linalg.norm(mean) / np.linalg.norm(offset)
    return float((gradients @ (mean + offset)).min() / np.linalg.norm(mean) ** 2)


def product_of_gains(gradients: np.ndarray, combined: np.ndarray) -> float:
    """Nash-MTL, and FairGrad with alpha 1: the sum of the gains' logarithms, of a step of length 1."""
    gains = gradients @ combined / np.linalg.norm(combined) / np.linalg.norm(gradients, axis=1)
    return float(np.log(np.maximum(gains, 1e-9)).sum())


# The peers' own results change as much when the gradients change by 1e-7.
UNSETTLED = "with the authors' step length the weights jump between tasks, and float32's rounding grows to all of it"

COMPARISONS = (
    Comparison("ew", "LibMTL", "EW", cases="steps"),
    Comparison("uw:learning_rate=0.01", "LibMTL", "UW", {"learning_rate": 0.01}, cases="steps"),
    Comparison("uw:learning_rate=0.01", "torchjd", "UW", {"learning_rate": 0.01}, cases="steps"),
    Comparison("dwa", "LibMTL", "DWA", {"T": 2.0}, cases="steps"),
    Comparison("dwa", "torchjd", "DWA", cases="steps"),
    Comparison("rlw", "LibMTL", "RLW", cases="steps", draws="normal"),
    Comparison("rlw", "torchjd", "Random", cases="steps", draws="normal"),
    Comparison("gls", "LibMTL", "GLS", cases="steps"),
    Comparison("gls", "torchjd", "GeometricMean", cases="steps"),
    Comparison("imtl_l:learning_rate=0.01", "LibMTL", "IMTL_L", {"learning_rate": 0.01}, cases="steps"),
    Comparison("imtl_l:learning_rate=0.01", "torchjd", "IMTLL", {"learning_rate": 0.01}, cases="steps"),
    Comparison("famo", "LibMTL", "FAMO", {"FAMO_w_lr": 0.025, "FAMO_w_gamma": 0.01}, cases="steps"),
    Comparison("famo", "torchjd", "FAMO", {"lr": 0.025, "weight_decay": 0.01}, cases="steps"),
    Comparison("stch:warmup=1", "LibMTL", "STCH", {"STCH_mu": 1.0, "STCH_warmup_epoch": 1}, cases="steps"),
    Comparison("stch:warmup=1:mu=0.3", "torchjd", "STCH", {"mu": 0.3, "warmup": 1}, cases="steps"),
    Comparison(
        "gradnorm:learning_rate=0.01",
        "LibMTL",
        "GradNorm",
        {"alpha": 1.5, "learning_rate": 0.01},
        cases="steps",
        deviation="LibMTL trains the logits of a softmax; the paper (algorithm 1) the weights, scaled after each step",
    ),
    Comparison(
        "mgda",
        "LibMTL",
        "MGDA",
        {"mgda_gn": "none"},
        somewhere=True,
        deviation="LibMTL has 0.001 where a weight of the paper's solution is 0, and looks for lengths under 1e4 only",
        score=shortness,
    ),
    Comparison(
        "mgda",
        "torchjd",
        "MGDA",
        {"epsilon": 1e-9, "max_iters": 20000},
        somewhere=True,
        deviation="Frank-Wolfe, here in up to 20,000 steps (by default 100); ours is exact",
        score=shortness,
    ),
    Comparison(
        "pcgrad",
        "LibMTL",
        "PCGrad",
        draws="orders",
        somewhere=True,
        deviation="LibMTL adds 1e-8 to squared lengths",
    ),
    Comparison("pcgrad", "torchjd", "PCGrad", draws="orders"),
    Comparison(
        "gradvac:beta=0.5",
        "LibMTL",
        "GradVac",
        {"GradVac_beta": 0.5, "GradVac_group_type": 0},
        cases="steps",
        draws="orders",
    ),
    Comparison("gradvac:beta=0.5", "torchjd", "GradVac", {"beta": 0.5}, cases="steps", draws="orders"),
    Comparison(
        "cagrad",
        "LibMTL",
        "CAGrad",
        {"calpha": 0.5, "rescale": 1},
        tasks_times=True,
        somewhere=True,
        deviation="scipy's SLSQP stops when its objective changes by 1e-6, and LibMTL adds 1e-8 to squared lengths",
        score=least_gain,
    ),
    Comparison(
        "cagrad:rescale=0",
        "torchjd",
        "CAGrad",
        {"c": 0.5, "norm_eps": 0.0},
        tasks_times=True,
        somewhere=True,
        deviation="an interior-point solver with a tolerance of 1e-8 in the objective",
        score=functools.partial(least_gain, divisor=1.0),
    ),
    Comparison("imtl_g", "LibMTL", "IMTL"),
    Comparison("imtl_g", "torchjd", "IMTLG"),
    Comparison(
        "nash_mtl",
        "LibMTL",
        "Nash_MTL",
        {"update_weights_every": 1, "optim_niter": 20, "max_norm": 1.0},
        somewhere=True,
        deviation="where the convex solver fails, the authors' iteration stays at its start, 1 each",
        score=product_of_gains,
    ),
    Comparison(
        "nash_mtl",
        "torchjd",
        "NashMTL",
        {"n_tasks": "tasks"},
        somewhere=True,
        deviation="where the convex solver fails, the authors' iteration stays at its start, 1 each",
        score=product_of_gains,
    ),
    Comparison("aligned_mtl", "LibMTL", "Aligned_MTL"),
    Comparison("aligned_mtl", "torchjd", "AlignedMTL", tasks_times=True),
    Comparison("upgrad:reg_eps=0.0001", "LibMTL", "UPGrad", {"UPGrad_norm_eps": 0.0, "UPGrad_reg_eps": 1e-4}),
    Comparison("upgrad:reg_eps=0.0001", "torchjd", "UPGrad", {"reg_eps": 1e-4}, cases="all matrices"),
    Comparison("dualproj:reg_eps=0.0001", "torchjd", "DualProj", {"reg_eps": 1e-4}, cases="all matrices"),
    Comparison(
        "fairgrad",
        "LibMTL",
        "FairGrad",
        {"FairGrad_alpha": 1.0},
        somewhere=True,
        deviation="scipy's least_squares stays near its start where gradients are tiny",
        score=product_of_gains,
    ),
    Comparison(
        "fairgrad",
        "torchjd",
        "FairGrad",
        {"alpha": 1.0},
        somewhere=True,
        deviation="scipy's least_squares stays near its start where gradients are tiny",
        score=product_of_gains,
    ),
    Comparison("config", "torchjd", "ConFIG"),
    Comparison(
        "modo:gamma=0.01", "LibMTL", "MoDo", {"MoDo_gamma": 0.01, "MoDo_rho": 0.1}, cases="steps", samples=3, late=True
    ),
    Comparison(
        "modo:gamma=0.01", "torchjd", "MoDoWeighting", {"gamma": 0.01, "rho": 0.1}, cases="steps", samples=3, late=True
    ),
    Comparison(
        "sdmgrad:learning_rate=5",
        "LibMTL",
        "SDMGrad",
        {"SDMGrad_lamda": 0.3, "SDMGrad_niter": 20},
        tasks_times=True,
        cases="steps",
        samples=3,
        somewhere=True,
        deviation=UNSETTLED,
    ),
    Comparison(
        "sdmgrad",
        "torchjd",
        "SDMGradWeighting",
        tasks_times=True,
        cases="steps",
        samples=3,
        somewhere=True,
        deviation=UNSETTLED,
    ),
    Comparison(
        "sdmgrad:learning_rate=0.3",
        "torchjd",
        "SDMGradWeighting",
        {"lr": 0.3},
        tasks_times=True,
        cases="steps",
        samples=3,
    ),
    Comparison("db_mtl", "LibMTL", "DB_MTL", {"DB_beta": 0.9, "DB_beta_sigma": 0}, cases="steps"),
    Comparison(
        "moco",
        "LibMTL",
        "MoCo",
        {"MoCo_beta": 0.5, "MoCo_beta_sigma": 0.5, "MoCo_gamma": 0.1, "MoCo_gamma_sigma": 0.5, "MoCo_rho": 0},
        cases="steps",
        deviation="LibMTL takes a softmax of the weights; the paper (algorithm 1) the nearest point of the simplex",
    ),
    Comparison(
        "moco:gamma=0",
        "LibMTL",
        "MoCo",
        {"MoCo_beta": 0.5, "MoCo_beta_sigma": 0.5, "MoCo_gamma": 0, "MoCo_gamma_sigma": 0.5, "MoCo_rho": 0},
        cases="steps",
    ),
    Comparison("graddrop", "LibMTL", "GradDrop", {"leak": 0.0}, cases="steps", draws="uniform"),
    Comparison("graddrop", "torchjd", "GradDrop", cases="steps", draws="uniform"),
    Comparison("excess_mtl:robust_step_size=0.1", "LibMTL", "ExcessMTL", {"robust_step_size": 0.1}, cases="steps"),
    Comparison(
        "excess_mtl:robust_step_size=0.1",
        "torchjd",
        "ExcessMTL",
        {"robust_step_size": 0.1, "n_warmup_steps": 1},
        tasks_times=True,
        cases="steps",
    ),
)


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


class Peers:
    """The process in which the peers' own code runs."""

    def __init__(self, python: str, libmtl: str | None = None):
        environment = {**os.environ, **({"LIBMTL": str(libmtl)} if libmtl else {})}
        self.process = subprocess.Popen(
            [python, str(HERE / "workers" / "torch_weightings.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("BENCHMARK_DEBUG") else subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.about = self.ask(what="about")

    def ask(self, **request) -> dict:
        assert self.process.stdin and self.process.stdout
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"The peers' process died; BENCHMARK_DEBUG=1 shows why. Asked: {request['what']}")
        return json.loads(answer)

    def comparisons(self) -> list[Comparison]:
        """Those that can be made here."""
        return [one for one in COMPARISONS if one.peer != "LibMTL" or self.about["libmtl"]]

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


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
