"""deepface's own API with random weights, since its weights are a download. See benchmarks/serving_load.py.

    gunicorn --chdir=benchmarks/workers --bind=127.0.0.1:PORT 'deepface_server:create_app()'

Needs deepface[api,tensorflow], and nothing of keras_mtl's.
"""

from __future__ import annotations

from deepface import DeepFace
from deepface.api.src import app
from deepface.commons import weight_utils

weight_utils.download_weights_if_necessary = lambda *_, **__: ""
weight_utils.load_model_weights = lambda model, weight_file: model


def create_app():
    """Its Flask app; both nets are made before it answers, as after a first request."""
    for name in ("Age", "Gender"):
        DeepFace.build_model(task="facial_attribute", model_name=name)
    return app.create_app()
