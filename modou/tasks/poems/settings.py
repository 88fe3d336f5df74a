"""The numbers of the task that decide what a model of verse becomes, each with its reason."""

from modou.tasks.base import TaskSettings


class PoemSettings(TaskSettings):
    """Data first, then pairs."""

    held_out: int = 1_000
    """Poems of test.jsonl, none of whose lines stands in another file: shares are then known to ± 3 points."""
    judged: int = 4_000
    """Poems of judge.jsonl, none of whose lines stands in another file: what a reward model calls real must not be what
    the writer knows by heart."""
    longest_title: int = 12
    """Characters of a title that is asked for; longer ones tell a story of their own."""
    by_title: float = 0.5
    """Share of the poems that are asked for by title, if it is short enough: the usual order, so half of them."""
    by_head: float = 0.4
    """Share that are asked for as an acrostic, the hardest order; for the others the form alone is asked."""
    other_heads: float = 0.75
    """Share of the acrostics to learn from that get other first characters: anybody's name may be asked for, and most
    characters never begin a line of verse."""
    endings: int = 2
    """Versions of each poem, its even lines ended by the run: what teaches a reward model rhyme."""
    own_endings: int = 2
    """Versions of each of the run's own poems, ended anew: these are what the reward model will have to judge."""
    echoes: float = 1 / 3
    """Share of those versions in which one even line ends as another does, and nothing else changes: a small
    network takes a word for its own best rhyme until it has seen enough of these (docs/experiments/verse-judge.md)."""
    candidates: int = 8
    """Characters drawn for the end of a line that is to rhyme, of which one is taken. The more, the stranger it may
    be."""
    spoiled: int = 3
    """Damaged versions of each poem, each by another of nine ways: as many as the run's own answers to the question."""


SETTINGS = PoemSettings()
