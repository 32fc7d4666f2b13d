import dataclasses
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mtl import cli
from keras_mtl.audit import AuditConfig
from keras_mtl.comparison.config import CompareConfig
from keras_mtl.data.sources import parse_sources
from keras_mtl.errors import UserError
from keras_mtl.evaluate import EvaluateConfig
from keras_mtl.serving.server.config import ServeConfig
from keras_mtl.tasks import select_tasks
from keras_mtl.training.config import Config
from keras_mtl.training.run_folder import RunFolder
from keras_mtl.values import LARGEST


def test_flags_become_a_config():
    config, rest = cli.parse(Config, ["--tasks=age,smile", "--epochs", "7", "--noresume", "photo.jpg", "--stages=1,2"])
    assert config == Config(tasks=("age", "smile"), epochs=7, resume=False, stages=(1, 2))
    assert rest == ["photo.jpg"]


TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=()), max_size=6) | st.text(
    "a,\"' =\n", max_size=6
)


def _any_value(field):
    """Any value that a field of a config may have."""
    limits = field.metadata
    if "choices" in limits:
        return st.sampled_from(limits["choices"])
    kind = str(field.type)
    if "bool" in kind:
        return st.booleans()
    if kind == "tuple[int, ...]":
        return st.lists(st.integers(0, 99), max_size=3).map(tuple)
    if "tuple" in kind:
        return st.lists(TEXT, max_size=3).map(tuple)
    low, high = limits.get("low"), limits.get("high")
    if "int" in kind:
        return st.integers(low or 0, high) | (st.none() if "None" in kind else st.nothing())
    if "float" in kind:
        return st.floats(low or 0, LARGEST if high is None else high)
    return TEXT.filter(lambda text: not text.startswith("~")) if "path" in limits else TEXT


@pytest.mark.parametrize("config_class", [CompareConfig, EvaluateConfig, ServeConfig])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_config_is_given_again_by_its_flagfile_and_by_its_arguments(tmp_path_factory, config_class, data):
    fields = {field.name: _any_value(field) for field in dataclasses.fields(config_class)}
    config = config_class(**data.draw(st.fixed_dictionaries(fields)))
    path = tmp_path_factory.mktemp("flags") / "flags.txt"
    path.write_text(cli.to_flags(config), encoding="utf-8")
    assert cli.parse(config_class, [f"--flagfile={path}"]) == (config, [])
    assert cli.parse(config_class, cli.to_arguments(config)) == (config, [])


@given(st.lists(TEXT, max_size=4).map(tuple))
def test_any_list_is_read_as_it_was_written(elements):
    assert cli.read_list(cli.write_list(elements)) == elements


def test_a_comma_in_a_path_is_kept_by_quotes(tmp_path):
    config, _ = cli.parse(Config, ['--sources="age=csv:Smith, John/p.csv", smile=smiles:S'])
    assert config.sources == ("age=csv:Smith, John/p.csv", "smile=smiles:S")
    (tmp_path / "flags.txt").write_text(cli.to_flags(config))
    assert cli.parse(Config, [f"--flagfile={tmp_path}/flags.txt"])[0] == config


def test_a_flagfile_may_have_comments_and_read_another(tmp_path):
    (tmp_path / "one.flags").write_text(f"# first\n\n--epochs=1\n// more\n--flagfile={tmp_path}/two.flags\n--width=9\n")
    (tmp_path / "two.flags").write_text("\ufeff--epochs=2\n--width=8\n", encoding="utf-8")
    config, rest = cli.parse(Config, ["--flagfile", f"{tmp_path}/one.flags", "--seed=3", "--", "--epochs=9"])
    assert (config.epochs, config.width, config.seed, rest) == (2, 9, 3, ["--epochs=9"])
    (tmp_path / "two.flags").write_text(f"--flagfile={tmp_path}/one.flags\n")
    with pytest.raises(UserError, match="is read by itself"):
        cli.parse(Config, [f"--flagfile={tmp_path}/one.flags"])


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_flagfile_in_another_encoding_is_one_line(tmp_path, encoding):
    (tmp_path / "f.flags").write_text("--name=männlich\n", encoding=encoding)
    with pytest.raises(UserError, match="f.flags is not text in UTF-8"):
        cli.parse(Config, [f"--flagfile={tmp_path}/f.flags"])


def test_home_is_meant_by_a_tilde_in_every_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "f.flags").write_text("--workdir=~/runs\n--name=~\n--init_from=~/a.keras\n")
    config, _ = cli.parse(Config, ["--flagfile=~/f.flags", "--task_file=~/t.yaml", "--data_dir=~", "--clean=a/~/b"])
    assert (config.workdir, config.name, config.init_from) == (f"{tmp_path}/runs", "~", f"{tmp_path}/a.keras")
    assert (config.task_file, config.data_dir, config.clean) == (f"{tmp_path}/t.yaml", str(tmp_path), "a/~/b")
    assert cli.parse(ServeConfig, ["--model=~/a,~/b"])[0].model == (f"{tmp_path}/a", f"{tmp_path}/b")
    assert RunFolder(Config(workdir="~/runs", name="t").run_path).path == tmp_path / "runs" / "t"
    assert RunFolder("~/runs/t").path == tmp_path / "runs" / "t"
    (tmp_path / "t.csv").write_text("image,age\na.jpg,1\n")
    assert parse_sources(["age=csv:~/t.csv"], select_tasks(["age"]))[0].records("train").images == ["a.jpg"]


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--tsks=age", "Unknown command line flag 'tsks'"),
        ("--epochs=-1", "--epochs=-1"),
        ("--epochs=many", "--epochs=many"),
        ("--augment=wild", "value should be one of <none|light|strong>"),
        ("--stages=2,x", "--stages takes int values"),
        ("--stages=1_0", "--stages takes int values"),
        ("--epochs=1_0", "--epochs=1_0"),
        ("--epochs=５", "--epochs=５"),
        ("--learning_rate=nan", "--learning_rate=nan"),
        ("--learning_rate=infinity", "--learning_rate=infinity"),
        ("--weight_decay=1_0", "--weight_decay=1_0"),
        ("--seed=5000000000", "--seed=5000000000"),
        ('--tasks="age', "a quote is not closed"),
        ("--flagfile", "--flagfile=PATH"),
        ("--flagfile=nowhere.flags", "nowhere.flags"),
    ],
)
def test_a_wrong_flag_is_one_line(flag, message):
    with pytest.raises(UserError) as caught:
        cli.parse(Config, [flag])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_help_names_every_flag_under_a_heading_with_its_default():
    text = cli.help_text(Config, "Usage.")
    for field in dataclasses.fields(Config):
        assert f"]{field.name}\n" in text or f"--{field.name}\n" in text
    assert text.index("Data:") < text.index("Model:") < text.index("Training:") < text.index("Run folder")
    assert "[default: cosine]" in text


def test_help_leaves_out_inherited_flags_that_mean_nothing():
    text = cli.help_text(AuditConfig, "Usage.")
    assert "--sources\n" in text and "--similarity\n" in text
    assert "--epochs" not in text and cli.parse(AuditConfig, ["--epochs=3"])[0].epochs == 3
    assert set(AuditConfig.shown_flags) <= {field.name for field in dataclasses.fields(AuditConfig)}


@pytest.mark.parametrize("name", ["train", "prune", "evaluate", "compare", "export", "predict", "prepare", "audit"])
def test_help_answers_before_tensorflow_is_imported(command, name):
    assert "--flagfile=PATH" in command(name, "--help").stdout
    assert "tensorflow" not in _modules_after_help(name)


def _modules_after_help(name: str) -> str:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['{name}', '--help']\n"
        "try:\n"
        f"    runpy.run_module('keras_mtl.{name}', run_name='__main__')\n"
        "except SystemExit:\n"
        "    pass\n"
        "print('MODULES', *(name for name in sys.modules if '.' not in name))\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return printed[printed.index("MODULES") :]


def test_a_users_mistake_ends_with_code_2_and_no_traceback(command, tmp_path):
    done = command("train", "--tasks=emotion", f"--workdir={tmp_path}", check=False)
    assert done.returncode == 2
    assert "Error: Unknown task 'emotion'" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_another_backend_of_keras_is_one_line_before_anything(command, tmp_path):
    given = {**os.environ, "KERAS_BACKEND": "jax"}
    done = command("train", f"--workdir={tmp_path}", check=False, env=given)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "Error: keras_mtl needs Keras' backend tensorflow. Received: 'jax'" in done.stderr
