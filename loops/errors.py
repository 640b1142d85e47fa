"""What a user can cause or a signal ends: few classes, so that one place can turn them into exit codes."""


class UserError(Exception):
    """An expected failure. Its text says what is wrong, in which file or option, and what to do."""


class Stopped(BaseException):
    """A signal asked for the end; its number decides the exit code (loops/run/signals.py).

    Like KeyboardInterrupt it is no Exception: raised anywhere, it must pass all handlers of errors.
    """

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


class NotFiniteError(Exception):
    """The loss is NaN or infinite at global step `step` (from 1)."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the loss is NaN or infinite at step {step}")
        self.step = step
