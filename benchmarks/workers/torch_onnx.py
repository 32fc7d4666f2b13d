"""Writes the same net, as torch has it, as ONNX. See benchmarks/serving_formats.py.

    python benchmarks/workers/torch_onnx.py SIZE FILE

Needs torch, torchvision, onnx and onnxscript, and nothing of keras_mtl's.
"""

from __future__ import annotations

import sys

import torch
from torch_worker import Net

SIZE, FILE = int(sys.argv[1]), sys.argv[2]
pixels = torch.zeros([2, 3, SIZE, SIZE], dtype=torch.uint8)
torch.onnx.export(
    Net().eval(),
    (pixels,),
    FILE,
    input_names=["pixels"],
    dynamic_shapes={"pixels": {0: torch.export.Dim("batch")}},
    external_data=False,
)
