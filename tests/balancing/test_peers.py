"""Weightings agree with LibMTL's and torchjd's own code, or differ where benchmarks/balancing_agreement.py says why.

The peers run in the Python that KERAS_MTL_PEERS names, by default this one, with torch and torchjd (extra `peers`);
LibMTL's only where KERAS_MTL_LIBMTL names a clone of it.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

from keras_mtl.weighting_names import WEIGHTINGS

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"
SPEC = importlib.util.spec_from_file_location("balancing_agreement", BENCHMARKS / "balancing_agreement.py")
agreement = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = agreement
SPEC.loader.exec_module(agreement)


@pytest.fixture(scope="module")
def peers():
    python = os.environ.get("KERAS_MTL_PEERS", sys.executable)
    if subprocess.run([python, "-c", "import torch, torchjd"], capture_output=True, check=False).returncode:
        pytest.skip(
            f"{python} has no torch and torchjd: pip install 'keras_mtl[peers]', or name another by KERAS_MTL_PEERS"
        )
    process = agreement.Peers(python, os.environ.get("KERAS_MTL_LIBMTL"))
    yield process
    process.close()


@pytest.mark.parametrize("comparison", agreement.COMPARISONS, ids=lambda one: f"{one.spec}-{one.peer}")
def test_agrees_or_differs_as_said(comparison, peers):
    if comparison not in peers.comparisons():
        pytest.skip("KERAS_MTL_LIBMTL names no clone of LibMTL")
    result = agreement.compare(comparison, peers)
    if not comparison.deviation:
        assert not result.errors
        assert result.agreeing == len(result.differences) > 0, result.differences
    elif comparison.somewhere:
        assert result.agreeing >= len(result.differences) / 2, result.differences
    else:
        assert result.agreeing == 0, "They agree by now: take the deviation out of the table."
    # Where they differ, ours is not the one that is farther from the paper's optimum.
    assert result.peers_lead < 1e-6


def test_every_weighting_is_compared():
    assert {one.spec.partition(":")[0] for one in agreement.COMPARISONS} == set(WEIGHTINGS)
