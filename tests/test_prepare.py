from __future__ import annotations

import pytest
from fake_detector import paint

from keras_mtl import cli, prepare
from keras_mtl.errors import UserError


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--photos={}", "--detect"], "--out=FOLDER"),
        (["--photos={}", "--out=o"], "nothing to do"),
        (["--detect", "--out=o"], "No photos given"),
        (["--photos={}/none", "--detect", "--out=o"], "must name folders"),
        (["--photos={}/empty", "--detect", "--out=o"], "holds no image file"),
        (["--photos={}", "--detect", "--format=shards", "--out=o"], "have no labels"),
        (["--sources=drawn", "--detect", "--out=o"], "is drawn"),
        (["--sources=mood=csv:x.csv", "--detect", "--out=o"], "Unknown task 'mood'"),
        (["--sources=age:x.csv", "--detect", "--out=o"], "A source must be"),
        (["--sources=age=csv:{}/x.csv", "--detect", "--out=o"], "no file"),
        (["--sources=split=csv:{}/t.csv", "--task_file={}/t.yaml", "--detect", "--out=o"], "another name"),
        (["--margin=-1"], "--margin"),
        (["--several=all"], "--several"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(tmp_path, monkeypatch, flags, message):
    monkeypatch.setattr("keras_mtl.data.faces.prepare.choose_detector", lambda name: "mtcnn")
    monkeypatch.chdir(tmp_path)
    paint(tmp_path / "photos/a.png", 20)
    (tmp_path / "photos/empty").mkdir()
    (tmp_path / "photos/t.yaml").write_text("{name: split, kind: binary, classes: [a, b]}")
    (tmp_path / "photos/t.csv").write_text("image,split\na.png,a\n")
    with pytest.raises(UserError) as caught:
        config, _ = cli.parse(prepare.PrepareConfig, [flag.format(tmp_path / "photos") for flag in flags])
        prepare.main(config)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "o").exists()
