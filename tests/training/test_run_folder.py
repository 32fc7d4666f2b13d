import pytest

from keras_mtl.errors import UserError
from keras_mtl.training.config import Config
from keras_mtl.training.run_folder import RunFolder


@pytest.fixture
def begun(tmp_path):
    config = Config(workdir=str(tmp_path), name="one")
    run = RunFolder(config.run_path)
    run.begin(config)
    run.checkpoints_path.mkdir()
    return run, config


def test_the_same_flags_may_go_on(begun):
    run, config = begun
    run.check(config)
    assert run.config() == config and not run.finished


def test_a_path_may_be_written_in_another_way(tmp_path, monkeypatch):
    config = Config(workdir=str(tmp_path), name="one", prune_from="runs/mtl")
    run = RunFolder(config.run_path)
    monkeypatch.chdir(tmp_path)
    run.begin(config)
    run.checkpoints_path.mkdir()
    run.check(Config(workdir=str(tmp_path), name="one", prune_from=str(tmp_path / "runs" / "mtl")))
    with pytest.raises(UserError, match="--prune_from was 'runs/mtl'"):
        run.check(Config(workdir=str(tmp_path), name="one", prune_from="runs/other"))


def test_other_flags_need_another_name(begun):
    run, config = begun
    with pytest.raises(UserError, match="--epochs was 5, .*choose another --name|--epochs was 5"):
        run.check(Config(workdir=config.workdir, name="one", epochs=9))
    with pytest.raises(UserError, match="leave out --noresume"):
        run.check(Config(workdir=config.workdir, name="one", resume=False))


def test_a_run_without_a_checkpoint_has_nothing_to_lose(begun):
    run, config = begun
    run.checkpoints_path.rmdir()
    run.check(Config(workdir=config.workdir, name="one", epochs=9))


def test_a_folder_of_something_else_is_not_taken(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match="no run folder"):
        RunFolder(tmp_path).check(Config())
    with pytest.raises(UserError, match="no flags.txt"):
        RunFolder.existing(tmp_path)


def test_a_training_killed_before_its_first_file_was_there_begins_anew(tmp_path):
    (tmp_path / ".writing-1-flags.txt").write_text("--epo")
    RunFolder(tmp_path).check(Config(workdir=str(tmp_path.parent), name=tmp_path.name))


def test_metrics_are_kept_when_others_are_added(begun):
    run, _ = begun
    run.update_metrics(test={"age": 1})
    run.update_metrics(training={"best": 2})
    assert run.finished
    assert "test" in run.metrics_path.read_text()


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(heads=("smile=dldl",)), "serves tasks of kind regression"),
        (dict(heads=("mood=dldl",)), "--heads takes TASK=HEAD"),
        (dict(heads=("age=dldl:sigma=wide",)), "--heads takes NAME=NUMBER"),
        (dict(loss_weights=("mood=2",)), "--loss_weights names 'mood'"),
        (dict(mix=("a=b",)), "--mix takes NAME=NUMBER"),
    ],
)
def test_bad_settings_are_one_line(settings, message):
    config = Config(**settings)
    with pytest.raises(UserError, match=message):
        from keras_mtl.heads import head_of

        for task in config.selected_tasks().values():
            head_of(task)
        config.loss_weight_of()
        config.mix_of()


def test_heads_are_chosen_with_options():
    tasks = Config(heads=("age=dldl:sigma=3:l1_weight=0.2",)).selected_tasks()
    assert tasks["age"].head == "dldl" and dict(tasks["age"].options) == {"sigma": 3.0, "l1_weight": 0.2}
    assert tasks["smile"].head == ""
