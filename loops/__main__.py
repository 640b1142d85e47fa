"""`python -m loops`."""

from loops.cli import entry

entry()
