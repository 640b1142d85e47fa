"""What a user can cause: one class, so that one place can turn it into a message and an exit code."""


class UserError(Exception):
    """An expected failure. Its text says what is wrong, in which file or option, and what to do."""
