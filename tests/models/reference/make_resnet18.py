"""Makes resnet18.npz: what torchvision's ResNet-18 gives for the weights and images below.

    pip install torch==2.14.1 torchvision==0.29.1 && python tests/models/reference/make_resnet18.py

Weights and images come from a seed for each name (of numpy's frozen generator, so they are the same for ever):
only the features are stored. The test that reads them needs no torch.
"""

from __future__ import annotations

import pathlib
import zlib

import numpy as np

REFERENCE = pathlib.Path(__file__).with_name("resnet18.npz")
SIZES = (64, 96)
KEPT = 4  # channels of each stage that are stored; of the pooled features all are


def images(size: int) -> np.ndarray:
    """Two images of noise, uint8 `[2, size, size, 3]`."""
    return np.random.RandomState(size).randint(0, 256, (2, size, size, 3)).astype(np.uint8)


def shapes(blocks=(2, 2, 2, 2), width: int = 64) -> dict[str, tuple[int, ...]]:
    """The names and shapes of torchvision's state dict, without `fc`."""
    found: dict[str, tuple[int, ...]] = {"conv1.weight": (width, 3, 7, 7), **_norm("bn1", width)}
    before = width
    for stage, count in enumerate(blocks, start=1):
        channels = width * 2 ** (stage - 1)
        for block in range(count):
            name = f"layer{stage}.{block}"
            found[f"{name}.conv1.weight"] = (channels, before, 3, 3)
            found.update(_norm(f"{name}.bn1", channels))
            found[f"{name}.conv2.weight"] = (channels, channels, 3, 3)
            found.update(_norm(f"{name}.bn2", channels))
            if before != channels:
                found[f"{name}.downsample.0.weight"] = (channels, before, 1, 1)
                found.update(_norm(f"{name}.downsample.1", channels))
            before = channels
    return found


def state_dict(**options) -> dict[str, np.ndarray]:
    """Random weights by torchvision's names, float32; BatchNormalization's statistics are far from 0 and 1."""
    return {name: _tensor(name, shape) for name, shape in shapes(**options).items()}


def _norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{field}": (channels,) for field in ("weight", "bias", "running_mean", "running_var")}


def _tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    random = np.random.RandomState(zlib.crc32(name.encode()))
    if len(shape) == 4:
        values = random.standard_normal(shape) * np.sqrt(2 / (shape[0] * shape[2] * shape[3]))
    elif name.endswith(("running_var", "weight")):
        values = random.uniform(0.5, 1.5, shape)
    else:
        values = random.uniform(-0.3, 0.3, shape)
    return values.astype(np.float32)


def main() -> None:
    import torch
    import torchvision

    net = torchvision.models.resnet18()
    missing = net.load_state_dict({k: torch.from_numpy(v) for k, v in state_dict().items()}, strict=False)
    assert not missing.unexpected_keys
    assert all(key.startswith("fc.") or key.endswith("num_batches_tracked") for key in missing.missing_keys)
    net.eval()
    features = {}

    def keep(stage: str, size: int):
        return lambda module, inputs, output: features.update({f"{stage}_{size}": output[:, :KEPT].numpy()})

    for size in SIZES:
        stages = {"stem": net.maxpool, **{f"stage{n}": getattr(net, f"layer{n}") for n in range(1, 5)}}
        hooks = [layer.register_forward_hook(keep(stage, size)) for stage, layer in stages.items()]
        hooks.append(
            net.avgpool.register_forward_hook(
                lambda module, inputs, output, size=size: features.update({f"pool_{size}": output.flatten(1).numpy()})
            )
        )
        pixels = torch.from_numpy(images(size)).permute(0, 3, 1, 2).float() / 255
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        with torch.inference_mode():
            net((pixels - mean[:, None, None]) / std[:, None, None])
        for hook in hooks:
            hook.remove()
    np.savez_compressed(REFERENCE, **features)


if __name__ == "__main__":
    main()
