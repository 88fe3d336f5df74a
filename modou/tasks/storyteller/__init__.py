"""Questions about the storyteller's world, whose answers are known; `task` ties the files together."""
