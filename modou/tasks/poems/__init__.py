"""The task of writing Tang poems, whose form, rhyme and acrostics rules can check; see `task`."""
