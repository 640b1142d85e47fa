"""Loads a reader's own model and step, and trains them from one start. Others use `loading` and `running`."""
