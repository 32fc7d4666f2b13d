"""The multitask model: one trunk, a named output for each task, trained with plain compile and fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras

from keras_mtl import tasks as tasks_module
from keras_mtl.balancing.step import BalancedStep
from keras_mtl.errors import UserError
from keras_mtl.heads.by_name import head_of
from keras_mtl.kinds import kind_of
from keras_mtl.models.by_task import as_loss, labels_by_task, loss_weights_by_task, losses_by_task, measured_tasks
from keras_mtl.models.divergence import DivergenceWatch
from keras_mtl.models.objectives import TaskMetric, TaskOutput
from keras_mtl.models.task_losses import TaskLosses
from keras_mtl.names import check_names
from keras_mtl.tasks import Task
from keras_mtl.trunks.resnet import build_trunk
from keras_mtl.values import SEEDS, is_seed
from keras_mtl.weighting_names import parse_weighting, weighting_class


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

    # None until `compile`, which all that asks for them comes after.
    _watch: DivergenceWatch = None  # type: ignore[assignment]
    _step: BalancedStep = None  # type: ignore[assignment]  # How a batch is trained on, where Keras' own isn't enough.
    _task_losses: TaskLosses = None  # type: ignore[assignment]

    def compile(
        self,
        optimizer="adamw",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        *args,
        weighting="ew",
        sub_batches=None,
        gradients="auto",
        **kwargs,
    ):
        """Keras' `compile`, with each head's own loss and metrics where none are given, and a balancing of the tasks.

        `fit`, `evaluate`, `train_on_batch` and the like take labels and sample weights as Keras does: dicts by task,
        lists in the order of `output_names`, one array for a model of one output. A label that is NaN is missing:
        its sample counts nothing for that task. What they tell is `<task>_loss`, the mean over the task's labelled
        images whatever batches they came in, and `loss`, the sum over the tasks of the loss weight times that mean,
        plus the regularisers' mean; see `TaskLosses`. With a weighting the weights that it chooses are not in it.

        Args:
            optimizer: as Keras takes it.
            loss: by default each head's loss over its labelled samples. Else as Keras takes it: a name, a function or
                a `keras.losses.Loss` for all outputs, a list, or a dict by task. A task that is left out is not
                trained, nor measured or balanced; its labels may be left out too.
            loss_weights: a number for all, a list or a dict by task; where none is given, a head's own loss counts the
                head's `weight`, any other 1.
            metrics: as Keras takes them. They count samples without a label too, as of label 0: metrics belong in
                `weighted_metrics`.
            weighted_metrics: as Keras takes them; by default the `measures` of the kind of each task that has a loss.
            weighting: how the tasks are balanced: a name such as "upgrad", one with settings as in "cagrad:c=0.4",
                or a `Weighting`. "ew" or None counts each loss times its `loss_weights`, in Keras' own training step.
            sub_batches: for each source, in the order of its rows in a batch, (rows, tasks). BatchNormalization
                then sees each source by itself, and gradients of tasks are taken source by source, at about the
                price of one. None: one pass over the whole batch, and for a weighting that sees the gradients of
                the trunk a backward pass a task.
            gradients: "trunk", "features" or "auto"; see `keras_mtl.balancing.step.BalancedStep`.
            *args, **kwargs: the rest of Keras' arguments.

        Raises:
            UserError: losses, weights or metrics of tasks that the model lacks; an unknown weighting; sub-batches or
                gradients that don't fit.
        """
        tasks, names = self.tasks, self.output_names
        weighting = parse_weighting(weighting or "ew") if isinstance(weighting, str | None) else weighting
        given = losses_by_task(loss, tasks, names)
        losses = {name: as_loss(own) for name, own in given.items()}
        weights = loss_weights_by_task(loss_weights, losses, tasks, names)
        if weighted_metrics is None:
            weighted_metrics = _metrics({name: tasks[name] for name in losses}, names)
        super().compile(optimizer, given, weights, metrics, weighted_metrics, *args, **kwargs)
        self._task_losses = TaskLosses(losses, weights)
        self._needed = {*losses, *measured_tasks(metrics, names), *measured_tasks(weighted_metrics, names)}
        self._step = None  # type: ignore[assignment]
        if len(sub_batches or ()) > 1 or (len(losses) > 1 and not weighting.is_plain):
            self._step = BalancedStep(self, losses, weights, weighting, sub_batches, gradients)
        self._watch = DivergenceWatch(self)
        self._balance_config = {
            "weighting": {"name": weighting.name, "config": weighting.get_config()},
            "sub_batches": sub_batches and [[int(rows), list(names)] for rows, names in sub_batches],
            "gradients": gradients,
        }

    @property
    def task_losses(self) -> TaskLosses:
        """The losses that `compile` made, with what is told of them; None before."""
        return self._task_losses

    @property
    def metrics(self):
        """Keras' metrics, with the means of `task_losses` in place of its own `loss`, a mean over batches."""
        kept = super().metrics
        if self._task_losses is None:
            return kept
        rest = [metric for metric in kept if metric.name != "loss"]
        return [self._task_losses.total, *rest, *self._task_losses.means.values()]

    @property
    def divergence(self) -> DivergenceWatch:
        """Whether the training of the compiled model has diverged; None before `compile`."""
        return self._watch

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

    def make_train_function(self, force=False):
        """Keras' own, with the optimizer's variables made before.

        Keras makes them within the first step, and TensorFlow traces a step that makes variables a second time; a
        checkpoint must hold them as training begins.
        """
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)

    def train_step(self, data):
        """One step of `fit`: Keras' own, or that of the weighting; and whether all is finite after it."""
        step = keras.ops.add(self.optimizer.iterations, 1)
        told = super().train_step(data) if self._step is None else self._balanced_step(data)
        self._watch.look(step)
        return told

    def _balanced_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        y, sample_weight = self._by_task(y, sample_weight)
        outputs = self._step(x, y, sample_weight)
        self.compute_loss(x, y, outputs, sample_weight, training=True)
        return self.compute_metrics(x, y, outputs, sample_weight=sample_weight)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Keras' `compute_loss`: the loss to minimise of a batch, which is added to what is told of the losses."""
        y, sample_weight = self._by_task(y, sample_weight)
        return self._task_losses(y, y_pred, sample_weight, self.losses)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        y, sample_weight = self._by_task(y, sample_weight)
        return super().compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def _by_task(self, y, sample_weight) -> tuple[dict, dict]:
        """Labels and sample weights by task, whatever form they came in."""
        return labels_by_task(y, sample_weight, self.output_names, self._task_losses.losses, self._needed)

    def fit(self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, *args, **kwargs):
        """Keras' `fit`, which ends where the training diverges; it also tells a weighting when an epoch ends.

        Raises:
            Diverged: a loss, a weight or the optimizer's state is not finite any more after a step. Other callbacks
                don't hear of that step any more, so that none of them saves what it has left.
        """
        # The first, so that a checkpoint of the epoch's end holds what the weighting made of it.
        first = [] if self._watch is None else [self._watch.callback]
        first += [] if self._step is None else [self._step.epochs]
        if isinstance(callbacks, keras.callbacks.CallbackList):
            there = callbacks.callbacks  # a list may serve several times
            there[:0] = [callback for callback in first if callback not in there]
        else:
            own = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else callbacks or []
            callbacks = [*first, *own]
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, *args, **kwargs)

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


def _metrics(tasks: Mapping[str, Task], outputs: Sequence[str]) -> dict[str, list[TaskMetric]]:
    # Keras puts the output's name in front of a metric's only where there are several outputs.
    return {
        name: [
            TaskMetric(task, measure, name=f"{name}_{measure}" if len(outputs) == 1 else measure)
            for measure in kind_of(task).measures
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
        UserError: an argument is out of its range.

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
