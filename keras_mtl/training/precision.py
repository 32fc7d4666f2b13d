"""Which arithmetic the processor is good at."""

from __future__ import annotations

import pathlib

BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")


def choose_precision(wanted: str, cpu_info: str | None = None, gpus: int | None = None) -> tuple[str, str]:
    """The precision to train in, and why.

    Where a CPU lacks bfloat16 it is emulated, and a training step takes three to ten times as long as in
    float32; so "auto" takes bfloat16 only from a CPU that has it, or a GPU.

    Args:
        wanted: "auto", "float32" or "bfloat16".
        cpu_info: the text of /proc/cpuinfo; read where not given.
        gpus: the number of GPUs; asked of TensorFlow where not given.

    Returns:
        "float32" or "bfloat16", and the reason in a few words.
    """
    if wanted != "auto":
        return wanted, "as asked"
    if gpus is None:
        import tensorflow as tf

        gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus:
        return "bfloat16", "the GPU has it"
    if cpu_info is None:
        path = pathlib.Path("/proc/cpuinfo")
        cpu_info = path.read_text() if path.exists() else ""
    flags = set(cpu_info.split())
    for name in BFLOAT16_FLAGS:
        if name in flags:
            return "bfloat16", f"the CPU has {name}"
    return "float32", f"the CPU shows none of {', '.join(BFLOAT16_FLAGS)}"
