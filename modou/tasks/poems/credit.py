"""Token-level credit: the rules of verse, each with the characters that satisfy or violate it.

A score of the whole answer gives all its tokens the same advantage, though only one or two of forty decided it.
"""

from collections.abc import Iterator

from modou.tasks.poems.rhyme import groups
from modou.tasks.poems.verse import FORMS, Order, is_line, spans_of
from modou.train.rollouts import Credit


def verse_credits(text: str, order: Order) -> Iterator[Credit]:
    """Credits of each line: length, first character (of an acrostic), not a repetition, rhyme with the even lines
    before; and of the number of lines.

    The length is credited at the first character that is not Chinese, else where the line ends or should have ended; a
    rhyme at the last character of the line. The first even line gets no credit for rhyme: with it, GRPO learned to
    begin with the most common rhyme (three poems in four ended on en or in; of real ones, one in seven).
    """
    count, length = FORMS[order.form]
    spans = spans_of(text)
    lines = [text[start:end] for start, end in spans[:count]]
    for place, ((start, end), line) in enumerate(zip(spans, lines, strict=False)):
        foreign = (at for at, character in enumerate(line) if not is_line(character))
        decided = start + min(next(foreign, len(line)), length)
        yield _at(f"length {place}", len(line) == length and is_line(line), decided)
        yield Credit(f"new {place}", float(line not in lines[:place]), start, end)
        if order.head is not None:
            yield _at(f"head {place}", line[0] == order.head[place], start)
    kept = _rhymed([line[-1] for line in lines[1::2]])
    for place, (rhymed, (_, end)) in enumerate(zip(kept, spans[3:count:2], strict=True), 1):
        yield _at(f"rhyme {place}", rhymed, end - 1)
    yield _at("end", len(spans) == count, spans[count][0] if len(spans) > count else len(text))


def _at(name: str, points: float, place: int) -> Credit:
    return Credit(name, float(points), place, place + 1)


def _rhymed(characters: list[str]) -> list[bool]:
    """For all but the first: whether it is new and rhymes with the earlier ones that do."""
    shared, kept = groups(characters[0]) if characters else frozenset[int](), list[bool]()
    for place, character in enumerate(characters[1:], 1):
        common = shared & groups(character)
        kept.append(bool(common) and character not in characters[:place])
        shared = common if kept[-1] else shared
    return kept
