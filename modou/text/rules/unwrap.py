"""Join hard-wrapped lines into paragraphs, with the words broken between them; verse and headings keep their lines."""

from collections.abc import Iterable, Iterator

from modou.text.headings import Heading
from modou.text.report import RuleReport
from modou.text.sentences import joint
from modou.text.survey import Survey
from modou.text.wrapping import HYPHENS, Wrap

_LIMIT = 1 << 20
_INDENTS = ("  ", "\t", "\u3000")


def apply(events: Iterable[str | Heading], found: Survey, tally: RuleReport) -> Iterator[str | Heading]:
    """Yield paragraphs and headings. In a document that is not hard-wrapped each line is a paragraph, unless it
    ends within a word."""
    wrap = found.wrap
    previous = paragraph = ""
    for event in events:
        if isinstance(event, Heading) or not event.strip():
            if paragraph:
                yield paragraph
            previous = paragraph = ""
            if isinstance(event, Heading):
                yield event
            continue
        broken = _is_broken(previous, event)
        if previous and len(paragraph) < _LIMIT and (broken or (wrap and _continues(previous, event, wrap))):
            paragraph, right = paragraph.rstrip(), event.strip()
            divided = broken and found.hyphens.divides(paragraph, right)
            cut, between = (1, "") if divided else (0, joint(paragraph, right))
            head, tail = paragraph[-12:].lstrip(), right[:12].rstrip()
            tally.touch("-" * cut, example=(f"{head}\n{tail}", f"{head[: len(head) - cut]}{between}{tail}"))
            tally.characters += 1
            if cut:
                paragraph = paragraph[:-cut]
            paragraph += between + right
        else:
            if paragraph:
                yield paragraph
            paragraph = event
        previous = event
    if paragraph:
        yield paragraph


def _is_broken(line: str, following: str) -> bool:
    """Whether a line ends within a word, or in a compound's hyphen."""
    line = line.rstrip()
    return line.endswith(HYPHENS) and line[-2:-1].isalpha() and following.lstrip()[0].islower()


def _continues(line: str, following: str, wrap: Wrap) -> bool:
    line = line.rstrip()
    if following.startswith(_INDENTS) and not line.startswith(_INDENTS):
        return False
    if wrap.chinese:
        return len(line) >= wrap.width - 2 and not following.startswith(_INDENTS)
    if following.startswith(_INDENTS):
        return False
    # A line is full when the next word would not fit; some lines are broken earlier.
    first = following.split(maxsplit=1)[0]
    early = not line.startswith(_INDENTS) and following[0].islower() and line[-1] not in ".!?"
    return len(line) + 1 + len(first) > wrap.width or early
