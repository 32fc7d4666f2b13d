"""The server's ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import time
from collections.abc import AsyncIterator

import asgi_correlation_id
import fastapi
import starlette.exceptions
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import keras_mtl
from keras_mtl.errors import UserError
from keras_mtl.files import json_text
from keras_mtl.memory import give_back_memory
from keras_mtl.serving.server import explain, inference, page, photos, rest
from keras_mtl.serving.server.access import add_access, check_key
from keras_mtl.serving.server.answers import answer, refused
from keras_mtl.serving.server.config import ServeConfig
from keras_mtl.serving.server.metrics import Metrics
from keras_mtl.serving.server.refusal import Refusal
from keras_mtl.serving.server.state import State, state_of

log = logging.getLogger("keras_mtl.serve")
access = logging.getLogger("keras_mtl.serve.access")
IDLE_SECONDS = 3
"""How long nothing is answered before memory is given back."""
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'"),
]


def build_app(config: ServeConfig) -> fastapi.FastAPI:
    """Loads the models and returns the application, which any ASGI server can run.

    Raises:
        UserError: a model can't be loaded.
    """
    shared = State(config)
    app = fastapi.FastAPI(
        title="keras_mtl",
        version=keras_mtl.__version__,
        summary="Several things read from a photo by one network.",
        docs_url=None,  # They load their scripts from elsewhere.
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.shared = shared
    app.include_router(health)
    app.include_router(inference.health)
    keyed = [fastapi.Depends(check_key)] if shared.keys else []
    app.include_router(photos.router, dependencies=keyed)
    app.include_router(explain.router, dependencies=keyed)
    app.include_router(rest.router, dependencies=keyed)
    app.include_router(inference.router, dependencies=keyed)
    app.include_router(page.router)
    app.add_exception_handler(Refusal, lambda request, error: refused(error))  # type: ignore[arg-type]
    app.add_exception_handler(starlette.exceptions.HTTPException, _plain_error)
    app.add_exception_handler(RequestValidationError, _bad_parameter)
    app.add_exception_handler(Exception, _defect)
    add_access(app, config)
    app.add_middleware(Counting, metrics=shared.metrics, log=config.access_log)
    return app


health = fastapi.APIRouter(tags=["Operation"])


@health.get("/healthz", summary="Whether the process lives")
async def healthz() -> Response:
    return answer({"status": "ok"})


@health.get("/readyz", summary="Whether requests are welcome")
async def readyz(request: Request) -> Response:
    ready = state_of(request).is_welcoming
    return answer({"status": "ready" if ready else "not ready"}, 200 if ready else 503)


@health.get(
    "/monitoring/prometheus/metrics",
    summary="The same, where TensorFlow Serving has it",
    response_class=PlainTextResponse,
)
@health.get("/metrics", summary="Counters for Prometheus", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    return Response(state_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


class Counting:
    """Middleware: counts requests, times them, and adds the headers that every answer bears.

    Args:
        app: what answers.
        metrics: the counters.
        log: whether to log a line of JSON for each.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, log: bool = False):
        self.app, self.metrics, self.log = app, metrics, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        try:
            await self.app(scope, receive, counted)
        finally:
            # Routes, not paths, of which there are as many as somebody likes.
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.requests.labels(scope["method"] if route != "other" else "other", route, status).inc()
            seconds = time.perf_counter() - start
            self.metrics.seconds.labels(route).observe(seconds)
            if self.log:
                line = {
                    "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"),
                    "request_id": asgi_correlation_id.correlation_id.get(),
                    "method": scope["method"],
                    "route": route,
                    "status": status,
                    "milliseconds": round(1000 * seconds, 2),
                }
                access.info("%s", json_text(line))


@contextlib.asynccontextmanager
async def _lifespan(app: fastapi.FastAPI) -> AsyncIterator[None]:
    shared: State = app.state.shared
    tasks = [asyncio.create_task(_give_back_when_idle(shared))]
    if shared.config.reload_seconds:
        tasks.append(asyncio.create_task(_watch(shared)))
    shared.ready = True
    yield
    shared.ready = False
    for task in tasks:
        task.cancel()
    shared.close()


async def _watch(shared: State) -> None:
    while True:
        await asyncio.sleep(shared.config.reload_seconds)
        try:
            await asyncio.to_thread(shared.registry.refresh)
        except (OSError, UserError) as error:
            log.error("New versions can't be looked for: %s", error)


async def _give_back_when_idle(shared: State) -> None:
    """Gives memory back to the system after work, once there is none for a while."""
    answered = idle_since = 0
    while True:
        await asyncio.sleep(1)
        count, idle_since = shared.admissions, idle_since + 1 if shared.idle else 0
        if count > answered and idle_since >= IDLE_SECONDS:
            answered = count
            await asyncio.to_thread(give_back_memory)


async def _plain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, starlette.exceptions.HTTPException)
    path = request.url.path
    is_known = error.status_code == 404 or (error.status_code == 405 and request.method in ("GET", "POST"))
    if path.startswith("/v1/models/") and is_known:  # As TensorFlow Serving has it.
        return answer({"error": f"Malformed request: {request.method} {path[:200]}"}, 400)
    return answer({"error": str(error.detail)}, error.status_code, dict(error.headers or {}))


async def _bad_parameter(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return answer(
        {"error": f"Parameter {first['loc'][-1]}: {first['msg']}. Received: {str(first['input'])[:80]!r}"}, 400
    )


async def _defect(request: Request, error: Exception) -> Response:
    # Starlette raises it again for the log.
    return answer({"error": "The server has a defect: see its log"}, 500)
