"""One file a command: puts the rooms together."""
