"""Damaged versions of poems, as rejected answers for a reward model. The rules of `verse` and `rhyme` are not used
here, since they evaluate the reward model."""

import random
from collections.abc import Callable

Lines = tuple[str, ...]
Damage = Callable[[Lines, Lines, random.Random], Lines]


def shuffled(lines: Lines, _: Lines, dice: random.Random) -> Lines:
    """The characters of one line in another order."""
    place = dice.randrange(len(lines))
    return _with(lines, place, "".join(dice.sample(lines[place], len(lines[place]))))


def unrhymed(lines: Lines, other: Lines, dice: random.Random) -> Lines:
    """Another last character in an even line, from the end of another even line (odd lines end on other tones)."""
    place = dice.randrange(1, len(lines), 2)
    return _with(lines, place, lines[place][:-1] + dice.choice(other[1::2])[-1])


def mixed(lines: Lines, other: Lines, dice: random.Random) -> Lines:
    """A line replaced by one of another poem."""
    return _with(lines, dice.randrange(len(lines)), dice.choice(other))


def repeated(lines: Lines, _: Lines, dice: random.Random) -> Lines:
    """A line replaced by a copy of another."""
    first, second = dice.sample(range(len(lines)), 2)
    return _with(lines, first, lines[second])


def misshapen(lines: Lines, other: Lines, dice: random.Random) -> Lines:
    """A character too many or too few."""
    place = dice.randrange(len(lines))
    cut = dice.randrange(len(lines[place]))
    more = dice.choice(dice.choice(other)) if dice.random() < 0.5 else ""
    return _with(lines, place, lines[place][:cut] + more + lines[place][cut + (not more) :])


def echoed(lines: Lines, _: Lines, dice: random.Random) -> Lines:
    """The last character of one even line at the end of another."""
    place, again = dice.sample(range(1, len(lines), 2), 2)
    return _with(lines, place, lines[place][:-1] + lines[again][-1])


def beheaded(lines: Lines, other: Lines, dice: random.Random) -> Lines:
    """Another first character in a line, for acrostics."""
    place = dice.randrange(len(lines))
    return _with(lines, place, dice.choice(other)[0] + lines[place][1:])


def unfinished(lines: Lines, _: Lines, dice: random.Random) -> Lines:
    """The last lines missing."""
    return lines[: dice.randrange(2, len(lines), 2)]


def overlong(lines: Lines, other: Lines, _: random.Random) -> Lines:
    """A couplet of another poem after the last."""
    return (*lines, *other[-2:])


DAMAGES: dict[str, Damage] = {
    damage.__name__: damage
    for damage in (shuffled, unrhymed, echoed, mixed, repeated, misshapen, unfinished, overlong, beheaded)
}
ONLY_HEADS = "beheaded"
"""Damages acrostics only."""


def damages(lines: Lines, other: Lines, count: int, acrostic: bool, dice: random.Random) -> dict[str, Lines]:
    """The poem damaged in up to `count` random ways, by name; characters and lines come from the poem `other`. Versions
    without a difference are left out."""
    names = [name for name in DAMAGES if acrostic or name != ONLY_HEADS]
    made = {name: DAMAGES[name](lines, other, dice) for name in dice.sample(names, count)}
    return {name: damaged for name, damaged in made.items() if damaged != lines}


def _with(lines: Lines, place: int, line: str) -> Lines:
    return (*lines[:place], line, *lines[place + 1 :])
