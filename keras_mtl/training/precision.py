"""Which arithmetic trains a net faster on this machine."""

from __future__ import annotations

import hashlib
import logging
import os
import pathlib
from collections.abc import Callable, Mapping

import keras
import tensorflow as tf

import keras_mtl
from keras_mtl.cores import count_cores
from keras_mtl.data.cache import default_folder
from keras_mtl.errors import UserError
from keras_mtl.files import json_text, read_json, write_json
from keras_mtl.tasks import Task
from keras_mtl.training.config import Config
from keras_mtl.training.precision_trial import time_precisions

BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")
WORTH = 1.05
"""How much faster bfloat16 must be to be taken: where it is no gain, float32 is more exact."""
# What decides how the two compare, besides the machine.
NET = ("image_size", "batch_size", "width", "stages", "stem", "branch_at", "freeze")
KERNELS = ("ONEDNN_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS")

log = logging.getLogger(__name__)


def choose_precision(
    config: Config,
    tasks: Mapping[str, Task],
    *,
    cpu_info: str | None = None,
    gpus: int | None = None,
    trial: Callable[[Config, Mapping[str, Task]], float | None] = time_precisions,
) -> tuple[str, str]:
    """The precision to train in, and why.

    A CPU may have bfloat16 and yet be faster in float32, so "auto" times both, once for each machine and net: the
    ratio is kept in the cache folder. On a CPU that lacks bfloat16 it is emulated, three to ten times slower than
    float32, and on a GPU it is always faster: there nothing is timed.

    Args:
        config: the training's settings.
        tasks: the tasks that they name.
        cpu_info: the text of /proc/cpuinfo; read where not given.
        gpus: the number of GPUs; asked of TensorFlow where not given.
        trial: times both; see `time_precisions`.

    Returns:
        "float32" or "bfloat16", and the reason in a few words.
    """
    if config.precision != "auto":
        return config.precision, "as asked"
    if gpus if gpus is not None else tf.config.list_physical_devices("GPU"):
        return "bfloat16", "the GPU has it"
    cpu_info = cpu_info if cpu_info is not None else read_cpu_info()
    if not has_bfloat16(cpu_info):
        return "float32", f"the CPU shows none of {', '.join(BFLOAT16_FLAGS)}"
    facts = _facts(config, cpu_info)
    name = hashlib.sha256(json_text(facts, sort_keys=True).encode()).hexdigest()[:16]
    path = pathlib.Path(config.cache_dir or default_folder()).expanduser() / f"precision-{name}.json"
    ratio, source = _read(path), f"known from {path}"
    if ratio is None:
        ratio, source = trial(config, tasks), "timed"
        if ratio is None:
            return "float32", "the net is too small for bfloat16 to matter"
        if config.cache != "none":
            _write(path, {"float32_seconds_to_bfloat16_seconds": ratio, **facts})
    told = f"bfloat16 is {ratio:.2f} times as fast as float32 here, {source}"
    return ("bfloat16" if ratio >= WORTH else "float32"), told


def precision_of(model: keras.Model) -> str:
    """What a model computes in: "bfloat16" where any of its layers does, else "float32"."""
    return "bfloat16" if any(layer.compute_dtype == "bfloat16" for layer in model.layers) else "float32"


def has_bfloat16(cpu_info: str) -> bool:
    """Whether the text of /proc/cpuinfo shows instructions for bfloat16."""
    return not set(BFLOAT16_FLAGS).isdisjoint(cpu_info.split())


def read_cpu_info() -> str:
    """The text of /proc/cpuinfo; empty where there is none."""
    path = pathlib.Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""


def _facts(config: Config, cpu_info: str) -> dict:
    """The machine and the net that a ratio holds for."""
    lines = dict(line.partition(":")[::2] for line in cpu_info.splitlines())
    about = {key.strip(): value.strip() for key, value in lines.items()}
    return {
        "processor": about.get("model name", ""),
        "flags": sorted(about.get("flags", "").split()),
        "cores": count_cores(),
        "versions": {"tensorflow": tf.__version__, "keras_mtl": keras_mtl.__version__},
        "kernels": {name: os.environ[name] for name in KERNELS if name in os.environ},
        "net": {name: getattr(config, name) for name in NET},
    }


def _read(path: pathlib.Path) -> float | None:
    """The ratio that was measured before, or None."""
    if not path.exists():
        return None
    try:
        ratio = read_json(path)["float32_seconds_to_bfloat16_seconds"]
        if isinstance(ratio, float) and 0 < ratio < float("inf"):
            return ratio
    except (ValueError, KeyError, TypeError, UserError):
        pass
    log.warning("The cache file %s is damaged; the precisions are timed anew", path)
    return None


def _write(path: pathlib.Path, facts: dict) -> None:
    try:
        write_json(path, facts)
    except OSError as error:  # the next training times anew
        log.warning("%s can't be written: %s", path, error.strerror)
