"""A server under traffic: new versions, too many requests, a stop."""

import io
import pathlib
import shutil
import signal
import subprocess
import sys
import threading

import httpx
import numpy as np
import PIL.Image
import pytest
from exported_models import random_model
from running_server import answers, running_server, wait_until

from keras_mtl.errors import UserError
from keras_mtl.serving.export import export_model
from keras_mtl.serving.server.config import ServeConfig
from keras_mtl.serving.server.run import start as start_server

_data = io.BytesIO()
PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(_data, "PNG")
PHOTO = _data.getvalue()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_model(random_model(), tmp_path_factory.mktemp("models"), name="m", formats=["onnx"])


@pytest.fixture
def folder(exported, tmp_path):
    shutil.copytree(exported.parent, tmp_path / "m")
    return tmp_path / "m"


class Traffic:
    """Clients that ask without a pause, each over its own connection, and keep what they were answered."""

    def __init__(self, address, clients=4):
        self.url, self.answers, self.errors, self.ending = f"{address}/v1/predict", [], [], threading.Event()
        self.threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self):
        with httpx.Client(timeout=60) as client:
            while not self.ending.is_set():
                try:
                    answer = client.post(self.url, content=PHOTO, headers={"Content-Type": "image/png"})
                    version = answer.json()["models"][0]["version"] if answer.status_code == 200 else None
                    self.answers.append((answer.status_code, version))
                except httpx.TransportError as error:
                    self.errors.append(repr(error))
                    return

    def versions(self):
        return {version for _, version in list(self.answers)}

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join(60)


def add_version(folder, number):
    shutil.copytree(folder / "1", folder / f".{number}")
    (folder / f".{number}").rename(folder / str(number))


def test_new_versions_are_served_and_no_request_is_lost(folder):
    with running_server(folder) as address, Traffic(address) as traffic:
        wait_until(lambda: traffic.versions() == {"1"})
        add_version(folder, 2)
        wait_until(lambda: "2" in traffic.versions())
        add_version(folder, 10)
        wait_until(lambda: "10" in traffic.versions())
        shutil.rmtree(folder / "1")
        shutil.rmtree(folder / "10")
        wait_until(lambda: traffic.answers[-1][1] == "2")
    assert not traffic.errors and {status for status, _ in traffic.answers} == {200}


def test_a_broken_version_is_told_and_the_old_one_goes_on(folder):
    with running_server(folder) as address:
        (folder / "2").mkdir()
        (folder / "2" / "saved_model.pb").write_bytes(b"broken")

        def states():
            told = httpx.get(f"{address}/v1/models/m").json()["model_version_status"]
            return {state["version"]: (state["state"], state["status"]["error_message"]) for state in told}

        wait_until(lambda: states().get("2", ("",))[0] == "END")
        assert states()["1"] == ("AVAILABLE", "") and states()["2"][1]
        assert httpx.post(f"{address}/v1/predict", content=PHOTO).json()["models"][0]["version"] == "1"
        assert 'keras_mtl_model_loads_total{model="m",result="failed"} 1.0' in httpx.get(f"{address}/metrics").text
        shutil.rmtree(folder / "2")
        add_version(folder, 2)
        # A look between the two leaves no trace of the version that was removed.
        wait_until(lambda: states().get("2") == ("AVAILABLE", ""))


def test_all_versions_and_models_that_come_later(folder):
    add_version(folder, 2)
    with running_server(folder.parent, versions="all") as address:
        for version in ("1", "2"):
            url = f"{address}/v1/models/m/versions/{version}"
            assert httpx.get(f"{url}/metadata").json()["model_spec"]["version"] == version
        shutil.copytree(folder, folder.parent / "n")

        def names():
            return [model["name"] for model in httpx.get(f"{address}/v1/models").json()["models"]]

        wait_until(lambda: names() == ["m", "n"])


def test_too_many_and_too_slow_requests_are_refused_and_the_others_answered(folder, monkeypatch):
    from keras_mtl.serving.backends.tensorflow import TensorFlow

    predict, leave = TensorFlow.predict, threading.Event()
    leave.set()

    def slow(self, images):
        leave.wait(60)
        return predict(self, images)

    monkeypatch.setattr(TensorFlow, "predict", slow)
    with running_server(folder, queue=3, timeout_seconds=6) as address:
        statuses = []

        def ask():
            answer = httpx.post(f"{address}/v1/predict", content=PHOTO, timeout=60)
            statuses.append((answer.status_code, answer.headers.get("retry-after")))

        leave.clear()
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(statuses) == 5)
        assert statuses == [(429, "1")] * 5
        wait_until(lambda: len(statuses) == 8)
        assert statuses[5:] == [(504, "1")] * 3
        leave.set()
        for thread in threads:
            thread.join()
        wait_until(lambda: httpx.post(f"{address}/v1/predict", content=PHOTO).status_code == 200)


def start(*flags):
    command = [sys.executable, "-m", "keras_mtl.serve", "--port=0", *map(str, flags)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line.startswith("Serving on http://"), line + process.stderr.read()
    return process, line.split()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_and_a_stop_loses_no_request(folder, number):
    process, address = start(f"--model={folder}", "--backend=onnx")
    try:
        with Traffic(address) as traffic:
            wait_until(lambda: len(traffic.answers) > 20)
            # TensorFlow is not needed for ONNX, and not there.
            assert "tensorflow" not in pathlib.Path(f"/proc/{process.pid}/maps").read_text()
            form = {"Content-Type": "multipart/form-data; boundary=x"}
            assert httpx.post(f"{address}/v1/predict", content=b"--x\r\nsecret@: 1", headers=form).status_code == 400
            process.send_signal(number)
            assert process.wait(60) == 0
    finally:
        process.kill()
    assert {status for status, _ in traffic.answers} == {200}
    # Who asks after the end finds nobody there; nobody is cut off in the middle of an answer.
    assert all("Connect" in error or "disconnected" in error for error in traffic.errors), traffic.errors
    told = process.stderr.read()
    assert PHOTO[:4].decode("latin1") not in told and "WARNING" not in told


def test_wrong_flags_end_with_one_line_and_code_2(folder, tmp_path):
    with running_server(folder) as address:
        taken = address.rsplit(":", 1)[1]
        for flags, words in [
            ([f"--model={folder}", f"--port={taken}"], "Address already in use"),
            ([f"--model={tmp_path / 'none'}"], "no such folder"),
            ([f"--model={tmp_path}/m/1/assets"], "no exported model"),
            ([f"--model={folder}", "--backend=litert"], "--formats=litert"),
            ([], "--model="),
        ]:
            done = subprocess.run([sys.executable, "-m", "keras_mtl.serve", *flags], capture_output=True, text=True)
            assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith("Error:"), done.stderr
            assert words in done.stderr and "Traceback" not in done.stderr


def told(address):
    """By version its state and message, as TensorFlow Serving tells them."""
    answer = httpx.get(f"{address}/v1/models/m").json()
    return {
        state["version"]: (state["state"], state["status"]["error_message"])
        for state in answer.get("model_version_status", [])
    }


@pytest.mark.parametrize("keep", [False, True])
def test_a_model_whose_versions_were_all_removed_goes_away_or_stays(folder, keep):
    with running_server(folder.parent, keep_removed=keep) as address:
        (folder / "1").rename(folder.parent / "put_aside")
        if keep:
            shutil.copytree(folder.parent / "put_aside", folder.parent / "n" / "1")
            wait_until(lambda: len(httpx.get(f"{address}/v1/models").json()["models"]) == 2)
            assert told(address) == {"1": ("AVAILABLE", "")}
        else:
            wait_until(lambda: httpx.get(f"{address}/readyz").status_code == 503)
            assert httpx.get(f"{address}/v1/models/m").status_code == 404
            assert httpx.post(f"{address}/v1/predict", content=PHOTO).status_code == 503
            (folder.parent / "put_aside").rename(folder / "1")
            wait_until(lambda: httpx.get(f"{address}/readyz").status_code == 200)
            assert httpx.post(f"{address}/v1/predict", content=PHOTO).status_code == 200


def test_states_tell_what_comes_and_what_went(folder, monkeypatch):
    from keras_mtl.serving.server import registry

    opened, leave = registry.ExportedModel, threading.Event()
    leave.set()

    def slowly(*arguments):
        leave.wait(60)
        return opened(*arguments)

    monkeypatch.setattr(registry, "ExportedModel", slowly)
    with running_server(folder) as address:
        leave.clear()
        add_version(folder, 2)
        wait_until(lambda: told(address) == {"1": ("AVAILABLE", ""), "2": ("LOADING", "")})
        leave.set()
        wait_until(lambda: told(address) == {"1": ("END", ""), "2": ("AVAILABLE", "")})
        (folder / "3").mkdir()
        (folder / "3" / "saved_model.pb").write_bytes(b"broken")
        wait_until(lambda: told(address).get("3", ("",))[0] == "END")
        shutil.rmtree(folder / "3")
        wait_until(lambda: "3" not in told(address))


def test_a_folder_that_is_empty_yet_is_waited_for(exported, tmp_path):
    with pytest.raises(UserError, match="no such folder"), running_server(tmp_path / "models"):
        pass
    server, listening = start_server(ServeConfig(model=(str(tmp_path),), port=0, wait=True, reload_seconds=0.1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        wait_until(lambda: answers(f"{address}/healthz"))
        assert httpx.get(f"{address}/readyz").status_code == 503
        shutil.copytree(exported.parent, tmp_path / "m")
        wait_until(lambda: answers(f"{address}/readyz"))
        assert httpx.post(f"{address}/v1/predict", content=PHOTO).status_code == 200
    finally:
        server.should_exit = True
        thread.join(30)


def test_while_it_drains_it_answers_and_says_that_it_is_not_ready(folder):
    process, address = start(f"--model={folder}", "--backend=onnx", "--drain_seconds=3")
    try:
        wait_until(lambda: answers(f"{address}/readyz"))
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: httpx.get(f"{address}/readyz").status_code == 503)
        assert httpx.post(f"{address}/v1/predict", content=PHOTO).status_code == 200
        assert process.wait(60) == 0
    finally:
        process.kill()
