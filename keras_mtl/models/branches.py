"""Surgery on trained models: remove branches, add one, cut the trunk, freeze it. The model given is never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras

from keras_mtl.errors import UserError
from keras_mtl.models.multitask import MultiTaskModel, add_head
from keras_mtl.models.objectives import TaskOutput
from keras_mtl.names import check_names
from keras_mtl.tasks import Task
from keras_mtl.trunks.resnet import is_stage


def remove_branches(model: keras.Model, keep: Sequence[str]) -> MultiTaskModel:
    """A new model of some tasks only, on cloned layers with the same names and weights.

    Layers that served only removed branches are not in it, the trunk's own among them where no kept branch leaves
    that late. Until it is trained, the kept outputs are bit-identical to the given model's.

    Args:
        model: a functional model with a `TaskOutput` for each task.
        keep: names of the tasks to keep.

    Returns:
        The model of the kept tasks, not compiled.

    Raises:
        UserError: no task to keep, or one that the model has not.

    Example:
        >>> remove_branches(keras_mtl.build_model(["age", "smile"]), keep=["age"]).output_names  # doctest: +SKIP
        ['age']
    """
    outputs = _outputs(model)
    if isinstance(keep, str):
        keep = (keep,)
    if not keep:
        raise UserError(f"No task to keep. Received: keep={keep!r}; the model's tasks are {', '.join(outputs)}")
    for task in keep:
        if task not in outputs:
            raise UserError(f"The model has no task {task!r} to keep; its tasks are {', '.join(outputs)}")
    return _clone(MultiTaskModel(model.input, {task: outputs[task] for task in outputs if task in keep}), model.name)


def cut(model: keras.Model, at: str) -> keras.Model:
    """The model's trunk from the images up to an intermediate layer, on cloned layers, without any branch.

    Args:
        model: a functional model.
        at: the layer to end at: "stem", "stage1", ..., "pool", or any other layer's name.

    Returns:
        A `keras.Model` with the layer's output, `[batch, height, width, channels]` or `[batch, channels]`.

    Raises:
        UserError: the model has no such layer.
    """
    return _clone(keras.Model(model.input, _layer(model, at).output), f"{model.name}_{at}")


def add_branch(
    model: keras.Model,
    task: Task,
    at: str = "pool",
    *,
    hidden: int = 0,
    dropout: float = 0.0,
    seed: int = 0,
) -> MultiTaskModel:
    """A new model with one more task, on cloned layers; the mirror of `remove_branches`.

    Args:
        model: a functional model, such as `build_model`, `remove_branches` or `cut` give.
        task: the task that the new branch is for.
        at: the layer that the branch leaves from; maps are averaged over their positions.
        hidden, dropout, seed: of the branch, as for `build_model`.

    Returns:
        The model with the tasks of the given one and the new one, not compiled.

    Raises:
        UserError: the model has the task already, or has no such layer.
    """
    if task.name in _outputs(model):
        raise UserError(f"The model has a branch for {task.name!r} already: remove it first")
    check_names({**model.tasks, task.name: task} if isinstance(model, MultiTaskModel) else {task.name: task})
    everything = keras.Model(model.input, {**_outputs(model), "": _layer(model, at).output})
    copy = _clone(everything, model.name)
    branch = add_head(copy.get_layer(at).output, task, hidden=hidden, dropout=dropout, seed=seed)
    return MultiTaskModel(copy.input, {**_outputs(copy), task.name: branch}, name=model.name)


def branch_points(model: keras.Model) -> dict[str, str]:
    """By task, the last stage of the trunk that its branch sees: "stem", "stage1", ..., "pool"."""
    return {
        task: [layer.name for layer in keras.Model(model.input, output).layers if is_stage(layer.name)][-1]
        for task, output in _outputs(model).items()
    }


def move_branches(model: MultiTaskModel, places: Mapping[str, str], **branch) -> MultiTaskModel:
    """The model with a fresh branch for each task that is to leave the trunk elsewhere than it does.

    Args:
        model: the model.
        places: by task, the stage to leave from. Tasks that leave there already are left as they are.
        **branch: `hidden`, `dropout` and `seed` of the fresh branches.

    Raises:
        UserError: an unknown task, or a stage that the model has not.
    """
    points, tasks = branch_points(model), model.tasks
    for task, at in places.items():
        if task not in tasks:
            raise UserError(f"The model has no task {task!r} to move; its tasks are {', '.join(tasks)}")
        if points[task] == at:
            continue
        rest = {name: output for name, output in _outputs(model).items() if name != task}
        # The stage may be part of the trunk only because of this branch, so it has to be kept while the branch goes.
        bare = keras.Model(model.input, {**rest, "": _layer(model, at).output}, name=model.name)
        model = add_branch(bare, tasks[task], at, **branch)
    return model


def freeze(model: keras.Model, upto: str) -> None:
    """Makes the trunk up to a stage untrainable, and everything else trainable, in place.

    A frozen layer gets no gradient and no weight decay, and frozen BatchNormalization runs in inference mode: its
    moving statistics stay as they are.

    Args:
        model: the model, before it is compiled.
        upto: "none", "trunk", or the last stage to freeze: "stem", "stage1", ...

    Raises:
        UserError: the model has no such stage.
    """
    stages = [layer.name for layer in model.layers if is_stage(layer.name)]
    last = {"none": [], "trunk": stages}.get(upto, [upto])
    if not set(last) <= set(stages):
        raise UserError(f"freeze takes none, trunk, {', '.join(stages)}. Received: {upto!r}")
    frozen = keras.Model(model.input, [model.get_layer(name).output for name in last]).layers if last else []
    names = {layer.name for layer in frozen}
    for layer in model.layers:
        layer.trainable = layer.name not in names


def _outputs(model: keras.Model) -> dict:
    """The model's output tensors by task."""
    return {layer.name: layer.output for layer in model.layers if isinstance(layer, TaskOutput)}


def _layer(model: keras.Model, name: str) -> keras.Layer:
    for layer in model.layers:
        if layer.name == name:
            return layer
    stages = ", ".join(layer.name for layer in model.layers if is_stage(layer.name))
    raise UserError(f"The model has no layer {name!r}; its stages are {stages}")


def _clone(model, name: str):
    """A functional model on new layers with the same names, settings and weights."""
    copy = keras.models.clone_model(model)
    for layer in copy.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    copy.name = name
    return copy
