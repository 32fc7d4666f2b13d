"""Serve exported models over HTTP.

    python -m keras_mtl.serve --model=saved_models/NAME
    python -m keras_mtl.serve --model=saved_models --host=0.0.0.0     all models, on every network

A page for people at /, TensorFlow Serving's REST interface at /v1/models/NAME:predict, photo uploads at /v1/predict,
/healthz, /readyz, /metrics and /openapi.json. New versions are served as soon as their folders appear; no request is
lost. SIGTERM stops it after what has come is answered. Needs: pip install 'keras_mtl[serve]'; finding faces needs
'keras_mtl[faces]' as well.
"""

from __future__ import annotations

import importlib.util

from keras_mtl.cli import run_command
from keras_mtl.errors import UserError
from keras_mtl.serving.server.config import ServeConfig

_PACKAGES = ("asgi_correlation_id", "fastapi", "limits", "orjson", "prometheus_client", "python_multipart", "uvicorn")


def main(config: ServeConfig) -> None:
    missing = [package for package in _PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise UserError(
            f"Serving needs the package {missing[0]}, which is not installed: pip install 'keras_mtl[serve]'"
        )
    from keras_mtl.serving.server.run import serve

    serve(config)


def console() -> None:
    """The console script."""
    run_command(main, ServeConfig, __doc__, needs_tensorflow=False)


if __name__ == "__main__":
    console()
