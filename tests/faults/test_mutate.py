"""The short form of `tests/faults/mutate.py`: a few inputs of each kind."""

import collections
import importlib.util
import pathlib
import sys

import pytest

_spec = importlib.util.spec_from_file_location("mutate", pathlib.Path(__file__).with_name("mutate.py"))
mutate = importlib.util.module_from_spec(_spec)
sys.modules["mutate"] = mutate
_spec.loader.exec_module(mutate)


@pytest.mark.parametrize("name", mutate.KINDS)
def test_readers_take_or_refuse_whatever_comes(name):
    outcomes = collections.Counter()

    def tell(number, outcome, told):
        outcomes[outcome] += 1
        assert outcome in ("taken", "refused"), f"input {number}: {outcome}: {told}"

    mutate.run(name, 0, 6 if name == ".keras" else 25, 0, tell)
    assert outcomes["refused"]


def test_what_it_looks_for_is_found(tmp_path):
    import os

    def read(path):
        if path.read_bytes() == b"code":
            os.system("true")
        if path.read_bytes() == b"defect":
            raise KeyError("x")

    kind = mutate.Kind(list, read, lambda: (ValueError,))
    found = [mutate.attempt(kind, data, tmp_path)[0] for data in (b"code", b"defect", b"")]
    assert found == ["code", "traceback", "taken"]
