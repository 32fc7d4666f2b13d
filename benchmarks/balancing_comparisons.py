"""Which of our weightings are compared with which of the peers', and what is known of their differences."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np


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
