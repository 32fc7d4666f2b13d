"""What estimates of a face rest on, by covering its parts in turn."""

from __future__ import annotations

import time
from typing import Annotated, Any

import fastapi
import numpy as np
from fastapi import Query, Request, Response

from keras_mtl.serving.occlusion import PLACES, SIDE, changes, covered
from keras_mtl.serving.server import pixels
from keras_mtl.serving.server.answers import ERRORS, answer
from keras_mtl.serving.server.photos import PHOTO, uploaded
from keras_mtl.serving.server.registry import Served
from keras_mtl.serving.server.state import State, state_of

router = fastapi.APIRouter(tags=["Photos"])
_DIGITS = 5


@router.post(
    "/v1/explain",
    summary="How far each estimate falls where a part of a photo of one face is covered",
    responses={**ERRORS, 415: ERRORS[400]},
    openapi_extra=PHOTO,
)
async def explain(
    request: Request, model: Annotated[str, Query(description="A name; default: the first model.")] = ""
) -> Response:
    """Takes as long as a photo of fifty faces."""
    state = state_of(request)
    async with state.body_for(request, lambda: state.registry.find(model)) as (body, served):

        async def work() -> dict[str, Any]:
            return await _explain(state, served, await uploaded(state, request, body))

        return answer(await state.within_time(work()))


async def _explain(state: State, served: Served, photo: bytes) -> dict[str, Any]:
    exported, config = served.exported, state.config
    until = time.monotonic() + config.timeout_seconds

    def prepare() -> np.ndarray:
        images = state.hold_images(1 + PLACES**2, exported.size)
        images[:] = covered(pixels.squared(photo, exported.size, config.max_megapixels, state.decoding, until))
        return images

    found = changes(exported.kinds, await served.predict(prepare))
    return {
        "model": exported.name,
        "version": exported.version,
        "side": SIDE,
        "changes": {name: np.round(values, _DIGITS).tolist() for name, values in found.items()},
    }
