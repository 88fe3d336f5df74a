"""Recognising the storyteller's sentences: the grammar that wrote them, read backwards."""

from collections.abc import Iterator

from modou.corpora.storyteller.events import StoryEvent
from modou.corpora.storyteller.language import LanguageName, load_language
from modou.text.rules.headings import candidate
from modou.text.rules.sentences import split_sentences


def parses(sentence: str, language: LanguageName = "zh") -> bool:
    """Whether the grammar could have produced the sentence, with any names, things and sums."""
    return parse(sentence, language) is not None


def parse(sentence: str, language: LanguageName = "zh") -> StoryEvent | None:
    """The event that a sentence tells, None when no rule produces it."""
    return load_language(language).parse(sentence)


def sentences_of(text: str) -> Iterator[str]:
    """The sentences of raw or cleaned text, headings left out."""
    for line in text.splitlines():
        if line.strip() and candidate(line) is None:
            for sentence in split_sentences(line.strip()):
                yield sentence.strip()
