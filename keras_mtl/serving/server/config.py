"""The flags of `keras_mtl.serve`."""

from __future__ import annotations

import dataclasses

from keras_mtl.cli import Settings, flag
from keras_mtl.faces.detect import AUTO as ANY_DETECTOR
from keras_mtl.faces.detect import DETECTORS
from keras_mtl.serving.backends import AUTO, BACKENDS

MODELS, ADDRESS, ACCESS, SPEED, LIMITS, FACES = "Models", "Address", "Access", "Speed", "Limits", "Faces"


@dataclasses.dataclass(frozen=True)
class ServeConfig(Settings):
    """How and what to serve."""

    model: tuple[str, ...] = flag(
        (),
        "Exported models, with commas between: a model's folder (saved_models/NAME), a version's folder, or a folder "
        "of models (saved_models).",
        MODELS,
        path=True,
    )
    versions: str = flag("newest", "Which versions of a model to serve.", MODELS, choices=("newest", "all"))
    labels: tuple[str, ...] = flag(
        (), "Names of versions, as MODEL/LABEL=VERSION with commas between, for /labels/LABEL in addresses.", MODELS
    )
    wait: bool = flag(False, "Start although there is no model yet, and serve what comes.", MODELS)
    keep_removed: bool = flag(False, "Serve a model on whose versions were all removed from its folder.", MODELS)
    reload_seconds: float = flag(2.0, "How often to look for new versions; 0 for never.", MODELS, low=0.0)

    host: str = flag("127.0.0.1", "Address to listen on; 0.0.0.0 for every network.", ADDRESS)
    port: int = flag(8501, "Port to listen on; 0 for any that is free.", ADDRESS, low=0, high=65535)

    drain_seconds: float = flag(
        0.0, "How long after SIGTERM requests are still answered while /readyz says 503.", ADDRESS, low=0.0
    )

    allowed_hosts: tuple[str, ...] = flag(
        (),
        "Names that the server may be asked by, * for any; by default localhost where only this machine can reach it, "
        "so that a page that somebody visits can't ask it by a name of its own, and any name elsewhere.",
        ACCESS,
    )
    cors_origins: tuple[str, ...] = flag(
        (), "Sites whose pages may ask, such as https://example.com, or *; by default none but its own.", ACCESS
    )
    api_keys: str = flag("", "A file of keys, one a line: requests need one of them as X-API-Key.", ACCESS, path=True)
    rate: str = flag("", "How often an address may ask, such as 100/minute; then the answer is 429.", ACCESS)
    tls_certificate: str = flag("", "A certificate's PEM file, for https; with --tls_key.", ACCESS, path=True)
    tls_key: str = flag("", "The certificate's private key, a PEM file.", ACCESS, path=True)
    access_log: bool = flag(
        False, "Write a line of JSON for each request, without contents and addresses, to stderr.", ACCESS
    )

    backend: str = flag(AUTO, "What runs the models; auto: the fastest here.", SPEED, choices=(AUTO, *BACKENDS))
    threads: int = flag(0, "Cores that one batch may use; 0 for all but one, as two run side by side.", SPEED, low=0)
    max_batch: int = flag(32, "Images of several requests that are predicted at once, at most.", SPEED, low=1)
    batch_milliseconds: float = flag(
        0.0, "How long to wait for more images before a batch that is not full is predicted.", SPEED, low=0.0
    )

    queue: int = flag(128, "Requests at a time; beyond that the answer is 429.", LIMITS, low=1)
    timeout_seconds: float = flag(30.0, "The longest that a request may take; then the answer is 504.", LIMITS, low=0.1)
    max_body_mb: float = flag(
        20.0, "The largest request, in megabytes; beyond that the answer is 413.", LIMITS, low=0.001
    )
    uploads: int = flag(
        512,
        "Requests that are read at a time, a quarter of them of one address; beyond that 503 and 429.",
        LIMITS,
        low=1,
    )
    memory_mb: float = flag(
        1024.0,
        "Megabytes for the bodies and photos of all requests together: a half while photos are decoded, which wait for "
        "it, a quarter for bodies and one for decoded images, beyond which the answer is 503.",
        LIMITS,
        low=16.0,
    )
    max_images: int = flag(
        1024, "Images in one request of TensorFlow Serving's form; beyond that the answer is 413.", LIMITS, low=1
    )
    max_megapixels: float = flag(50.0, "The largest photo; beyond that the answer is 413.", LIMITS, low=0.001)

    detect: bool = flag(False, "Load the face detector at the start, not with the first photo that asks for it.", FACES)
    detector: str = flag(
        ANY_DETECTOR,
        "What finds faces; auto: the first of these that is installed.",
        FACES,
        choices=(ANY_DETECTOR, *DETECTORS),
    )
    margin: float = flag(
        0.0, "What is added on each side of a face, as for the crops in training.", FACES, low=0.0, high=4.0
    )
