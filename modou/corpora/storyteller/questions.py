"""Questions about passages (consecutive sentences) of generated chapters, with correct answers.

A question concerns only facts that follow from its passage alone; its answer is checked against the world's state.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from modou.corpora.storyteller.book import StoryChapter, write_chapters
from modou.corpora.storyteller.events import StoryEvent
from modou.corpora.storyteller.language import Language, LanguageName, load_language
from modou.corpora.storyteller.state import Key, State

COMMON = ("life_yes", "jail_no")
"""Kinds of questions with a nearly constant answer: asked less often."""


@dataclass(frozen=True)
class WorldQuestion:
    """`kind`: the fact asked about (holder, thing_place, place, debt, killer, life, bond, nick, …)."""

    passage: str
    question: str
    answer: str
    kind: str


def questions(language: LanguageName, seed: int = 1, most: int = 1) -> Iterator[list[WorldQuestion]]:
    """Yield, for passage after passage without end, up to `most` questions; a pure function of its arguments."""
    rng = random.Random(f"questions {language} {seed}")
    for chapter in write_chapters(language, seed):
        yield from questions_about(chapter, load_language(language), rng, most)


def questions_about(
    chapter: StoryChapter, language: Language, rng: random.Random, most: int, passages: int = 12
) -> Iterator[list[WorldQuestion]]:
    """Yield up to `most` different questions on each of up to `passages` passages (about 90 tokens) of a chapter."""
    truth = chapter.before.copy()
    events = [language.parse(sentence.text) or sentence.event for sentence in chapter.sentences]
    ends = set(rng.sample(range(3, len(chapter.sentences)), min(passages, len(chapter.sentences) - 3)))
    for at, sentence in enumerate(chapter.sentences):
        truth.tell(sentence.event)
        if at in ends:
            asked = list(islice(_ask(chapter, events, at, truth, language, rng), most))
            if asked:
                yield asked


def _ask(
    chapter: StoryChapter, events: list[StoryEvent], at: int, truth: State, language: Language, rng: random.Random
) -> Iterator[WorldQuestion]:
    """All questions about the passage that ends with sentence `at`, in random order."""
    start, length = at, len(chapter.sentences[at].text)
    while start > 0 and length < language.conventions["passage_characters"]:
        start -= 1
        length += len(chapter.sentences[start].text)
    passage = [sentence.text for sentence in chapter.sentences[start : at + 1]]
    reader = State()
    for event in events[start : at + 1]:
        reader.tell(event)
    by_kind: dict[str, list[tuple[Key, str]]] = {}
    for key, value in reader.facts.items():
        assert truth.get(*key) in (value, None), f"the reader believes {key} = {value}"
        kind = _kind(key, value, truth)
        if kind is not None:
            by_kind.setdefault(kind, []).append((key, value))
            hop = reader.get("place", value) if kind == "holder" else None
            if hop not in (None, "road"):
                by_kind.setdefault("thing_place", []).append((key, hop or ""))
    whole = language.conventions["joint"].join(passage)
    while by_kind:
        kinds = sorted(by_kind)
        drawn = rng.choices(kinds, [1 if kind in COMMON else 8 for kind in kinds])[0]
        key, value = by_kind[drawn].pop(rng.randrange(len(by_kind[drawn])))
        if not by_kind[drawn]:
            del by_kind[drawn]
        kind = drawn.split("_")[0] if drawn.startswith(("life", "jail")) else drawn
        template = rng.choice(language.conventions["questions"][kind])
        names = dict(zip(("first", "second"), key[1:], strict=False))
        yield WorldQuestion(whole, template.format(**names), _answer(kind, value, language), kind)


def _kind(key: Key, value: str, truth: State) -> str | None:
    """The kind of question that a fact answers, or None."""
    relation = key[0]
    if relation in ("letter", "season", "wound") or value in ("road", "none"):
        return None
    if relation == "debt":
        return "debt_paid" if value == "0" else "debt"
    if relation == "holder" and truth.get("life", value) is None:
        return "thing_place"
    if relation in ("life", "jail"):
        return f"{relation}_{value}"
    return relation


def _answer(kind: str, value: str, language: Language) -> str:
    if kind == "debt":
        return language.money(int(value))
    fixed = language.conventions["answers"].get(kind, {})
    return fixed.get(value, value)
