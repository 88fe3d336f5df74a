"""The task of answering questions about the storyteller's texts; see `task`."""
