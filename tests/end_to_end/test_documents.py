"""Every command that a page, docstring, script or comment tells of: README's run in order, the others checked."""

import ast
import configparser
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import yaml
from documents import all_commands, commands_of, fenced, page_blocks, run_sh_commands, words_of
from fake_detector import paint
from helpers import DRAWN, ROOT, TINY, run_command
from run_in_order import command_module, config_class

from keras_mtl import cli
from keras_mtl.errors import UserError
from keras_mtl.training.config import Config

README = ROOT / "README.md"
SMALL = [*TINY, "--batch_size=8", "--steps=2"]
SCALED = {
    "train": SMALL,
    "prune": ["--batch_size=8"],
    "compare": [*SMALL, "--seeds=1", "--variants=multitask"],
    "evaluate": ["--resamples=20"],
    "export": [],
    "predict": [],
    "serve": [],
    "audit": [],
    "prepare": ["--jobs=1"],
}
"""By command, the flags that make it quick."""
COMMANDS = all_commands()
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
EXTRAS = SETUP["options.extras_require"]
MODULES = {"PIL": "pillow", "cv2": "opencv-python-headless", "sklearn": "scikit-learn", "yaml": "pyyaml"}


def scaled(command: str, *more: str) -> list[str]:
    """The words behind `python -m keras_mtl.`, with what makes it quick; drawn faces become fewer."""
    _, _, module, *words = shlex.split(command)
    name = module.removeprefix("keras_mtl.")
    words = [*words, *SCALED[name], *more]
    if name == "prune" and "--epochs=0" not in words:
        words.append("--epochs=1")
    if name in ("train", "compare"):
        config, _ = cli.parse(Config if name == "train" else compare_config(), words)
        if name == "compare" and config.weightings:
            words.append("--weightings=uw")
        if name == "compare" and config.trials:
            words.append("--trials=2")
        if config.sources == ("drawn",):
            words.append("--sources=" + ",".join(f"{task}=drawn:fraction=0.01" for task in config.tasks))
    return [name, *words]


def compare_config():
    from keras_mtl.comparison.config import CompareConfig

    return CompareConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    """A folder with all that README names, as its owner might have it; the faces are noise."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "flags").symlink_to(ROOT / "flags")
    random = np.random.default_rng(0)

    def picture(name: str) -> str:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = PIL.Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8))
        noise.resize((48, 48), PIL.Image.Resampling.BICUBIC).save(path)
        return name

    def table(path: str, task: str, labels, names) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        rows = [f"{picture(name)},{label}" for name, label in zip(names, labels, strict=True)]
        (folder / path).write_text("\n".join([f"image,{task}", *rows]) + "\n")

    for split, count, day in (("train", 24, "20170109150"), ("test", 12, "20170110150")):
        ages = random.integers(1, 90, count)
        names = [f"UTKFace/{age}_{n % 2}_0_{day}{n:03d}.jpg.chip.jpg" for n, age in enumerate(ages)]
        table(f"splits/age_{split}.csv", "age", ages, names)
        names = [f"UTKFace/{30 + n}_{n % 2}_1_{day}{n:03d}.jpg.chip.jpg" for n in range(count)]
        table(f"splits/gender_{split}.csv", "gender", [n % 2 for n in range(count)], names)
        names = [f"SMILEs/{split}{n}.jpg" for n in range(count)]
        table(f"splits/smile_{split}.csv", "smile", [n % 2 for n in range(count)], names)
    people = [f"photos/{n}.jpg" for n in range(24)]
    table("photos/people.csv", "age,smile", [f"{20 + n},{n % 2}" for n in range(24)], people)
    [declared] = yaml.safe_load(next(block for block in page_blocks(README) if block.startswith("- name:")))
    table("emotion.csv", "emotion", declared["classes"] * 4, [f"emotion/{n}.jpg" for n in range(28)])
    (folder / "photos.csv").write_text("image,age\nholiday/a.png,30\nholiday/b.png,40\n")
    paint(folder / "holiday" / "a.png", 30)
    paint(folder / "holiday" / "b.png", 20)
    for name in ("photo.jpg", "PHOTO.jpg", "folder_of_photos/a.jpg"):
        picture(name)
    (folder / "tasks.yaml").write_text(next(block for block in page_blocks(README) if block.startswith("- name:")))
    return folder


def environment(folder: pathlib.Path) -> dict[str, str]:
    tests = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return {**os.environ, "KERAS_MTL_DATA": str(folder), "PYTHONPATH": tests}


def test_readmes_commands_run_one_after_the_other(folder):
    ordered = [*run_sh_commands(), *(line for block in page_blocks(README) for line in commands_of(block))]
    commands = [scaled(line) for line in ordered if line.startswith("python -m keras_mtl.") and "--help" not in line]
    assert len(commands) > 25
    people = next(words for words in commands if "photos/people.csv" in " ".join(words))
    people.append("then")
    list_path = folder / "commands.json"
    list_path.write_text(json.dumps(commands))
    script = [sys.executable, ROOT / "tests" / "run_in_order.py", list_path]
    done = subprocess.run(script, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    print(done.stdout)
    # The table has no test split, and the next step that train prints says what it does instead.
    assert "There is no test split: scored on validation" in done.stdout
    assert {"faces-age", "faces-age-trunk-frozen", "faces-age-removed"} <= set(os.listdir(folder / "runs"))
    # As a user does, in a process of its own; and what README's end makes of the predictions.
    shown = run_command("evaluate", *scaled("python -m keras_mtl.evaluate --run=runs/faces")[1:], cwd=folder)
    assert "on split 'test'" in shown.stdout
    [by_decade] = [block for block in fenced(README) if block.startswith("python -c")]
    assert run_python(shlex.split(by_decade)[2], folder).count("dtype: float64") == 2
    _, with_tensorflow_only = fenced(README, "python")
    assert "keras_mtl" not in with_tensorflow_only
    printed = run_python(with_tensorflow_only, folder)
    assert re.search(r"tf\.Tensor\(\[\d+\.\d+\], shape=\(1,\), dtype=float32\)", printed)


def run_python(code: str, folder: pathlib.Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_build_train_save_load_predict_in_under_15_lines(tmp_path):
    assert [page for page in COMMANDS if page.endswith(".md") and fenced(ROOT / page, "python")] == ["README.md"]
    code, _ = fenced(README, "python")
    assert len([line for line in code.splitlines() if line.strip()]) < 15
    small = code.replace('["drawn"]', repr(DRAWN.split(","))).replace("image_size=64", "image_size=32")
    assert small.count("image_size=32") == 2 and "fraction" in small
    assert re.search(r"tf\.Tensor\(\[.*\], shape=\(4,\), dtype=float32\)", run_python(small, tmp_path))
    assert (tmp_path / "faces.keras").exists()


@pytest.mark.parametrize("file", COMMANDS)
def test_every_command_is_one_that_there_is(file):
    for command in COMMANDS[file]:
        for words in words_of(command):
            try:
                check(words)
            except (AssertionError, UserError, StopIteration, KeyError) as error:
                raise AssertionError(f"{file}: {command}") from error


def check(words: list[str]) -> None:
    """Raises AssertionError or UserError for a command that isn't there or whose flags aren't."""
    program = words[0]
    if words[:2] == ["python", "-m"] and "<command>" not in words[2]:
        _check_module(words[2], words[3:])
    elif program.startswith("--"):
        cli.parse(Config, words)
    elif program == "python" and words[1].endswith(".py"):
        _check_script(ROOT / words[1], words[2:])
    elif program.endswith("pip") or words[1:3] == ["-m", "pip"]:
        for extra in re.findall(r"\[([^\]$]+)\]", " ".join(words)):
            assert set(extra.split(",")) <= set(EXTRAS), extra
    elif program == "./run.sh":
        assert not words[1:] or f"\n    {words[1]})" in (ROOT / "run.sh").read_text()
        assert all((ROOT / path).exists() for path in words[2:])
    elif program.startswith(".venv/bin/"):
        tool = pathlib.Path(program).name
        assert tool in re.split(r"[>=\n]+", EXTRAS["dev"] + EXTRAS["test"]) or tool == "python"
    elif words[:3] == ["docker", "compose", "up"]:
        assert words[-1] in yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    elif program == "curl":
        from keras_mtl.serving.server.app import build_app  # noqa: F401
        from keras_mtl.serving.server.photos import router

        path, _, query = words[-1].partition("localhost:8501")[2].partition("?")
        [route] = [route for route in router.routes if route.path == path and "POST" in route.methods]
        assert query.partition("=")[0] in {parameter.alias for parameter in route.dependant.query_params}
    else:
        assert (
            words[:2] in ([["docker", "run"], ["docker", "build"]])
            or words[:2] == ["python", "-c"]
            or (program in ("tensorboard", "export", "source", "find") or "<command>" in " ".join(words))
        ), f"no rule knows {program}"


def _check_module(module: str, words: list[str]) -> None:
    if not module.startswith("keras_mtl."):
        return
    name = module.removeprefix("keras_mtl.")
    assert name in SCALED, f"say in SCALED what makes {module} quick"
    if words == ["--help"]:
        assert "--flagfile" in run_command(name, "--help").stdout
        return
    loaded = command_module(module)
    words = [re.sub(r"^--flagfile=(?=flags/)", f"--flagfile={ROOT}/", word) for word in words]
    names = [word for word in words if not word.startswith("--")]
    assert name == "predict" or not names, names
    config, _ = cli.parse(config_class(loaded), words)
    if hasattr(config, "selected_tasks") and not config.task_file:
        config.selected_tasks()


def _check_script(path: pathlib.Path, words: list[str]) -> None:
    """A script's flags are in its text, and what it imports comes with the package or the extra that it names."""
    tree = ast.parse(path.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    known = {node.args[0].value for node in calls if node.func.attr == "add_argument"}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known
    text = ast.get_docstring(tree)
    named = re.search(r"\(extras? `(\w+)`(?: and `(\w+)`)?", text)
    extras = [extra for extra in (named.groups() if named else ()) if extra]
    install = "\n".join([SETUP["options"]["install_requires"], *(EXTRAS[extra] for extra in extras)])
    brought = {re.split(r"[>=\[]", line)[0].lower().replace("_", "-") for line in install.splitlines()}
    beside = {other.stem for folder in (path.parent, ROOT / "tests") for other in folder.iterdir()} | {"keras_mtl"}
    for node in tree.body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        for top in {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - beside:
            assert MODULES.get(top, top).replace("_", "-") in brought, f"{path.name} imports {top}: name its extra"
    # Who reads of the script in a page reads there which extra it takes.
    for page, commands in COMMANDS.items():
        if page.endswith(".md") and any(str(path.relative_to(ROOT)) in command for command in commands):
            assert all(re.search(rf"\[[^\]]*{extra}|`{extra}`", (ROOT / page).read_text()) for extra in extras), page


def test_a_command_that_no_rule_knows_is_noticed():
    for words in (["python", "-m", "keras_mtl.new"], ["make", "all"], ["python", "benchmarks/new.py"]):
        with pytest.raises((AssertionError, OSError)):
            check(words)
    with pytest.raises(UserError):
        check(["python", "-m", "keras_mtl.train", "--no_such_flag"])


@pytest.mark.parametrize("path", sorted((ROOT / "flags").glob("*.flags")), ids=lambda path: path.stem)
def test_every_flagfile_is_read_by_the_command_that_it_is_for(path):
    users = {words[2] for commands in COMMANDS.values() for command in commands for words in words_of(command)
             if f"--flagfile=flags/{path.name}" in words}  # fmt: skip
    for module in users or {"keras_mtl.train"}:
        config, rest = cli.parse(config_class(command_module(module)), [f"--flagfile={path}"])
        assert not rest and config != type(config)()
