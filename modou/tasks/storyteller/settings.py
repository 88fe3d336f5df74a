"""The numbers of the task that decide what is learned, each with its reason."""

from modou.tasks.base import TaskSettings


class StorytellerSettings(TaskSettings):
    """Passages of each file, and how they are asked about."""

    train: int = 12_000
    """Passages of train.jsonl: about what half an hour of SFT on two cores reads three times."""
    practice: int = 8_000
    """Passages of practice.jsonl, for reinforcement: more than its rounds ask."""
    test: int = 1_000
    """Passages of test.jsonl: shares are then known to ± 3 points."""
    passages: int = 200
    """Passages of a world before the next one: many worlds, so that names are read and not remembered."""
    questions: int = 8
    """Most questions about a passage in one conversation: answers are three tokens long, the passage ninety."""


SETTINGS = StorytellerSettings()
