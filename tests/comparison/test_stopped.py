"""A comparison that was stopped before its first net goes on; a folder of something else is not taken."""

import pytest
from helpers import DRAWN

from keras_mtl.comparison import CompareConfig, compare, experiment
from keras_mtl.errors import UserError


class Reached(Exception):
    """The comparison came as far as its trainings."""


@pytest.fixture
def config(tmp_path, monkeypatch):
    def stop(*_):
        raise Reached

    monkeypatch.setattr(experiment, "train_cells", stop)
    return CompareConfig(
        tasks=("smile",),
        sources=(DRAWN.rpartition(",")[2],),
        image_size=32,
        precision="float32",
        variants=("multitask",),
        seeds=1,
        workdir=str(tmp_path),
    )


def test_one_that_was_stopped_before_its_first_net_goes_on(config):
    for _ in range(2):
        with pytest.raises(Reached):
            compare(config)


def test_one_that_was_stopped_so_by_an_earlier_version_goes_on_too(config, tmp_path):
    (tmp_path / "compare" / "output").mkdir(parents=True)
    (tmp_path / "compare" / "flags.txt").touch()
    with pytest.raises(Reached):
        compare(config)


def test_one_that_was_killed_while_it_wrote_its_first_file_goes_on(config, tmp_path):
    (tmp_path / "compare").mkdir()
    (tmp_path / "compare" / ".writing-1-flags.txt").touch()
    with pytest.raises(Reached):
        compare(config)


@pytest.mark.parametrize("name", ["holiday.jpg", "flags.txt"])
def test_a_folder_of_something_else_is_not_taken(name, config, tmp_path):
    (tmp_path / "compare").mkdir()
    (tmp_path / "compare" / name).touch()
    with pytest.raises(UserError, match="exists and is no comparison: choose another --name"):
        compare(config)
