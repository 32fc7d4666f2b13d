"""The server's process: socket, signals, log."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import ssl
import sys
import threading

import uvicorn

from keras_mtl.errors import UserError
from keras_mtl.memory import return_large_blocks
from keras_mtl.serving.server.app import build_app
from keras_mtl.serving.server.config import ServeConfig
from keras_mtl.serving.server.protocol import BoundedProtocol

KEEP_SECONDS = 75
"""How long a connection is kept for a next request: longer than clients and proxies keep theirs, which is a minute at
most by their defaults. Who closes first must not be us, or a request that is under way just then is lost."""
STOP_SECONDS = 30
"""How long requests that are being answered when the server is stopped may take to end."""


def start(config: ServeConfig) -> tuple[uvicorn.Server, socket.socket]:
    """A server with its models loaded and its port bound; `server.run(sockets=[socket])` then serves.

    Raises:
        UserError: the port can't be had, or a model can't be loaded.
    """
    if bool(config.tls_certificate) != bool(config.tls_key):
        raise UserError("--tls_certificate and --tls_key are needed together")
    listening = _listen(config.host, config.port)
    try:
        app = build_app(config)
    except BaseException:
        listening.close()
        raise
    settings = uvicorn.Config(
        app,
        access_log=False,  # Who sends photos is nobody's business; /metrics counts them.
        log_config=None,
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_keep_alive=KEEP_SECONDS,
        server_header=False,
        http=BoundedProtocol,
        ws="none",
        ssl_certfile=config.tls_certificate or None,
        ssl_keyfile=config.tls_key or None,
    )
    try:
        settings.load()
    except (OSError, ssl.SSLError) as error:
        listening.close()
        raise UserError(f"The certificate or its key can't be used: {error} (--tls_certificate, --tls_key)") from None
    return uvicorn.Server(settings), listening


def serve(config: ServeConfig) -> None:
    """Serves until SIGINT or SIGTERM, then answers what has come and returns."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # It tells bytes of damaged uploads.
    return_large_blocks()
    server, listening = start(config)
    # Python would look through a JSON body's millions of lists again and again while it is read, and all requests wait.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    host, port = listening.getsockname()[:2]
    # uvicorn's own handlers end the process by the signal, which looks like a crash to who started it. In another
    # thread than the main one it sets none.
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})

    shared = server.config.app.state.shared  # type: ignore[union-attr]

    def stop(*_: object) -> None:
        is_first, shared.draining = not shared.draining, True
        if is_first and config.drain_seconds:
            threading.Timer(config.drain_seconds, stop).start()
        else:
            server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    scheme = "https" if config.tls_certificate else "http"
    print(f"Serving on {scheme}://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
    thread.start()
    thread.join()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"Can't listen on {host}:{port}: {reason}. Choose another with --host and --port") from None
