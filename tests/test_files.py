"""Files and folders that are written whole or not at all."""

import pytest

from keras_mtl.files import renewing


def write(folder, text, fails=False):
    with renewing(folder) as beside:
        (beside / "table.md").write_text(text)
        if fails:
            raise KeyboardInterrupt
        (beside / "logs").mkdir()
        (beside / "logs" / text).touch()


def test_what_belongs_together_is_renewed_at_once_and_other_files_stay(tmp_path):
    folder = tmp_path / "epochs"
    write(folder, "old")
    (folder / "notes.txt").write_text("mine")
    (folder / "clean").mkdir()
    (folder / "clean" / "removed.csv").touch()
    (folder / "link").symlink_to("nowhere")
    with pytest.raises(KeyboardInterrupt):
        write(folder, "new", fails=True)
    assert (folder / "table.md").read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["epochs"]
    write(folder, "new")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    assert names == ["clean", "clean/removed.csv", "link", "logs", "logs/new", "notes.txt", "table.md"]
    assert (folder / "table.md").read_text() == "new" and (folder / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["epochs"]
