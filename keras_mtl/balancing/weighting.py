"""What every weighting offers: how much each task's loss, or gradient, counts in a step."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_mtl.errors import UserError
from keras_mtl.values import check_number


class Weighting:
    """How the tasks' losses or gradients are combined into one step.

    A weighting is one method of one paper. It says by `sees` what it needs, and gives a weight for each task, or,
    for those few methods that are no weighting, the combined gradient itself. A new one is a subclass in a file of
    its own, listed in `WEIGHTINGS`. Its settings are the keyword arguments of its `__init__`; what it
    remembers from step to step are the `keras.Variable`s in `variables`, which are saved in a run's checkpoints.

    Attributes:
        name: what `--weighting` and `compile(weighting=…)` call it.
        sees: "losses" (weights of the whole losses, heads included, known before the backward pass), "gramian"
            (weights of the gradients of the shared weights) or "gradients" (the gradients themselves).
        halves: whether the Gramian is taken between the gradients of two halves of the images, as double
            sampling asks for. Only for a weighting that sees the Gramian.
        looks_again: whether `after_step` wants the losses of the same images after the step; costs a forward pass.
        variables: its state, made by `build`.
    """

    name = ""
    sees = "losses"
    halves = False
    looks_again = False

    def __init__(self):
        self.tasks = 0
        self.variables: list[keras.Variable] = []

    def build(self, tasks: int, shapes: Sequence[tuple[int, ...]] = ()) -> None:
        """Makes the state.

        Args:
            tasks: how many there are.
            shapes: those of the shared weights; given to weightings that see the gradients.
        """
        self.tasks = tasks

    def add_variable(self, value, dtype: str = "float32") -> keras.Variable:
        """A variable of the state with this initial value; for use in `build`."""
        variable = keras.Variable(value, dtype=dtype, trainable=False, name=f"{self.name}_{len(self.variables)}")
        self.variables.append(variable)
        return variable

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        """The tasks' weights for this step; updates the state.

        Args:
            losses: float32 [tasks], each times its own `loss_weights`; 0 or more.
            gramian: float32 [tasks, tasks], the inner products of the tasks' gradients of the shared weights
                (of those losses); None for a weighting that sees only losses. With `halves`, entry [i, j] is
                that of task i's gradient on the first half and task j's on the second.

        Returns:
            float32 [tasks], finite; no gradient flows through them.
        """
        raise NotImplementedError

    def combine(self, gradients: Sequence[Sequence[tf.Tensor]], losses: tf.Tensor) -> list[tf.Tensor]:
        """The gradient of the shared weights; for weightings that see the gradients.

        Args:
            gradients: for each task the gradient of each shared weight, in the order of `build`'s shapes; float32.
            losses: as for `weights`.

        Returns:
            For each shared weight one gradient of its shape.
        """
        raise NotImplementedError

    def own_weights(self, losses: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor | None:
        """How much each task's gradient counts in weights of that task alone, such as its head's.

        As the method's authors have it, whose codes differ here. Asked in a step after `weights` or `combine`, of
        weightings that see the Gramian or the gradients; those that see losses weigh the whole of a task's loss.

        Args:
            losses: as for `weights`.
            weights: what `weights` gave; None for a weighting that sees the gradients.

        Returns:
            float32 [tasks], finite; None for 1 each: each head is trained on its own loss, as it is.
        """
        return None

    def after_step(self, losses: tf.Tensor) -> None:
        """Updates the state by the losses of the same images after the step; only with `looks_again`."""

    def on_epoch_end(self) -> None:
        """Updates the state at the end of a training epoch, in Python."""

    @property
    def is_plain(self) -> bool:
        """Whether it does nothing: each loss counts what it is."""
        return False

    def get_config(self) -> dict[str, object]:
        """The settings by name, as `__init__` takes them."""
        return {name: getattr(self, name) for name in self.option_names()}

    @classmethod
    def from_config(cls, config: dict[str, object]) -> Weighting:
        return cls(**config)

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """The names of the settings; each is an attribute too."""
        return tuple(inspect.signature(cls.__init__).parameters)[1:]

    def check(self, right: bool, expected: str) -> None:
        """Raises UserError with the settings as received where they are not right; finite numbers they must be anyway.

        To be called in `__init__` once all settings are there.
        """
        if not right:
            raise UserError(f"Weighting {self.name!r} needs {expected}. Received: {self.get_config()}")
        for name, value in self.get_config().items():
            for number in value if isinstance(value, tuple) else (value,):
                check_number(f"Weighting {self.name!r}: {name}", number)
