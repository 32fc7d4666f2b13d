"""The same net behind FastAPI, as most people write it. See benchmarks/serving_load.py.

    python benchmarks/workers/torch_server.py PORT SIZE THREADS

Needs torch, torchvision, fastapi, uvicorn and Pillow, and nothing of keras_mtl's.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import fastapi
import numpy as np
import PIL.Image
import torch
import uvicorn
from torch_worker import Net, fold

PORT, SIZE, THREADS = map(int, sys.argv[1:])

torch.set_num_threads(THREADS)
net = Net().eval().to(memory_format=torch.channels_last)
fold(net.trunk)
app = fastapi.FastAPI()


@app.post("/predict")
def predict(photo: Annotated[bytes, fastapi.Body(media_type="image/jpeg")]) -> dict:
    """Runs in one of the threads that FastAPI keeps for functions which block."""
    image = PIL.Image.open(io.BytesIO(photo)).convert("RGB").resize((SIZE, SIZE), PIL.Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        age, gender, smile = net(pixels)
        years = torch.softmax(age[0], -1) @ torch.arange(age.shape[-1], dtype=torch.float32)
        return {"age": years.item(), "gender": torch.sigmoid(gender).item(), "smile": torch.sigmoid(smile).item()}


@app.get("/ready")
def ready() -> dict:
    return {}


uvicorn.run(app, port=PORT, log_level="warning", access_log=False)
