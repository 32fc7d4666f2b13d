"""LibMTL's and torchjd's own weightings on given gradients. See benchmarks/balancing_agreement.py.

Needs torch, torchjd and, for LibMTL's, the folder of its clone in LIBMTL; nothing of keras_mtl's. Everything runs
in float64, so that what differs is the method and not its rounding.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import os
import random
from collections.abc import Callable, Iterator

import numpy as np
import torch
from libmtl_source import libmtl_class
from turns import serve

torch.set_default_dtype(torch.float64)


class Shared(torch.nn.Module):
    """What LibMTL's weightings ask of a net: shared weights, here at 0, in which the losses are linear."""

    def __init__(self, tasks: int, size: int, rep_grad: bool):
        super().__init__()
        self.task_num, self.device, self.rep_grad = tasks, torch.device("cpu"), rep_grad
        self.task_name = [str(task) for task in range(tasks)]
        self.decoders = torch.nn.ModuleDict()
        self.encoder = torch.nn.Module()
        self.encoder.theta = torch.nn.Parameter(torch.zeros(size))

    def get_share_params(self):
        return self.encoder.parameters()

    def zero_grad_share_params(self):
        self.encoder.zero_grad(set_to_none=False)


def libmtl(method: str, options: dict, steps: list[dict]) -> list[list[float]]:
    """The gradient that LibMTL leaves on the shared weights in each step; a step is an epoch."""
    tasks, size = np.shape(steps[0]["gradients"][0])
    weighting = libmtl_class(method)
    learning_rate = options.pop("learning_rate", None)
    net = type("Net", (Shared, weighting), {"__init__": Shared.__init__})(tasks, size, method == "GradDrop")
    net.init_param()
    net.train_loss_buffer = np.zeros((tasks, len(steps)))
    optimizer = torch.optim.Adam([net.loss_scale], lr=learning_rate) if learning_rate else None
    combined = []
    for epoch, step in enumerate(steps):
        net.epoch = epoch
        net.train_loss_buffer[:, epoch] = step["losses"]
        net.zero_grad()
        before = net.loss_scale.detach().clone() if method == "IMTL_L" else None
        losses = [_linear(net, matrix, step["losses"]) for matrix in step["gradients"]]
        with drawing(step):
            net.backward(losses[0] if len(losses) == 1 else torch.stack(losses), **options)
        if method == "IMTL_L":
            # Its scales are trained in the same call in which IMTL-G weighs the scaled losses.
            combined.append(before.exp() @ torch.tensor(step["gradients"][0]))
        else:
            combined.append(net.encoder.theta.grad.clone())
        if optimizer:
            optimizer.step()
        if "after" in step:
            net.update_w(torch.tensor(step["after"]))
    return [gradient.tolist() for gradient in combined]


def _linear(net, matrix, losses) -> torch.Tensor:
    """Losses [tasks] of these values, whose gradients by the shared weights are the rows of the matrix."""
    matrix, losses = torch.tensor(matrix), torch.tensor(losses)
    if not net.rep_grad:
        return losses + matrix @ net.encoder.theta
    # Features of 1 each, for what depends on their sign.
    net.rep = net.encoder.theta.reshape(1, -1) + 1
    net.rep_tasks = {name: net.rep.detach().clone().requires_grad_() for name in net.task_name}
    values = [losses[i] + (net.rep_tasks[name] - 1)[0] @ matrix[i] for i, name in enumerate(net.task_name)]
    return torch.stack(values)


def torchjd(method: str, options: dict, steps: list[dict]) -> list[list[float]]:
    """What torchjd makes of each step's gradients."""
    aggregation = importlib.import_module("torchjd.aggregation")
    if not hasattr(aggregation, method):
        return _scalarized(method, options, steps)
    if "reg_eps" in options:
        projector = importlib.import_module("torchjd.linalg").QuadprogProjector
        options["projector"] = projector(reg_eps=options.pop("reg_eps"), norm_eps=0.0)
    aggregator = getattr(aggregation, method)(**options)
    combined = []
    for step in steps:
        matrices = [torch.tensor(matrix) for matrix in step["gradients"]]
        with drawing(step, skip_own=method == "GradVac"), torch.no_grad():
            if len(matrices) == 3:
                combined.append(aggregator(matrices[0] @ matrices[1].T) @ matrices[2])
            else:
                combined.append(aggregator(matrices[0]))
    return [gradient.tolist() for gradient in combined]


def _scalarized(method: str, options: dict, steps: list[dict]) -> list[list[float]]:
    """The gradient of torchjd's scalar loss in each step."""
    learning_rate, warmup = options.pop("learning_rate", None), options.pop("warmup", None)
    tasks, size = np.shape(steps[0]["gradients"][0])
    if method in ("UW", "IMTLL", "FAMO"):
        options["shape"] = tasks
    if method == "STCH":
        options["weights"] = torch.ones(tasks)
    scalarizer = getattr(importlib.import_module("torchjd.scalarization"), method)(**options)
    if method == "UW":
        scalarizer.log_var.data.fill_(-0.5)  # as LibMTL starts
    optimizer = torch.optim.Adam(scalarizer.parameters(), lr=learning_rate) if learning_rate else None
    combined = []
    for epoch, step in enumerate(steps):
        theta = torch.zeros(size, requires_grad=True)
        scalarizer.zero_grad()
        losses = torch.tensor(step["losses"]) + torch.tensor(step["gradients"][0]) @ theta
        with drawing(step):
            if method == "STCH":
                # Logarithm, nadir and factor are of the paper's code for training, not of torchjd's function.
                nadir = torch.tensor(steps[warmup]["losses"])
                value = losses.log().sum() if epoch <= warmup else tasks * scalarizer((losses / nadir).log())
            else:
                value = scalarizer(losses)
        value.backward()
        combined.append(theta.grad.clone())
        if optimizer:
            optimizer.step()
        if method == "DWA":
            scalarizer.step()
        if "after" in step:
            scalarizer.update(torch.tensor(step["after"]))
    return [gradient.tolist() for gradient in combined]


class drawing:
    """Has torch and `random` draw what the step says: numbers, or for each task the order of the others."""

    NAMES = ((torch, "randn"), (torch, "rand"), (torch, "rand_like"), (torch, "randperm"), (random, "shuffle"))

    def __init__(self, step: dict, skip_own: bool = False):
        self.drawn = torch.tensor(step["drawn"]) if "drawn" in step else None
        self.orders: Iterator[list[int]] = iter(step.get("orders", ()))
        self.tasks = iter(range(len(step.get("orders", ()))))
        self.skip_own = skip_own

    def __enter__(self) -> None:
        self.originals = [getattr(module, name) for module, name in self.NAMES]
        if self.drawn is not None:
            for name in ("randn", "rand", "rand_like"):
                setattr(torch, name, lambda *_, **__: self.drawn)
        torch.randperm = self._permutation
        random.shuffle = self._shuffle

    def __exit__(self, *_) -> None:
        for (module, name), original in zip(self.NAMES, self.originals, strict=True):
            setattr(module, name, original)

    def _permutation(self, count: int) -> torch.Tensor:
        task, order = next(self.tasks), next(self.orders)
        # Of the others' places among the others, or of all tasks, where its own does nothing.
        places = [other - (other > task) for other in order] if self.skip_own else [task, *order]
        assert len(places) == count
        return torch.tensor(places)

    def _shuffle(self, tasks: list[int]) -> None:
        order = next(self.orders)
        tasks.sort(key=lambda task: order.index(task) if task in order else -1)


PEERS: dict[str, Callable[[str, dict, list[dict]], list[list[float]]]] = {"LibMTL": libmtl, "torchjd": torchjd}


@functools.cache
def versions() -> list[str]:
    return [f"{name} {importlib.metadata.version(name)}" for name in ("torch", "torchjd")]


def answer(request: dict) -> dict:
    if request["what"] == "about":
        return {"versions": versions(), "libmtl": "LIBMTL" in os.environ}
    try:
        return {"combined": PEERS[request["peer"]](request["method"], dict(request["options"]), request["steps"])}
    except Exception as error:  # a peer's failure is a result
        return {"error": f"{type(error).__name__}: {error}"[:200]}


if __name__ == "__main__":
    serve(answer)
