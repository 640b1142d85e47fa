"""Loads a reader's own model and step, and trains them from one start.

A user's script imports `case` from here. Others use `loading`, `batches`, `errors` and `running`.
"""

from loops.case.script import case

__all__ = ["case"]
