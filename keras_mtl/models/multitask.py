"""The multitask model: one trunk, a named output for each task, trained with plain compile and fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras

from keras_mtl import tasks as tasks_module
from keras_mtl.errors import UserError
from keras_mtl.models.heads import head_of
from keras_mtl.models.objectives import METRICS, TaskLoss, TaskMetric, TaskOutput
from keras_mtl.models.resnet import build_trunk
from keras_mtl.names import check_names
from keras_mtl.tasks import Task
from keras_mtl.values import SEEDS, is_seed


@keras.saving.register_keras_serializable(package="keras_mtl")
class MultiTaskModel(keras.Model):
    """A functional `keras.Model` whose outputs are tasks.

    Made from tensors like any functional model, `MultiTaskModel(inputs, {"age": tensor, …})`; each output
    must come from a `TaskOutput` layer. It saves to `.keras` and loads with `keras.models.load_model`
    once `keras_mtl` is imported.

    Inputs: images, uint8 (or floats from 0 to 255), `[batch, height, width, 3]`.
    Outputs: a dict by task of float32 logits `[batch, units]`; `decode` makes them readable.
    """

    @property
    def tasks(self) -> dict[str, Task]:
        """The model's tasks by name, in the order of its outputs."""
        return {layer.name: layer.task for layer in self.layers if isinstance(layer, TaskOutput)}

    _step = None  # how a batch is trained on, where Keras' own step is not enough

    def compile(
        self,
        optimizer="adamw",
        loss=None,
        loss_weights=None,
        weighted_metrics=None,
        weighting="ew",
        sub_batches=None,
        gradients="auto",
        **kwargs,
    ):
        """Keras' `compile`, with each head's own loss and metrics where none are given, and a balancing of the tasks.

        Args:
            optimizer: as Keras takes it.
            loss: a dict by task; by default each head's loss over its labelled samples.
            loss_weights: a dict by task; a task that it leaves out counts its head's `weight`.
            weighted_metrics: a dict by task; by default `METRICS` of the task's kind. Metrics belong here
                and not in `metrics`, which would count unlabelled samples.
            weighting: how the tasks are balanced: a name such as "upgrad", one with settings as in "cagrad:c=0.4",
                or a `Weighting`. "ew" counts each loss times its `loss_weights`, in Keras' own training step.
            sub_batches: for each source, in the order of its rows in a batch, (rows, tasks). BatchNormalization
                then sees each source by itself, and gradients of tasks are taken source by source, at about the
                price of one. None: one pass over the whole batch, and for a weighting that sees the gradients of
                the trunk a backward pass a task.
            gradients: "trunk", "features" or "auto"; see `keras_mtl.balancing.step.BalancedStep`.
            **kwargs: the rest of Keras' arguments.

        Raises:
            ValueError: `loss_weights` names a task that the model lacks; an unknown weighting; sub-batches or
                gradients that don't fit.
        """
        tasks = self.tasks
        # Imported here: prediction needs no weighting.
        from keras_mtl.balancing import parse_weighting

        given_weighting = parse_weighting(weighting) if isinstance(weighting, str) else weighting
        given = dict(loss_weights or {})
        unknown = sorted(set(given) - set(tasks))
        if unknown:
            raise UserError(f"loss_weights names {unknown[0]!r}, but the model's tasks are {', '.join(tasks)}")
        losses = loss or {name: TaskLoss(task) for name, task in tasks.items()}
        weights = {name: float(given.get(name, head_of(task).weight)) for name, task in tasks.items()}
        super().compile(
            optimizer=optimizer,
            loss=losses,
            loss_weights=weights,
            weighted_metrics=weighted_metrics or _metrics(tasks),
            **kwargs,
        )
        self._step = None
        if len(sub_batches or ()) > 1 or (len(tasks) > 1 and not given_weighting.is_plain):
            from keras_mtl.balancing.step import BalancedStep

            by_task = {name: keras.losses.get(losses[name]) for name in tasks}
            self._step = BalancedStep(self, by_task, weights, given_weighting, sub_batches, gradients)
        self._balance_config = {
            "weighting": {"name": given_weighting.name, "config": given_weighting.get_config()},
            "sub_batches": sub_batches and [[int(rows), list(names)] for rows, names in sub_batches],
            "gradients": gradients,
        }

    @property
    def balance(self):
        """The `BalancedStep` that `compile` made; None where Keras' own step trains."""
        return self._step

    @property
    def balance_variables(self) -> list[keras.Variable]:
        """The state of the weighting: what a checkpoint must hold besides Keras' own variables."""
        return self._step.variables if self._step else []

    def get_compile_config(self):
        config = super().get_compile_config()
        return {**config, **self._balance_config} if config else config

    def compile_from_config(self, config):
        """Compiles as the saved model was; Keras asks for this method where `compile` is overridden."""
        balance = {name: config[name] for name in ("weighting", "sub_batches", "gradients") if name in config}
        rest = {name: value for name, value in config.items() if name not in balance}
        if balance:
            from keras_mtl.balancing import weighting_class

            method = balance["weighting"]
            balance["weighting"] = weighting_class(method["name"]).from_config(method["config"])
        self.compile(**keras.saving.deserialize_keras_object(rest), **balance)
        self.optimizer.build(self.trainable_variables)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for number, variable in enumerate(self.balance_variables):
            store[f"weighting_{number}"] = variable

    def load_own_variables(self, store):
        names = list(store.keys())
        super().load_own_variables({name: store[name] for name in names if not name.startswith("weighting_")})
        for number, variable in enumerate(self.balance_variables):
            if f"weighting_{number}" in names:
                variable.assign(store[f"weighting_{number}"])

    def train_step(self, data):
        """One step of `fit`: Keras' own, or that of the weighting."""
        if self._step is None:
            return super().train_step(data)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        outputs = self._step(x, y, sample_weight)
        # Keras' per-output losses are kept by its own loss object; the outputs are those that were trained on.
        loss = self.compute_loss(x, y, outputs, sample_weight, training=True)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=keras.ops.shape(x)[0])
        return self.compute_metrics(x, y, outputs, sample_weight=sample_weight)

    def fit(self, *args, callbacks=None, **kwargs):
        """Keras' `fit`; it also tells a weighting that counts epochs when one ends."""
        if self._step is not None:
            tell = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: self._step.weighting.on_epoch_end())
            if isinstance(callbacks, keras.callbacks.CallbackList):
                callbacks.append(tell)
            else:
                # The first, so that a checkpoint of the epoch's end holds what the weighting made of it.
                callbacks = [
                    tell,
                    *([callbacks] if isinstance(callbacks, keras.callbacks.Callback) else callbacks or []),
                ]
        return super().fit(*args, callbacks=callbacks, **kwargs)

    def decode(self, outputs: Mapping[str, object]) -> dict[str, object]:
        """What the outputs mean.

        Args:
            outputs: logits by task, `[batch, units]`, as the model or `predict` gives them.

        Returns:
            By task, float32: a value `[batch]` in the task's unit for a regression, else probabilities
            `[batch, classes]` in the order of the task's classes.
        """
        tasks = self.tasks
        return {
            name: head_of(tasks[name]).decode(keras.ops.cast(logits, "float32")) for name, logits in outputs.items()
        }


def _metrics(tasks: Mapping[str, Task]) -> dict[str, list[TaskMetric]]:
    # Keras puts the output's name in front of a metric's only where there are several outputs.
    return {
        name: [
            TaskMetric(task, measure, name=f"{name}_{measure}" if len(tasks) == 1 else measure)
            for measure in METRICS[task.kind]
        ]
        for name, task in tasks.items()
    }


def build_model(
    tasks: Mapping[str, Task] | Sequence[str] = ("age", "gender", "smile"),
    *,
    image_size: int = 64,
    width: int = 64,
    blocks: Sequence[int] = (2, 2, 2, 2),
    stem: str = "imagenet",
    branch_at: Mapping[str, str] | None = None,
    hidden: int = 0,
    dropout: float = 0.0,
    seed: int = 0,
    precision: str | None = None,
) -> MultiTaskModel:
    """A ResNet trunk with one branch a task, not yet compiled.

    Args:
        tasks: the tasks by name, or names of built-in tasks.
        image_size: height and width of the images in pixels, from 32 up.
        width: channels of the first stage (64 is ResNet-18's).
        blocks: residual blocks in each stage; (2, 2, 2, 2) is ResNet-18.
        stem: "imagenet" (7x7, stride 2, max-pool) or "small" (3x3, stride 1), for small images.
        branch_at: by task, the stage that its branch leaves the trunk from: "stem", "stage1", ...; "pool" where it
            is not named. What of the trunk no branch sees is not built.
        hidden: units of a hidden layer in each branch; 0 for none.
        dropout: share of the features dropped in front of each branch's last layer, 0 to 1.
        seed: decides the initial weights and the dropout.
        precision: "float32" or "bfloat16" (float32 variables, bfloat16 arithmetic); by default Keras' own policy.

    Raises:
        ValueError: an argument is out of its range.

    Example:
        >>> model = build_model(["age", "smile"], image_size=64)  # doctest: +SKIP
        >>> model.compile("adamw")  # doctest: +SKIP
    """
    if not isinstance(tasks, Mapping):
        tasks = tasks_module.select_tasks(tuple(tasks))
    check_names(tasks)
    if not is_seed(seed):
        raise UserError(f"seed must be a whole number from 0 to {SEEDS - 1}. Received: {seed!r}")
    policy = keras.config.dtype_policy()
    if precision is not None:
        keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else precision)
    try:
        inputs = keras.Input((image_size, image_size, 3), dtype="uint8", name="images")
        trunk = build_trunk(inputs, width=width, blocks=tuple(blocks), stem=stem, seed=seed)
        places = {**dict.fromkeys(tasks, "pool"), **(branch_at or {})}
        _check_places(places, tasks, trunk)
        outputs = {
            task.name: add_head(
                trunk[places[task.name]], task, hidden=hidden, dropout=dropout, seed=(seed + number) % SEEDS
            )
            for number, task in enumerate(tasks.values(), start=1)
        }
        return MultiTaskModel(inputs, outputs, name="multitask_resnet")
    finally:
        keras.config.set_dtype_policy(policy)


def _check_places(places: Mapping[str, str], tasks: Mapping[str, Task], trunk: Mapping[str, object]) -> None:
    for task, stage in places.items():
        if task not in tasks:
            raise UserError(f"branch_at names the task {task!r}; the tasks are {', '.join(tasks)}")
        if stage not in trunk:
            raise UserError(f"A branch can leave from {', '.join(trunk)}. Received: {task}:{stage}")


def add_head(features, task: Task, *, hidden: int = 0, dropout: float = 0.0, seed: int = 0):
    """A task's branch on features: pooling of maps, hidden layer, dropout, logits, output.

    Args:
        features: `[batch, channels]`, or maps `[batch, height, width, channels]`, which are averaged over positions.
        task: the task, whose name is that of the output and the start of the other layers' names.
        hidden, dropout, seed: as for `build_model`.

    Returns:
        The output tensor, float32 `[batch, units]`.
    """
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D("channels_last", dtype="float32", name=f"{task.name}_pool")(
            features
        )
    if hidden:
        features = keras.layers.Dense(
            hidden,
            activation="relu",
            kernel_initializer=keras.initializers.HeNormal(seed=seed),
            name=f"{task.name}_hidden",
        )(features)
    if dropout:
        features = keras.layers.Dropout(dropout, seed=seed, name=f"{task.name}_dropout")(features)
    bound = features.shape[-1] ** -0.5
    logits = keras.layers.Dense(
        head_of(task).units,
        kernel_initializer=keras.initializers.RandomUniform(-bound, bound, seed=seed),
        # Logits feed exponentials: bfloat16's 8 bits would be visible there, and this layer is tiny.
        dtype="float32",
        name=f"{task.name}_logits",
    )(features)
    return TaskOutput(task)(logits)
