import dataclasses
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mtl import cli
from keras_mtl.audit import AuditConfig
from keras_mtl.errors import UserError
from keras_mtl.training.config import Config


def test_flags_become_a_config():
    config, rest = cli.parse(Config, ["--tasks=age,smile", "--epochs", "7", "--noresume", "photo.jpg", "--stages=1,2"])
    assert config == Config(tasks=("age", "smile"), epochs=7, resume=False, stages=(1, 2))
    assert rest == ["photo.jpg"]


@given(
    st.builds(
        Config,
        epochs=st.integers(1, 99),
        steps=st.none() | st.integers(1, 99),
        learning_rate=st.floats(0, 1),
        histograms=st.booleans(),
        name=st.text("abc-_ =", max_size=8).map(str.strip),
        loss_weights=st.lists(st.sampled_from(["age=1", "smile=0.5"]), max_size=2).map(tuple),
    )
)
def test_the_flagfile_of_a_config_gives_it_again(tmp_path_factory, config):
    path = tmp_path_factory.mktemp("flags") / "flags.txt"
    path.write_text(cli.to_flags(config))
    assert cli.parse(Config, [f"--flagfile={path}"])[0] == config


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--tsks=age", "Unknown command line flag 'tsks'"),
        ("--epochs=-1", "--epochs=-1"),
        ("--epochs=many", "--epochs=many"),
        ("--augment=wild", "value should be one of <none|light|strong>"),
        ("--stages=2,x", "--stages takes int values"),
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
