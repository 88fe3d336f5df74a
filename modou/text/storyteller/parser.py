"""Recognising the storyteller's sentences: the grammar that wrote them, read backwards."""

from collections.abc import Iterator

from modou.text.headings import candidate
from modou.text.sentences import split_sentences
from modou.text.storyteller.events import Event
from modou.text.storyteller.language import LanguageName, load_language


def parses(sentence: str, language: LanguageName = "zh") -> bool:
    """Whether the grammar could have produced the sentence, with any names, things and sums."""
    return parse(sentence, language) is not None


def parse(sentence: str, language: LanguageName = "zh") -> Event | None:
    """The event that a sentence tells, None when no rule produces it."""
    return load_language(language).parse(sentence)


def sentences_of(text: str) -> Iterator[str]:
    """The sentences of raw or cleaned text, headings left out."""
    for line in text.splitlines():
        if line.strip() and candidate(line) is None:
            for sentence in split_sentences(line.strip()):
                yield sentence.strip()
