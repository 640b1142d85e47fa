"""One training kept on disk: its folder, checkpoints, resumption, result and environment."""
