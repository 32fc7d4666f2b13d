"""Initial weights from an earlier model: a run, a `.keras` file, or a ResNet-18 of torchvision or timm."""

from __future__ import annotations

import pathlib

import keras

from keras_mtl.errors import UserError
from keras_mtl.models.multitask import MultiTaskModel
from keras_mtl.models.weights import load_torch_weights, read_state_dict
from keras_mtl.training.run_folder import RunFolder


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
        UserError: no such file, another kind of file, or nothing in it that fits.
    """
    source = pathlib.Path(path)
    if source.suffix in (".pth", ".pt", ".safetensors"):
        load_torch_weights(model, read_state_dict(source))
        return f"Trunk initialised from {source}"
    if source.is_dir():
        source = RunFolder.trained(source).model_path
    if source.suffix != ".keras" or not source.is_file():
        raise UserError(
            f"--init_from takes a run folder with a model, a .keras, .pth or .safetensors file. Received: {path}"
        )
    theirs = {layer.name: layer for layer in keras.models.load_model(source, compile=False).layers}
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
