"""The same net's training steps and inference in torch, timed on request. See benchmarks/training_speed.py.

Needs torch and torchvision, and nothing of keras_mtl's.
"""

from __future__ import annotations

import copy
import functools
import os
import shutil

import numpy as np
import torch
import torchvision
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from turns import serve, throughput

UNITS = {"age": 121, "gender": 1, "smile": 1}  # logits of each head, as keras_mtl has them
# torch.compile makes its kernels with a C++ compiler.
COMPILED = ["channels_last, compiled"] if shutil.which("g++") else []
SETTINGS = {
    "training": ["contiguous", "channels_last", *COMPILED],
    "inference": ["channels_last", "channels_last, BN folded", "channels_last, BN folded, traced", *COMPILED],
}


class Net(torch.nn.Module):
    """torchvision's ResNet-18 with three linear heads, on uint8 pixels `[batch, 3, height, width]`."""

    def __init__(self):
        super().__init__()
        self.trunk = torchvision.models.resnet18()
        self.trunk.fc = torch.nn.Identity()
        self.heads = torch.nn.ModuleDict({name: torch.nn.Linear(512, units) for name, units in UNITS.items()})
        self.register_buffer("mean", 255 * torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", 255 * torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, pixels):
        features = self.trunk((pixels.float() - self.mean) / self.std)
        return [head(features) for head in self.heads.values()]


def batch(size: int, count: int, layout: str) -> tuple:
    random = np.random.default_rng(0)
    pixels = torch.from_numpy(random.integers(0, 256, (count, 3, size, size), np.uint8))
    labels = [torch.from_numpy(random.integers(0, max(units, 2), count)) for units in UNITS.values()]
    return pixels.to(memory_format=memory_format(layout)), labels


def memory_format(layout: str):
    return torch.channels_last if layout.startswith("channels_last") else torch.contiguous_format


def autocast(precision: str):
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")


def loss_of(logits, labels):
    age, *binary = (value.float() for value in logits)
    years = torch.arange(UNITS["age"], dtype=torch.float32)
    target = torch.softmax(-0.5 * ((years - labels[0][:, None]) / 2) ** 2, -1)
    expected = torch.softmax(age, -1) @ years
    total = functional.cross_entropy(age, target) + (expected - labels[0]).abs().mean()
    for value, label in zip(binary, labels[1:], strict=True):
        total = total + functional.binary_cross_entropy_with_logits(value[:, 0], label.float())
    return total


@functools.cache
def training_step(size: int, count: int, precision: str, setting: str):
    net = Net().train().to(memory_format=memory_format(setting))
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.01, fused=True)
    pixels, labels = batch(size, count, setting)
    forward = torch.compile(net) if "compiled" in setting else net

    def step():
        with autocast(precision):
            logits = forward(pixels)
        loss = loss_of(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


@functools.cache
def inference_step(size: int, count: int, precision: str, setting: str):
    net = Net().eval().to(memory_format=memory_format(setting))
    pixels, _ = batch(size, count, setting)
    if "folded" in setting:
        fold(net.trunk)
    if "traced" in setting:
        with (
            torch.inference_mode(),
            torch.autocast("cpu", torch.bfloat16, precision == "bfloat16", cache_enabled=False),
        ):
            traced = torch.jit.freeze(torch.jit.trace(net, pixels, check_trace=False))
            for _ in range(2):  # torch optimises at the first calls
                traced(pixels)
        net = traced
    if "compiled" in setting:
        net = torch.compile(net)

    @torch.inference_mode()
    def step():
        with autocast(precision):
            age, *binary = net(pixels)
        return [torch.softmax(age.float(), -1).numpy(), *(torch.sigmoid(value.float()).numpy() for value in binary)]

    return step


def fold(trunk) -> None:
    """Works each BatchNorm2d into the convolution before it, in place."""
    trunk.conv1, trunk.bn1 = fuse_conv_bn_eval(trunk.conv1, trunk.bn1), torch.nn.Identity()
    for stage in (trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4):
        for block in stage:
            block.conv1, block.bn1 = fuse_conv_bn_eval(block.conv1, block.bn1), torch.nn.Identity()
            block.conv2, block.bn2 = fuse_conv_bn_eval(block.conv2, block.bn2), torch.nn.Identity()
            if block.downsample is not None:
                block.downsample = torch.nn.Sequential(fuse_conv_bn_eval(*copy.deepcopy(block.downsample)))


def answer(request: dict) -> dict:
    if request["what"] == "about":
        return {
            "versions": [f"torch {torch.__version__}", f"torchvision {torchvision.__version__}"],
            "settings": SETTINGS,
        }
    make = training_step if request["what"] == "training" else inference_step
    step = make(request["size"], request["batch"], request["precision"], request["setting"])
    return {"images_per_second": throughput(step, request["batch"], request["seconds"])}


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("BENCHMARK_THREADS", "0")) or len(os.sched_getaffinity(0)))
    serve(answer)
