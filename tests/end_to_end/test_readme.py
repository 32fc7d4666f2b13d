"""The README's Python, run as it stands but on fewer and smaller faces."""

import random
import re
import subprocess
import sys

from helpers import DRAWN, ROOT

from keras_mtl.data.drawing import draw_face, sample_face

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


def run(code: str, folder) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_build_train_save_load_predict_in_under_15_lines(tmp_path):
    code = BLOCKS[0]
    assert len([line for line in code.splitlines() if line.strip()]) < 15
    small = code.replace('["drawn"]', repr(DRAWN.split(","))).replace("image_size=64", "image_size=32")
    assert small.count("image_size=32") == 2 and "fraction" in small
    printed = run(small, tmp_path)
    assert re.search(r"tf\.Tensor\(\[.*\], shape=\(4,\), dtype=float32\)", printed)
    assert (tmp_path / "faces.keras").exists()


def test_the_saved_model_needs_tensorflow_only(trained_run, command, tmp_path):
    command("export", f"--run={trained_run}", "--name=faces", f"--directory={tmp_path / 'saved_models'}")
    draw_face(sample_face(random.Random(0))).save(tmp_path / "photo.jpg")
    assert "keras_mtl" not in BLOCKS[1]
    assert re.search(r"tf\.Tensor\(\[\d+\.\d+\], shape=\(1,\), dtype=float32\)", run(BLOCKS[1], tmp_path))
