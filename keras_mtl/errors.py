"""The errors that a user can mend."""


class UserError(ValueError):
    """Bad input: one line that says what was got, what was expected and what to do.

    Commands print it without a traceback and end with exit code 2; any other exception is a defect of
    this package and keeps its traceback.
    """


class Diverged(UserError):
    """A training whose loss, weights or optimizer state are no longer finite: what it has now is of no use.

    Attributes:
        what: what is not finite, in words.
        task: the task that it belongs to; None where it is shared.
        step: the step of the training, from 1, after which it was so.
    """

    def __init__(self, what: str, task: str | None, step: int, advice: str):
        super().__init__(f"Training diverged in step {step:,}: {what}. {advice}")
        self.what, self.task, self.step = what, task, step
