"""What other clients see of a server, and what memory it takes, while somebody attacks it.

    python benchmarks/serving_attacks.py --model=saved_models/faces
    python benchmarks/serving_attacks.py --model=saved_models/faces --checkout=/another/checkout --attacks=heads

(extras `serve` and `client`, and `faces` for photos in which faces are to be found; Linux)

Each attack meets a server of its own, on loopback, for so many seconds; meanwhile one client at another address asks
for a small photo ten times a second. Told are that client's answers that were not 200 or took more than 5 s, its median
and 99th percentile, the most memory over the idle server, and what is left of it 15 s after the end.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import numpy as np
import PIL.Image

from keras_mtl.table import aligned

LATE = 5.0
ATTACKER = "127.0.0.2"
"""The address that attacks come from."""


def photo(side: int = 64, mode: str = "RGB") -> bytes:
    data = io.BytesIO()
    PIL.Image.new(mode, (side, side), (9, 99, 199)).save(data, "PNG", compress_level=9)
    return data.getvalue()


@contextlib.contextmanager
def server(model: str, checkout: str, *flags: str) -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "keras_mtl.serve", f"--model={model}", "--port=0", *flags]
    environment = {**os.environ, **({"PYTHONPATH": checkout} if checkout else {})}
    folder = checkout or None  # From where Python takes modules first.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=folder
    ) as run:
        assert run.stdout is not None
        line = run.stdout.readline()
        try:
            yield line.split()[-1], run.pid
        finally:
            run.kill()


def resident(pid: int, field: str = "VmRSS") -> int:
    """Bytes of memory that a process holds, or by "VmHWM" the most that it held."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) * 1024


def connect(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60, source_address=(ATTACKER, 0))


def heads(address: str, until: float) -> None:
    """Headers of 100 MB, one after the other."""
    while time.monotonic() < until:
        with contextlib.suppress(OSError), connect(address) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ")
            for _ in range(100):
                connection.sendall(b"a" * 1_000_000)
        time.sleep(0.1)


def uploads(address: str, until: float) -> None:
    """200 uploads that never end."""
    head = (
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 1000000\r\n\r\nab"
    )
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(connect(address)).sendall(head)
        time.sleep(max(0.0, until - time.monotonic()))


def slow_heads(address: str, until: float) -> None:
    """500 connections that send a header's byte now and then."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(address)) for _ in range(500)]
        for connection in connections:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nX-A: ")
        while time.monotonic() < until:
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.sendall(b"a")
            time.sleep(1)


def _together(address: str, path: str, content: bytes, count: int) -> None:
    def send() -> None:
        transport = httpx.HTTPTransport(local_address=ATTACKER)
        with contextlib.suppress(httpx.HTTPError), httpx.Client(transport=transport, timeout=120) as client:
            client.post(f"{address}{path}", content=content)

    threads = [threading.Thread(target=send) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def bombs(address: str, until: float) -> None:
    """40 transparent PNGs of 7,000 x 7,000 at once, in which faces are to be found."""
    _together(address, "/v1/predict?detect=true", photo(7000, "RGBA"), 40)


def whole_bombs(address: str, until: float) -> None:
    """The same, without faces to be found."""
    _together(address, "/v1/predict", photo(7000, "RGBA"), 40)


def numbers(address: str, until: float) -> None:
    """16 requests of 19 MB of numbers at once."""
    image = b"[" + b",".join([b"[" + b",".join([b"[0,0,0]"] * 1000) + b"]"] * 60) + b"]"
    content = b'{"instances":[' + b",".join([image] * 39) + b"]}"
    name = httpx.get(f"{address}/v1/models").json()["models"][0]["name"]
    _together(address, f"/v1/models/{name}:predict", content, 16)


ATTACKS: dict[str, Callable[[str, float], None]] = {
    function.__name__: function for function in (heads, uploads, slow_heads, bombs, whole_bombs, numbers)
}


def measured(model: str, checkout: str, attack: Callable[[str, float], None], seconds: float) -> list[str]:
    """A row of the table."""
    with server(model, checkout) as (address, pid):
        ask = httpx.Client(timeout=60)
        small = photo()
        for _ in range(20):
            ask.post(f"{address}/v1/predict", content=small)
        idle = resident(pid)
        times: list[float] = []
        bad = 0
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")  # The most begins anew.
        attacking = threading.Thread(target=attack, args=(address, time.monotonic() + seconds))
        attacking.start()
        while attacking.is_alive():
            start = time.perf_counter()
            try:
                status = ask.post(f"{address}/v1/predict", content=small).status_code
            except httpx.HTTPError:
                status = 0
            times.append(time.perf_counter() - start)
            bad += status != 200 or times[-1] > LATE
            time.sleep(max(0.0, 0.1 - times[-1]))
        most = resident(pid, "VmHWM") - idle
        time.sleep(15)
        left = resident(pid) - idle
    middle, high = np.percentile(times, [50, 99])
    figures = [f"{bad} of {len(times)}", f"{1000 * middle:,.0f}", f"{1000 * high:,.0f}"]
    return [*figures, f"{most / 2**20:,.0f}", f"{left / 2**20:,.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--checkout", default="", help="another checkout, whose server is attacked")
    parser.add_argument("--attacks", default=",".join(ATTACKS))
    parser.add_argument("--seconds", type=float, default=10.0)
    flags = parser.parse_args()
    rows = [["attack", "refused or late", "p50 ms", "p99 ms", "MiB at most", "MiB left"]]
    for name in flags.attacks.split(","):
        rows.append([name, *measured(flags.model, flags.checkout, ATTACKS[name], flags.seconds)])
        print(aligned(rows), flush=True)


if __name__ == "__main__":
    main()
