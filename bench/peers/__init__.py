"""Other frameworks' steps of the same network on the same batch, each in a process of its own (`--peers`)."""
