"""A server of exported models, in a thread: `with running_server(folder) as address: httpx.get(address)`."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Iterator

import httpx

from keras_mtl.serving.server.config import ServeConfig
from keras_mtl.serving.server.run import start


@contextlib.contextmanager
def running_server(*models, **flags) -> Iterator[str]:
    """The address of a server on a free port, ready.

    Args:
        models: as --model.
        flags: other fields of `ServeConfig`; the backend is tensorflow unless another is named. With a certificate it
            is asked by https, which the certificate is trusted for.
    """
    settings = {"backend": "tensorflow", "reload_seconds": 0.1, **flags}
    server, listening = start(ServeConfig(model=tuple(map(str, models)), port=0, **settings))
    certificate = settings.get("tls_certificate", "")
    address = f"http{'s' if certificate else ''}://127.0.0.1:{listening.getsockname()[1]}"
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        wait_until(lambda: answers(f"{address}/readyz", certificate))
        yield address
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def answers(url: str, certificate: str = "") -> bool:
    """Whether a GET is answered with 200; by https only a server of that certificate, a PEM file."""
    trusted = ssl.create_default_context(cafile=certificate) if certificate else True
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url, timeout=5, verify=trusted).status_code == 200
    return False


def wait_until(condition, seconds: float = 60) -> None:
    """Waits for a condition, however slow the machine is; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)
