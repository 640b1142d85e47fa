"""One file a command: what each reads from the command line, does, and prints."""
