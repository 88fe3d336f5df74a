"""A book as its owner has it becomes documents: one file a format."""
