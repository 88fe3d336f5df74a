"""The constants of the task."""

from modou.tasks.base import TaskSettings


class StorytellerSettings(TaskSettings):
    """Sizes of the data files."""

    train: int = 12_000
    """Passages of train.jsonl: about three epochs in half an hour of SFT on two cores."""
    practice: int = 8_000
    """Passages of practice.jsonl, for GRPO: more than its rounds use."""
    test: int = 1_000
    """Passages of test.jsonl; 1000 give shares to ± 3 percentage points."""
    passages: int = 200
    """Passages of each world: many worlds, so that names cannot be memorised."""
    questions: int = 8
    """Maximum number of questions about a passage in a conversation: an answer has 3 tokens, a passage 90."""


SETTINGS = StorytellerSettings()
