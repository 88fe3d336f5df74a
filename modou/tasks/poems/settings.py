"""The constants of the task."""

from modou.tasks.base import TaskSettings


class PoemSettings(TaskSettings):
    """Sizes of the data files, and of the preference pairs."""

    held_out: int = 1_000
    """Poems of test.jsonl, with no line in another file; 1000 give shares to ± 3 percentage points."""
    judged: int = 4_000
    """Poems of judge.jsonl, with no line in another file: the policy must not have memorised the real poems that the
    reward model is trained on."""
    longest_title: int = 12
    """Maximum length of a title that is asked for, in characters."""
    by_title: float = 0.5
    """Share of the poems that are asked for by title, if it is short enough."""
    by_head: float = 0.4
    """Share asked for as an acrostic; for the others only the form is given."""
    other_heads: float = 0.75
    """Share of the training acrostics with replaced first characters (verse.with_other_heads)."""
    endings: int = 2
    """Versions of each real poem with sampled line ends, from which a reward model learns rhyme."""
    own_endings: int = 2
    """The same for each poem of the run, the distribution that the reward model will score."""
    echoes: float = 1 / 3
    """Share of those versions in which only one end is replaced by that of another line, so that a reward model does
    not take repetition for rhyme (docs/experiments/verse-judge.md)."""
    candidates: int = 8
    """Characters sampled for a line end that is to rhyme, of which the best is taken; more make it less likely text."""
    spoiled: int = 3
    """Damaged versions of each real poem, each damaged in another way."""


SETTINGS = PoemSettings()
