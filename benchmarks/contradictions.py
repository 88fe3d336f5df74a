"""Counts contradictions in storyteller texts (dead people who speak, objects given away twice, ...).

Each sentence is parsed and compared with the facts told before. A statement is checked when a value was known for its
fact, and a violation when the values differ.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from modou.corpora.storyteller.language import LanguageName, load_language
from modou.corpora.storyteller.state import State
from modou.text.headings import candidate
from modou.text.sentences import split_sentences


@dataclass(frozen=True)
class Tally:
    """Number of checked statements and of violations."""

    checked: int
    violations: int


@dataclass(frozen=True)
class Count(Tally):
    """The tally of a text, in total and by relation (life, place, holder, debt, bond, jail, season, …)."""

    by_kind: Mapping[str, Tally]
    sentences: int
    parsed: int


def contradictions(text: str, language: LanguageName = "zh") -> Count:
    """Checks a text; a sentence that opens a chapter starts a new context. Unparsed sentences are only counted."""
    state = State()
    checked, violated = Counter[str](), Counter[str]()
    sentences = parsed = 0
    for sentence in sentences_of(text):
        sentences += 1
        event = load_language(language).parse(sentence)
        if event is None:
            continue
        parsed += 1
        if event.kind == "open":
            state = State()
        for check in state.tell(event):
            checked[check.relation] += 1
            violated[check.relation] += not check.agrees
    by_kind = {relation: Tally(n, violated[relation]) for relation, n in sorted(checked.items())}
    return Count(checked.total(), violated.total(), by_kind, sentences, parsed)


def sentences_of(text: str) -> Iterator[str]:
    """The sentences of raw or cleaned text, without headings."""
    for line in text.splitlines():
        if line.strip() and candidate(line) is None:
            for sentence in split_sentences(line.strip()):
                yield sentence.strip()
