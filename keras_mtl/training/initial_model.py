"""The model that a training starts from: a new one, one with weights from elsewhere, or what is left of another."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from keras_mtl.errors import UserError
from keras_mtl.files import shortened
from keras_mtl.layers.lora import merge_lora
from keras_mtl.models.branches import freeze, move_branches, remove_branches
from keras_mtl.models.divergence import check_weights
from keras_mtl.models.keras_files import load_model
from keras_mtl.models.multitask import MultiTaskModel, build_model
from keras_mtl.tasks import Task
from keras_mtl.training.config import Config
from keras_mtl.training.run_folder import RunFolder
from keras_mtl.trunks.torch_weights import load_torch_weights, read_state_dict
from keras_mtl.values import SEEDS


def initial_model(config: Config, tasks: Mapping[str, Task]) -> MultiTaskModel:
    """The model as the settings ask for it, not compiled.

    Args:
        config: the settings; their precision is "float32" or "bfloat16", except where there is a `prune_from`: what
            that names keeps its own.
        tasks: the tasks that they name.

    Raises:
        UserError: a file, a stage or a task that does not fit.
    """
    if config.prune_from:
        model = pruned_model(load_trained(config.prune_from, "--prune_from"), config, tasks)
    else:
        model = build_model(
            tasks,
            image_size=config.image_size,
            width=config.width,
            blocks=config.stages,
            stem=config.stem,
            branch_at=config.branches(),
            hidden=config.hidden,
            dropout=config.dropout,
            seed=config.seed,
            precision=config.precision,
        )
    if config.init_from:
        print(initialise(model, config.init_from))
    freeze(model, config.freeze)
    return model


def pruned_model(trained: MultiTaskModel, config: Config, tasks: Mapping[str, Task]) -> MultiTaskModel:
    """What is left of the model that `prune_from` names: no branch of another task, those that `branch_at` moves new.

    Raises:
        UserError: a model for other tasks or images.
    """
    model = remove_branches(trained, config.tasks)
    for name, theirs in model.tasks.items():
        mine = tasks[name]
        if (mine.kind, mine.classes, mine.bounds) != (theirs.kind, theirs.classes, theirs.bounds):
            raise UserError(
                f"The task {name!r} of {config.prune_from} is {theirs.to_dict()}, but the settings say "
                f"{mine.to_dict()}: give its declaration by --task_file"
            )
    size = model.input_shape[1]
    if size != config.image_size:
        raise UserError(f"{config.prune_from} takes images of {size} pixels: give --image_size={size}")
    return move_branches(
        model, config.branches(), hidden=config.hidden, dropout=config.dropout, seed=(config.seed + 1) % SEEDS
    )


def load_trained(path: str, flag: str) -> MultiTaskModel:
    """The model of a run folder or a `.keras` file, not compiled; its LoRA, if any, is merged.

    Args:
        path: the run folder or file.
        flag: the flag that named it, for the message where there is none.

    Raises:
        UserError: no model there, or one without tasks, or with weights that are not finite.
    """
    source = pathlib.Path(path)
    if source.is_dir():
        source = RunFolder.trained(source).model_path
    if source.suffix != ".keras" or not source.is_file():
        raise UserError(f"{flag} takes a run folder with a model or a .keras file. Received: {path}")
    return merge_lora(load_model(source))


def initialise(model: MultiTaskModel, path: str) -> str:
    """Sets the model's weights from a file or a run folder.

    From a run or a `.keras` file each layer is taken whose name and shapes are the same, heads of the same
    tasks among them; from `.pth` and `.safetensors` the trunk.

    Args:
        model: the model to initialise.
        path: a run folder, a `.keras`, `.pth` or `.safetensors` file.

    Returns:
        A sentence that says what was taken.

    Raises:
        UserError: no such file, another kind of file, nothing in it that fits, or weights that are not finite.
    """
    source = pathlib.Path(path)
    if source.suffix in (".pth", ".pt", ".safetensors"):
        loaded = load_torch_weights(model, read_state_dict(source))
        check_weights(model, str(source))
        unused = f"; not used: {shortened(', '.join(loaded.left_out), 80)}" if loaded.left_out else ""
        return f"Trunk initialised from {source}, {len(loaded.layers)} layers{unused}"
    if not source.is_dir() and source.suffix != ".keras":
        raise UserError(
            f"--init_from takes a run folder with a model, a .keras, .pth or .safetensors file. Received: {path}"
        )
    theirs = {layer.name: layer for layer in load_trained(path, "--init_from").layers}
    mine = [layer for layer in model.layers if layer.weights]
    taken = []
    for layer in mine:
        other = theirs.get(layer.name)
        if other is not None and [w.shape for w in other.weights] == [w.shape for w in layer.weights]:
            layer.set_weights(other.get_weights())
            taken.append(layer.name)
    if not taken:
        raise UserError(f"No layer of {source} fits this model: width, stages and stem must be the same")
    left = [layer.name for layer in mine if layer.name not in taken]
    return f"{len(taken)} of {len(mine)} layers initialised from {source}" + (
        f"; new: {', '.join(left)}" if left else ""
    )
