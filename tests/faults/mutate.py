"""Mutated inputs: whatever comes, a reader takes it or refuses it in its own way.

    python tests/faults/mutate.py --count=100000                 all kinds, by the weights below
    python tests/faults/mutate.py --kind=csv --count=2000 --seed=7

Each input is a good one of a small bank with some bytes, tokens or parts changed, given to the reader that the commands
and the server use. It fails where the reader raises anything but a refusal, takes more than 10 seconds, starts a
process, opens a connection or unpickles, or where the process dies. The same seed gives the same inputs.
"""

from __future__ import annotations

import argparse
import base64
import collections
import contextlib
import dataclasses
import functools
import io
import json
import os
import pathlib
import random
import signal
import sys
import tempfile
import time
import traceback
import types
import zipfile
from collections.abc import Callable

SECONDS = 10
CODE = {"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect", "pickle.find_class"}
"""Audit events of what no input may bring about."""
TOKENS = [
    *(b"\0", b"\n", b'"', b"'", b",", b"[", b"]", b"{", b"}", b"*", b"&a", b"<<: ", b"!!python/object", b"=1+1", b"-"),
    *(b"null", b"true", b"NaN", b"Infinity", b"1e999", b"9" * 400, b"\xff\xfe", b"\xed\xa0\x80", b"[" * 2000, b"#"),
    *(b"--flagfile=", b"--epochs=", b"%", b"\\u0000", b"\r\n\r\n", b"--x\r\n", b"keras>Lambda", b"os.system"),
    *(b"../", b"/dev/zero"),
]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of input: good ones, what reads it, how its refusals look, and its share of all inputs."""

    seeds: Callable[[], list[bytes]]
    read: Callable[[pathlib.Path], object]
    refusals: Callable[[], tuple[type[BaseException], ...]]
    share: float = 1.0
    suffix: str = ""
    change: Callable[[bytes, random.Random], bytes] | None = None


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Some bytes flipped, cut, doubled or put in, tokens among them."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(changed) + 1)
        what = chance.randrange(6)
        if what == 0 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            del changed[at : at + chance.choice((1, 2, 10, 100, 10**6))]
        elif what == 2:
            changed[at:at] = chance.choice(TOKENS)
        elif what == 3:
            changed[at:at] = changed[at : at + chance.choice((1, 8, 60))] * chance.choice((1, 2, 50))
        elif what == 4:
            token = chance.choice(TOKENS)
            changed[at : at + len(token)] = token
        else:
            changed[at : at + chance.randrange(9)] = chance.randbytes(chance.randrange(9))
    return bytes(changed)


def mutated_zip(data: bytes, chance: random.Random) -> bytes:
    """One part of an archive mutated, and the archive whole; or its bytes."""
    if chance.random() < 0.3:
        return mutated(data, chance)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        chosen = chance.choice(old.namelist())
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, mutated(part, chance) if name == chosen else part)
    return made.getvalue()


def _user_error() -> tuple[type[BaseException], ...]:
    from keras_mtl.errors import UserError

    return (UserError,)


def _refusal() -> tuple[type[BaseException], ...]:
    from keras_mtl.serving.server.refusal import Refusal

    return (Refusal,)


def _pictures() -> list[bytes]:
    import PIL.Image

    picture = PIL.Image.effect_noise((24, 20), 80)
    found = []
    for mode, format in (
        ("RGB", "JPEG"),
        ("L", "JPEG"),
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("P", "PNG"),
        ("RGB", "WEBP"),
    ):
        data = io.BytesIO()
        picture.convert("RGB").convert(mode).save(data, format)
        found.append(data.getvalue())
    return found


def _table(path: pathlib.Path) -> None:
    from keras_mtl.data.sources import parse_sources
    from keras_mtl.data.splits import load_split
    from keras_mtl.tasks import select_tasks

    tasks = select_tasks(["age", "smile"])
    kind = path.suffix[1:]
    sources = parse_sources([f"age+smile={kind}:{path}"], tasks)
    for source in sources:
        for split in source.splits():
            source.records(split)
    load_split(sources, tasks, "train", image_size=8, cache="none", validation_fraction=0)


def _tables() -> list[dict[str, object]]:
    return [
        {
            "image": f"{i}.png",
            "age": i,
            "smile": ("smiling", "not smiling", "")[i % 3],
            "identity": f"=p{i}",
            "group": "x",
        }
        for i in range(20)
    ]


def _csv() -> list[bytes]:
    rows = _tables()
    return [("\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]) + "\n").encode()]


def _parquet() -> list[bytes]:
    import pyarrow
    import pyarrow.parquet

    data = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(_tables()), data)
    held = io.BytesIO()
    rows = [{"image": {"bytes": b"x", "path": f"{i}.png"}, "age": i, "smile": "smiling"} for i in range(5)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), held)
    return [data.getvalue(), held.getvalue()]


def _tasks() -> list[bytes]:
    tasks = [
        {"name": "a", "kind": "binary", "classes": ["no", "yes"]},
        {"name": "b", "kind": "regression", "low": 0, "high": 9, "unit": "m", "head": "dldl", "options": {"step": 1}},
    ]
    return [json.dumps(tasks).encode()]


def _yaml() -> list[bytes]:
    first = b"- &a\n  name: a\n  kind: binary\n  classes: [no, 'yes']\n"
    return [first + b"- {<<: *a, name: b}\n- {name: c, kind: regression, low: 0, high: 9}\n"]


def _flags() -> list[bytes]:
    from keras_mtl import cli
    from keras_mtl.training.config import Config

    return [cli.to_flags(Config(name="a\nb", sources=("age=csv:a,b.csv",))).encode()]


def _read_flags(path: pathlib.Path) -> None:
    from keras_mtl import cli
    from keras_mtl.training.config import Config

    config, _ = cli.parse(Config, [f"--flagfile={path}"])
    _ = config.run_path


def _metrics() -> list[bytes]:
    entry = {"images": 3, "splits": "as given", "drawn": [], "tasks": {"age": {"metrics": {}}}}
    return [
        json.dumps({"training": {"best": 1.0, "history": [{"loss": 2.0}]}, "test": entry, "process": {"a": 1}}).encode()
    ]


def _read_metrics(path: pathlib.Path) -> None:
    from keras_mtl.files import read_json
    from keras_mtl.training.run_files import Metrics

    read_json(path, Metrics)


def _outputs() -> list[bytes]:
    return ["".join(json.dumps({"image": f"{i}.jpg", "seconds": i, "age": 3.5}) + "\n" for i in range(5)).encode()]


def _read_outputs(path: pathlib.Path) -> None:
    from keras_mtl.serving.results import Kept

    path.with_name(f"{path.name}.made_by.json").write_text("{}")
    Kept(str(path), {})


@functools.cache
def _keras() -> list[bytes]:
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
    from exported_models import random_model

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "a.keras"
        random_model().save(path)
        return [path.read_bytes()]


def _read_keras(path: pathlib.Path) -> None:
    from keras_mtl.models.keras_files import load_model

    load_model(path)


def _safetensors() -> list[bytes]:
    import numpy as np
    import safetensors.numpy

    return [safetensors.numpy.save({"conv1.weight": np.ones([2, 3], np.float32), "fc.bias": np.ones([2], np.float16)})]


def _read_safetensors(path: pathlib.Path) -> None:
    from keras_mtl.trunks.torch_weights import read_state_dict

    read_state_dict(path)


def _read_picture(path: pathlib.Path) -> None:
    from keras_mtl.photos import decode_photo, square_pixels

    square_pixels(decode_photo(path.read_bytes()), 16)


def _requests() -> list[bytes]:
    picture = base64.b64encode(_pictures()[2]).decode()
    asked: list[dict[str, object]] = [
        {"signature_name": "serve_bytes", "instances": [{"b64": picture}]},
        {"inputs": {"images": [[[[1, 2, 3], [4, 5, 6]]]]}},
        {"signature_name": "serve_float", "instances": [{"images": [[[0.5, 1, 2]]]}]},
    ]
    return [json.dumps(one).encode() for one in asked]


def _read_request(path: pathlib.Path) -> None:
    import numpy as np

    from keras_mtl.serving.server.budget import Budget
    from keras_mtl.serving.server.config import ServeConfig
    from keras_mtl.serving.server.rest import _images

    def room(count: int, size: int) -> np.ndarray:
        return np.empty([count, size, size, 3], np.uint8)

    state = types.SimpleNamespace(config=ServeConfig(), decoding=Budget(1 << 30), hold_images=room)
    _images(path.read_bytes(), 8, state, time.monotonic() + SECONDS / 2)


def _forms() -> list[bytes]:
    head = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    return [head + picture + b"\r\n--x--\r\n" for picture in _pictures()]


def _read_form(path: pathlib.Path) -> None:
    from keras_mtl.serving.server.budget import Budget
    from keras_mtl.serving.server.pixels import decoded
    from keras_mtl.serving.server.uploads import uploaded_photo

    with decoded(uploaded_photo(path.read_bytes(), "multipart/form-data; boundary=x"), 1.0, Budget(1), 0):
        pass


KINDS = {
    "csv": Kind(_csv, _table, _user_error, 1.0, ".csv"),
    "jsonl": Kind(
        lambda: [b"\n".join(json.dumps(row).encode() for row in _tables())], _table, _user_error, 1.0, ".jsonl"
    ),
    "parquet": Kind(_parquet, _table, _user_error, 1.0, ".parquet"),
    "tasks.yaml": Kind(_yaml, lambda path: _module("keras_mtl.tasks").read_task_file(path), _user_error, 1.0, ".yaml"),
    "tasks.json": Kind(_tasks, lambda path: _module("keras_mtl.tasks").read_task_file(path), _user_error, 1.0, ".json"),
    "flags": Kind(_flags, _read_flags, _user_error, 0.3, ".flags"),
    "metrics.json": Kind(_metrics, _read_metrics, _user_error, 1.0, ".json"),
    "predictions": Kind(_outputs, _read_outputs, _user_error, 1.0, ".jsonl"),
    "images": Kind(_pictures, _read_picture, lambda: (OSError, ValueError), 2.0, ".jpg"),
    ".keras": Kind(_keras, _read_keras, _user_error, 0.02, ".keras", mutated_zip),
    "safetensors": Kind(_safetensors, _read_safetensors, _user_error, 1.0, ".safetensors"),
    "HTTP JSON": Kind(_requests, _read_request, _refusal, 1.0),
    "HTTP form": Kind(_forms, _read_form, _refusal, 1.0),
}


def _module(name: str):
    import importlib

    return importlib.import_module(name)


class _Hang(BaseException):
    """An input took too long."""


_code: list[str] | None = None


def _watch(event: str, arguments: tuple) -> None:
    if _code is not None and event in CODE:
        _code.append(f"{event} {arguments}"[:200])


_watching = False


def attempt(kind: Kind, data: bytes, folder: pathlib.Path) -> tuple[str, str]:
    """What a reader does with an input: "taken", "refused", "traceback", "hang" or "code"; and more of these three."""
    global _code, _watching
    if not _watching:
        sys.addaudithook(_watch)
        _watching = True
    path = folder / f"input{kind.suffix}"
    path.write_bytes(data)
    _code, outcome, told = [], "taken", ""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            kind.read(path)
    except kind.refusals() as error:
        outcome = "refused" if "\n" not in str(error) else "traceback"
        told = str(error)[:300]
    except _Hang:
        outcome, told = "hang", "".join(traceback.format_exc())[-600:]
    except Exception:
        outcome, told = "traceback", "".join(traceback.format_exc())[-900:]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        found, _code = _code, None
    return ("code", "; ".join(found)) if found else (outcome, told)


def _alarm(*_: object) -> None:
    raise _Hang


def run(name: str, first: int, count: int, seed: int, tell: Callable[[int, str, str], None]) -> None:
    """Tries the inputs first … count - 1 of a kind, and tells number, outcome and what is known of it."""
    kind = KINDS[name]
    seeds = kind.seeds()
    before = signal.signal(signal.SIGALRM, _alarm)
    try:
        with tempfile.TemporaryDirectory() as folder:
            attempt(kind, seeds[0], pathlib.Path(folder))  # What is imported for it may start processes.
            for number in range(first, count):
                chance = random.Random(f"{seed} {name} {number}")
                data = (kind.change or mutated)(chance.choice(seeds), chance)
                tell(number, *attempt(kind, data, pathlib.Path(folder)))
    finally:
        signal.signal(signal.SIGALRM, before)


def run_apart(name: str, count: int, seed: int) -> collections.Counter[str]:
    """The same in a process of its own, and in another one where that dies."""
    outcomes: collections.Counter[str] = collections.Counter()
    first = 0
    while first < count:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            with os.fdopen(writing, "w", buffering=1) as file:
                run(name, first, count, seed, lambda *told: print(json.dumps(told), file=file))
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as file:
            for line in file:
                number, outcome, told = json.loads(line)
                outcomes[outcome] += 1
                first = number + 1
                if outcome not in ("taken", "refused"):
                    print(f"{name} {number} (seed {seed}): {outcome}\n{told}", flush=True)
        _, status = os.waitpid(child, 0)
        if status:
            outcomes["dead"] += 1
            print(f"{name} {first} (seed {seed}): the process died ({status})", flush=True)
            first += 1
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="inputs of all kinds together")
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    kinds = asked.kind or list(KINDS)
    whole = sum(KINDS[name].share for name in kinds)
    bad = 0
    for name in kinds:
        start = time.monotonic()
        outcomes = run_apart(name, max(1, round(asked.count * KINDS[name].share / whole)), asked.seed)
        bad += sum(number for outcome, number in outcomes.items() if outcome not in ("taken", "refused"))
        figures = ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.most_common())
        print(f"{name}: {sum(outcomes.values()):,} inputs: {figures} ({time.monotonic() - start:.0f} s)", flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
