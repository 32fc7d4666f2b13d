"""The fault campaign in short: every kind of fault, at writes of commands that take a moment."""

import subprocess
import sys

from helpers import ROOT


def test_each_kind_of_fault_leaves_nothing_torn():
    command = [sys.executable, "tests/faults/campaign.py", "audit", "evaluate", "--sample=6", "--seed=4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    (audit, evaluate) = done.stdout.splitlines()
    for fault in ("kill", "ENOSPC", "EIO", "EACCES", "size"):
        assert fault in audit and fault in evaluate
