"""A reader's own model and step: loads the file that holds them and trains it from one start."""
