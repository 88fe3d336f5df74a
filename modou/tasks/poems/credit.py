"""Which characters of an answer earn or lose what: rules that can point at what keeps or breaks them.

A whole answer's score tells every token of it the same, and of forty tokens one or two decided; what the others are
told is noise. A rule that points spares them that.
"""

from collections.abc import Iterator

from modou.tasks.poems.rhyme import groups
from modou.tasks.poems.verse import FORMS, Order, is_line, spans_of
from modou.train.rollouts import Credit


def verse_credits(text: str, order: Order) -> Iterator[Credit]:
    """The rules of verse, line by line: its length, its first character where one was asked for, its rhyme with the
    even lines before, its being new; and that the last line is the last.

    Each names the one place where it was decided: a line's length at what is no Chinese character, or else where it
    ends, or should have; a rhyme at the last character of a line that has one to find. The first even line has none,
    and earns nothing for the rhymes of the others: paid for them, GRPO learned to begin with the commonest rhyme (three
    poems in four ended on en or in; one in seven does in real verse).
    """
    count, length = FORMS[order.form]
    spans = spans_of(text)
    lines = [text[start:end] for start, end in spans[:count]]
    for place, ((start, end), line) in enumerate(zip(spans, lines, strict=False)):
        strange = (at for at, character in enumerate(line) if not is_line(character))
        decided = start + min(next(strange, len(line)), length)
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
    """Of all but the first: whether it is new and rhymes with those before it that do."""
    shared, kept = groups(characters[0]) if characters else frozenset[int](), list[bool]()
    for place, character in enumerate(characters[1:], 1):
        common = shared & groups(character)
        kept.append(bool(common) and character not in characters[:place])
        shared = common if kept[-1] else shared
    return kept
