"""The whole jobs of the command line, put together from the rooms: scan, train, evaluate, demo."""
