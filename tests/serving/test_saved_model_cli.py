"""The SavedModel as TensorFlow's own command line sees it."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from exported_models import SIZE, random_model

from keras_mtl.serving.export import export_model

CLI = Path(sysconfig.get_path("scripts")) / "saved_model_cli"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_model(random_model(), tmp_path_factory.mktemp("saved_models"), name="faces")


def run(*arguments, cwd):
    done = subprocess.run([sys.executable, CLI, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_show_names_signatures_inputs_and_outputs(exported, tmp_path):
    shown = run("show", "--dir", exported, "--all", cwd=tmp_path)
    for name in ("serving_default", "serve_float", "serve_bytes"):
        assert f"signature_def['{name}']" in shown
    assert {"DT_UINT8", "DT_FLOAT", "DT_STRING"} <= set(re.findall(r"DT_\w+", shown))
    for output in ("age", "age_interval", "age_distribution", "smile", "smile_class"):
        assert f"outputs['{output}']" in shown


def test_run_gives_what_the_signature_gives(exported, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    np.save(tmp_path / "in.npy", images)
    run(
        *("run", "--dir", exported, "--tag_set", "serve", "--signature_def", "serving_default"),
        *("--inputs", f"images={tmp_path / 'in.npy'}", "--outdir", tmp_path / "out"),
        cwd=tmp_path,
    )
    expected = random_model().decode(random_model().predict(images, verbose=0))
    for name, values in expected.items():
        np.testing.assert_allclose(np.load(tmp_path / "out" / f"{name}.npy"), values, atol=1e-5, rtol=1e-5)
