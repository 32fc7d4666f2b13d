"""The same net's balanced steps in LibMTL and torchjd, timed on request. See benchmarks/balancing_speed.py.

Needs torch, torchvision, torchjd and a clone of LibMTL in the variable LIBMTL; nothing of keras_mtl's.
"""

from __future__ import annotations

import functools
import os
import resource

import numpy as np
import torch
import torchvision
from libmtl_source import libmtl_class
from torch.nn import functional
from turns import serve, throughput

NAMES = {"upgrad": ("UPGrad", "UPGrad"), "pcgrad": ("PCGrad", "PCGrad"), "cagrad": ("CAGrad", "CAGrad")}
NAMES["nash_mtl"] = ("Nash_MTL", "NashMTL")
# LibMTL has no defaults: these are those of its configuration.
SETTINGS = {
    "cagrad": {"calpha": 0.5, "rescale": 1},
    "nash_mtl": {"update_weights_every": 1, "optim_niter": 20, "max_norm": 1.0},
    "upgrad": {"UPGrad_norm_eps": 1e-4, "UPGrad_reg_eps": 1e-4},
    "pcgrad": {},
}


class Net(torch.nn.Module):
    """torchvision's ResNet-18 with a linear head a task, as LibMTL's weightings see a net."""

    def __init__(self, units: list[int], width: int):
        super().__init__()
        self.task_num, self.device, self.rep_grad = len(units), torch.device("cpu"), False
        self.task_name = [str(number) for number in range(len(units))]
        self.encoder = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [2, 2, 2, 2])
        if width != 64:
            raise ValueError("torchvision's ResNet-18 has width 64")
        self.encoder.fc = torch.nn.Identity()
        self.decoders = torch.nn.ModuleDict(
            {name: torch.nn.Linear(512, u) for name, u in zip(self.task_name, units, strict=True)}
        )

    def get_share_params(self):
        return self.encoder.parameters()

    def zero_grad_share_params(self):
        self.encoder.zero_grad(set_to_none=False)


def loss_of(logits, labels):
    """Cross entropy of years, or of yes and no; the like of keras_mtl's heads."""
    logits = logits.float()
    if logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits[:, 0], labels.float())
    years = torch.arange(logits.shape[1], dtype=torch.float32)
    target = torch.softmax(-0.5 * ((years - labels[:, None]) / 2) ** 2, -1)
    expected = torch.softmax(logits, -1) @ years
    return functional.cross_entropy(logits, target) + (expected - labels).abs().mean()


@functools.lru_cache(4)
def training_step(
    library: str, tasks: int, labels: str, method: str, precision: str, size: int, batch: int, width: int
):
    random = np.random.default_rng(0)
    units = [121, 1, 1] if tasks == 3 else [1] * tasks
    images = torch.from_numpy(random.integers(0, 256, (batch, 3, size, size), np.uint8))
    images = images.float() / 128 - 1
    targets = [torch.from_numpy(random.integers(0, max(u, 2), batch)) for u in units]
    rows = [slice(part[0], part[-1] + 1) for part in np.array_split(np.arange(batch), tasks)]
    if labels == "all":
        rows = [slice(0, batch)] * tasks
    libmtl_name, torchjd_name = NAMES.get(method, ("", ""))
    kind = type("Net", (Net, libmtl_class(libmtl_name)), {"__init__": Net.__init__}) if library == "libmtl" else Net
    net = kind(units, width).train()  # LibMTL knows no layout but the contiguous one
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.01, fused=True)
    if library == "libmtl":
        net.init_param()
        net.epoch = 0
    if library == "torchjd":
        import torchjd.aggregation
        from torchjd.autojac import jac_to_grad, mtl_backward

        arguments = {"n_tasks": tasks} if method == "nash_mtl" else {"c": 0.5} if method == "cagrad" else {}
        aggregator = getattr(torchjd.aggregation, torchjd_name)(**arguments)

    def autocast():
        return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")

    def losses_of(features):
        outputs = [head(features) for head in net.decoders.values()]
        return [loss_of(o[r], t[r]) for o, t, r in zip(outputs, targets, rows, strict=True)]

    def step():
        optimizer.zero_grad(set_to_none=library != "libmtl")
        with autocast():
            if library == "libmtl" and labels == "one":
                # As its trainer does with an input for each task.
                own = zip(net.decoders.values(), targets, rows, strict=True)
                losses = [loss_of(head(net.encoder(images[r])), t[r]) for head, t, r in own]
            else:
                features = net.encoder(images)
                losses = losses_of(features)
        if library == "torch":
            sum(losses).backward()
        elif library == "libmtl":
            net.backward(torch.stack(losses), **SETTINGS[method])
        else:
            mtl_backward(losses, features=features, parallel_chunk_size=1)  # vmap fails under autocast
            jac_to_grad(list(net.encoder.parameters()), aggregator)
        optimizer.step()
        return [loss.item() for loss in losses]

    return step


def answer(request: dict) -> dict:
    if request["what"] == "about":
        import importlib.metadata

        names = ("torch", "torchvision", "torchjd")
        return {"versions": [f"{name} {importlib.metadata.version(name)}" for name in names]}
    names = ("library", "tasks", "labels", "method", "precision", "size", "batch", "width")
    step = training_step(*(request[name] for name in names))
    if request["what"] == "memory":
        for _ in range(3):
            step()
        return {"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    return {"images_per_second": throughput(step, request["batch"], request["seconds"])}


if __name__ == "__main__":
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    serve(answer)
