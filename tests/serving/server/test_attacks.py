"""What somebody may do to a server, and that others are answered meanwhile."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import httpx
import numpy as np
import PIL.Image
import psutil
import pytest
from exported_models import random_model
from fake_detector import load
from running_server import running_server, wait_until

from keras_mtl.cores import count_cores
from keras_mtl.errors import UserError
from keras_mtl.serving.export import export_model
from keras_mtl.serving.server import bodies, protocol
from keras_mtl.serving.server.access import is_loopback
from keras_mtl.serving.server.budget import Budget
from keras_mtl.serving.server.refusal import Refusal


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models")
    export_model(random_model(), folder, name="m")
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_mtl.serving.server.state.load_detector", load)
        with running_server(folder, timeout_seconds=120) as address:
            yield address


def photo(kind="PNG", size=(40, 30)) -> bytes:
    data = io.BytesIO()
    PIL.Image.new("RGB", size, (9, 99, 199)).save(data, kind)
    return data.getvalue()


def connect(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def status_of(connection: socket.socket) -> int:
    return int(connection.makefile("rb").readline().split()[1])


def works(address: str) -> bool:
    return httpx.post(f"{address}/v1/predict", content=photo(), timeout=60).status_code == 200


HEADS = {
    "one header of megabytes": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ", b"a" * (8 << 20)),
    "a request line of megabytes": (b"GET /", b"a" * (8 << 20)),
    "a complete line that is too long": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b""),
    "many headers": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", b"".join(b"X-%d: a\r\n" % i for i in range(200))),
    "many large ones": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", (b"X-A: " + b"a" * 4000 + b"\r\n") * 90),
}


@pytest.mark.parametrize("kind", HEADS)
def test_heads_that_are_too_large_are_refused(address, kind):
    start, rest = HEADS[kind]
    with connect(address) as connection:
        connection.sendall(start)
        with contextlib.suppress(OSError):  # It need not take all of it.
            connection.sendall(rest)
        assert status_of(connection) == 431
    assert works(address)


def test_the_largest_head_is_taken_again_and_again(address):
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + (b"X-A: " + b"a" * 8000 + b"\r\n") * 7 + b"\r\n"
    with connect(address) as connection:
        for _ in range(3):
            connection.sendall(head[: len(head) // 2])
            time.sleep(0.05)
            connection.sendall(head[len(head) // 2 :])
            answer = b""
            while b'"ok"' not in answer:
                answer += connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200")


def test_a_head_that_never_ends_is_given_up(folder, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    with running_server(folder) as address, connect(address) as slow, connect(address) as silent:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
        assert status_of(slow) == 408
        assert silent.recv(10) == b""
        assert works(address)


def test_unfinished_uploads_keep_nobody_out(folder, monkeypatch):
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 3.0)
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nab"
    with running_server(folder, queue=4, uploads=64) as address, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(address)) for _ in range(15)]
        for connection in slow:
            connection.sendall(head)
        assert works(address)  # There are more of them than the queue has places.
        assert [status_of(connection) for connection in slow] == [408] * 15
        assert works(address)


def test_one_address_has_a_quarter_of_the_uploads(folder):
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nab"
    with running_server(folder, uploads=16) as address, contextlib.ExitStack() as stack:
        for connection in [stack.enter_context(connect(address)) for _ in range(4)]:
            connection.sendall(head)
        wait_until(lambda: not works(address))
        assert httpx.post(f"{address}/v1/predict", content=photo()).status_code == 429
        stack.close()
        wait_until(lambda: works(address))


def test_bodies_together_stay_within_their_memory(folder):
    # 16 MB in all, 4 of them for bodies: of three of 2 MB one is refused, unless it comes alone.
    with running_server(folder, memory_mb=16, uploads=64) as address, contextlib.ExitStack() as stack:
        head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1999991\r\n\r\n" + b"a" * 1_999_990
        sent = [stack.enter_context(connect(address)) for _ in range(2)]
        for connection in sent:
            connection.sendall(head)
        wait_until(lambda: not works(address))
        assert httpx.post(f"{address}/v1/predict", content=photo()).status_code == 503
        for connection in sent:
            connection.sendall(b"a")
            assert status_of(connection) == 400
        wait_until(lambda: works(address))


def bomb(side: int = 7000) -> bytes:
    """A PNG of many transparent pixels in few bytes."""
    data = io.BytesIO()
    PIL.Image.new("RGBA", (side, side), (200, 20, 30, 128)).save(data, "PNG", compress_level=9)
    return data.getvalue()


def test_photos_of_many_pixels_take_turns_and_memory_is_given_back(address):
    process, data = psutil.Process(os.getpid()), bomb(3000)
    works(address)
    before, most, codes = process.memory_info().rss, 0, []

    def send():
        query = {"detect": "true"}
        codes.append(httpx.post(f"{address}/v1/predict", content=data, params=query, timeout=120).status_code)

    threads = [threading.Thread(target=send) for _ in range(12)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, process.memory_info().rss - before)
        time.sleep(0.01)
    assert set(codes) == {200} and len(codes) == 12
    assert most < 400e6, most  # Of one alone 9 million times some 20 bytes, of twelve at once 12 times that.
    wait_until(lambda: process.memory_info().rss - before < 60e6, 30)


def test_lists_of_numbers_take_turns(folder):
    numbers = np.zeros([1, 200, 200, 3], int).tolist()
    with running_server(folder, memory_mb=16) as address:  # 8 MB are less than one of them takes.
        codes = []
        content = json.dumps({"instances": numbers})

        def send():
            codes.append(httpx.post(f"{address}/v1/models/m:predict", content=content, timeout=60).status_code)

        threads = [threading.Thread(target=send) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert codes.count(200) >= 1 and set(codes) <= {200, 503}


def test_who_waits_for_memory_keeps_no_thread_from_others(folder, monkeypatch):
    budgets = []

    class Told(Budget):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            budgets.append(self)

    monkeypatch.setattr("keras_mtl.serving.server.state.Budget", Told)
    with running_server(folder, memory_mb=16) as address:
        decoding, codes = budgets[0], []
        decoding.take(7_000_000)  # Of 8 million.
        large = photo(size=(300, 300))
        threads = [
            threading.Thread(
                target=lambda: codes.append(httpx.post(f"{address}/v1/predict", content=large, timeout=60).status_code)
            )
            for _ in range(2 * count_cores() + 4)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(decoding._waiting) == len(threads))
        assert works(address) and not codes
        decoding.give_back(7_000_000)
        for thread in threads:
            thread.join()
    assert codes == [200] * len(threads)


def test_who_needs_little_comes_before_who_needs_more_than_there_is():
    budget = Budget(10, places=1)
    come = []

    def wait(name, amount):
        with budget.waited_for(amount, 30):
            come.append(name)

    budget.take(6)
    threads = []
    for turn, (name, amount) in enumerate({"large": 8, "small": 2, "other": 3}.items()):
        threads.append(threading.Thread(target=wait, args=(name, amount)))
        with budget.waited_for(1, 0):  # Nobody else has the only place meanwhile.
            threads[-1].start()
            wait_until(lambda turn=turn: len(budget._waiting) == (1 if not turn else 2))
        wait_until(lambda turn=turn: len(come) == turn)
    budget.give_back(6)
    for thread in threads:
        thread.join()
    assert come == ["small", "other", "large"]


def test_a_budget_is_shared_and_who_waits_too_long_is_refused():
    budget = Budget(10)
    with budget.waited_for(6, 0), budget.waited_for(4, 0):
        with pytest.raises(Refusal) as refusal, budget.waited_for(1, 0.01):
            pass
        assert refusal.value.status == 503
        with pytest.raises(Refusal):
            budget.take(1)
    with budget.waited_for(100, 0), budget.waited_for(1, 0), pytest.raises(Refusal):  # More than all but an eighth.
        budget.take(1)
    budget.take(10)
    threading.Timer(0.05, budget.give_back, [10]).start()
    with budget.waited_for(10, 30):
        pass


def post(address, **headers):
    return httpx.post(f"{address}/v1/predict", content=photo(), headers=headers).status_code


def test_other_names_and_other_sites_are_refused_on_this_machine(address):
    assert httpx.get(f"{address}/healthz", headers={"Host": "evil.example"}).status_code == 400
    port = address.rpartition(":")[2]
    assert httpx.get(f"{address}/healthz", headers={"Host": f"localhost:{port}"}).status_code == 200
    assert post(address, Origin="https://evil.example") == 403
    assert post(address, Origin="null") == 403
    assert post(address, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert post(address, Origin=address, **{"Sec-Fetch-Site": "same-origin"}) == 200
    assert post(address) == 200
    assert (
        httpx.get(f"{address}/v1/models", headers={"Origin": "https://evil.example"}).headers.get(
            "access-control-allow-origin"
        )
        is None
    )


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a.b", False)]
)
def test_what_only_this_machine_reaches(host, expected):
    assert is_loopback(host) is expected


def test_sites_keys_names_and_rates_as_they_are_set(folder, tmp_path):
    (tmp_path / "keys").write_text("# of two people\nfirst\n\nsecond\n")
    flags = {
        "cors_origins": ("https://good.example",),
        "allowed_hosts": ("my.example", "127.0.0.1"),
        "api_keys": str(tmp_path / "keys"),
        "rate": "6/hour",
    }
    with running_server(folder, **flags) as address:
        assert httpx.get(f"{address}/healthz", headers={"Host": "localhost"}).status_code == 400
        assert httpx.get(f"{address}/healthz", headers={"Host": "my.example"}).status_code == 200
        assert httpx.get(f"{address}/v1/models").status_code == 401
        key = {"X-API-Key": "second"}
        assert httpx.get(f"{address}/v1/models", headers=key).status_code == 200
        assert post(address) == 401
        assert post(address, **{"X-API-Key": "secon"}) == 401
        answer = httpx.post(f"{address}/v1/predict", content=photo(), headers={**key, "Origin": "https://good.example"})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://good.example"
        assert post(address, **key, Origin="https://other.example") == 403
        assert [post(address, **key) for _ in range(3)] == [200, 200, 429]


def test_every_answer_has_an_id_and_the_log_has_it_too(folder, caplog):
    caplog.set_level("INFO", "keras_mtl.serve.access")
    with running_server(folder, access_log=True) as address:
        given = "0123456789abcdef0123456789abcdef"
        answer = httpx.post(
            f"{address}/v1/predict?models=m", content=photo(), headers={"X-Request-ID": given, "User-Agent": "secret"}
        )
        assert answer.headers["x-request-id"] == given
        assert len(httpx.get(f"{address}/healthz").headers["x-request-id"]) == 32
    lines = [json.loads(record.message) for record in caplog.records if record.name == "keras_mtl.serve.access"]
    (line,) = [line for line in lines if line["request_id"] == given]
    assert line["route"] == "/v1/predict" and line["status"] == 200 and line["milliseconds"] > 0
    assert "secret" not in caplog.text and "127.0.0.1" not in str(lines)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"tls_key": "key.pem"}, "needed together"),
        ({"tls_key": "key.pem", "tls_certificate": "cert.pem"}, "can't be used"),
        ({"api_keys": "none"}, "none"),
        ({"rate": "often"}, "100/minute"),
        ({"cors_origins": ("example.com",)}, "https://example.com"),
        ({"allowed_hosts": ("a*b",)}, r"\*\.example\.com"),
    ],
)
def test_settings_that_mean_nothing_are_one_line(folder, tmp_path, monkeypatch, flags, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words), running_server(folder, **flags):
        pass


def test_by_https_it_is_whom_its_certificate_names(folder, tmp_path):
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("openssl, which makes a certificate, is not installed")
    paths = {"tls_key": str(tmp_path / "key.pem"), "tls_certificate": str(tmp_path / "cert.pem")}
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    named = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", paths["tls_key"], "-out", paths["tls_certificate"]]
    subprocess.run([openssl, *made, *named], check=True, capture_output=True)
    with running_server(folder, **paths) as address:
        assert address.startswith("https://")
        trusted = ssl.create_default_context(cafile=paths["tls_certificate"])
        assert httpx.post(f"{address}/v1/predict", content=photo(), verify=trusted).status_code == 200
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            httpx.get(f"{address}/healthz")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{address.replace('https', 'http')}/healthz")
