"""The world does not contradict itself; contradictions and questions are judged by an independent account."""

import itertools
from collections.abc import Iterable

import pytest
from contradictions import contradictions, sentences_of

from modou.corpora.storyteller.book import write_book, write_chapters
from modou.corpora.storyteller.events import StoryEvent
from modou.corpora.storyteller.language import LanguageName, load_language
from modou.corpora.storyteller.questions import WorldQuestion, questions
from modou.corpora.storyteller.state import State

LANGUAGES: tuple[LanguageName, ...] = ("zh", "en")


@pytest.mark.parametrize("seed", [1, 7, 11])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_world_never_contradicts_itself(language: LanguageName, seed: int) -> None:
    found = contradictions("".join(write_book(language, 80_000, seed)), language)
    assert found.violations == 0
    assert found.parsed == found.sentences > 500
    assert found.checked > 2 * found.sentences
    assert {"life", "place", "holder", "debt", "bond", "jail", "weapon"} <= found.by_kind.keys()


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("life", ["李三郎手起处，镔铁刀落下，王五郎登时身死。", "王五郎欠身，谢了李三郎。"]),
        ("holder", ["王五郎正愁没有一件体面物事，李三郎便把羊脂佩给了王五郎。", "李三郎用白布裹了羊脂佩，枕着睡了。"]),
        ("debt", ["李三郎收了王五郎还的二十两，自此两清。", "李三郎寻着王五郎，讨那二十两银子。"]),
        ("sum", ["王五郎原欠李三郎二十两，先还十两，还欠三两。"]),
        ("place", ["次日，李三郎到了青牛镇。", "李三郎追一只雁，在白鹤村跑丢了羊脂佩。"]),
        ("weapon", ["李三郎的镔铁刀靠在门后，寒光逼人。", "李三郎的乌木棍靠在门后，冷气逼人。"]),
    ],
)
def test_contradictions_are_found(kind: str, lines: list[str]) -> None:
    found = contradictions("\n".join(lines))
    assert found.parsed == found.sentences == len(lines)
    assert found.by_kind[kind].violations == found.violations == 1


def test_a_new_chapter_is_a_new_context() -> None:
    lines = ["次日，李三郎到了青牛镇。", "话说李三郎在白鹤村歇脚，转眼初春，一心只要求一支签。"]
    found = contradictions("\n".join(lines))
    assert (found.parsed, found.violations) == (2, 0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_swapped_sentences_contradict(language: LanguageName) -> None:
    """The count is no formality: the same sentences backwards break the rules often."""
    chapters = itertools.islice(write_chapters(language, 3), 6)
    backwards = [" ".join(s.text for s in reversed(chapter.sentences)) for chapter in chapters]
    assert sum(contradictions(text, language).violations for text in backwards) > 40


HOLDER = dict.fromkeys(("give", "restore", "haggle"), "b") | {"news_holder": "c", "drop": "p", "hide": "p"}
HOLDER |= dict.fromkeys(("buy", "steal", "find", "keep", "relic", "show", "praise", "accuse"), "a")
DEBT = dict.fromkeys(("lend", "win", "dun", "bond_note"), ("b", "a", "n")) | {"news_debt": ("c", "d", "n")}
DEBT |= {"repay": ("b", "a", ""), "forgive": ("b", "a", ""), "repay_part": ("b", "a", "m")}
KILLER = {"kill": ("b", "a"), "news_death": ("c", "d"), "vow": ("c", "d"), "charge": ("c", "b")}
JAIL = dict.fromkeys(("arrest", "in_jail", "visit", "bribe", "charge"), "b") | {"news_jail": "c"}


class Account:
    """A second account of the world, kept by hand from the parsed events, without events.toml."""

    def __init__(self) -> None:
        self.holder: dict[str, str] = {}
        self.debt: dict[tuple[str, str], int] = {}
        self.killer: dict[str, str] = {}
        self.dead: set[str] = set()
        self.jailed: set[str] = set()

    def hear(self, events: Iterable[StoryEvent]) -> None:
        for kind, s in ((event.kind, event.slots) for event in events):
            if kind in HOLDER and {"x", HOLDER[kind]} <= s.keys():
                self.holder[s["x"]] = s[HOLDER[kind]]
            if kind in DEBT and {"a", "b"} <= s.keys():
                debtor, creditor, amount = DEBT[kind]
                self.debt[s[debtor], s[creditor]] = int(s[amount]) if amount else 0
            if kind in KILLER:
                dead, killer = KILLER[kind]
                self.killer[s[dead]] = s[killer]
            if kind == "kill":
                self.dead.add(s["b"])
            if kind in JAIL and JAIL[kind] in s:
                self.jailed.add(s[JAIL[kind]])
            if kind in ("release", "breakout"):
                self.jailed.discard(s["b"])


def account_of(question: WorldQuestion, language: LanguageName) -> Account:
    events = [load_language(language).parse(sentence) for sentence in sentences_of(question.passage)]
    account = Account()
    account.hear(event for event in events if event is not None)
    return account


@pytest.mark.parametrize("language", LANGUAGES)
def test_answers_are_what_an_independent_account_says(language: LanguageName) -> None:
    spoken = load_language(language)
    judged = 0
    for (question,) in itertools.islice(questions(language, 2), 400):
        account = account_of(question, language)
        if question.kind == "holder":
            thing = next(x for x in account.holder if x in question.question)
            assert question.answer == account.holder[thing]
        elif question.kind in ("debt", "debt_paid"):
            pairs = {
                spoken.money(n) if n else spoken.conventions["answers"]["debt_paid"]["0"]
                for (debtor, creditor), n in account.debt.items()
                if debtor in question.question and creditor in question.question
            }
            assert question.answer in pairs
        elif question.kind == "killer":
            dead = next(c for c in account.killer if c in question.question)
            assert question.answer == account.killer[dead]
        elif question.kind == "life" and question.answer == spoken.conventions["answers"]["life"]["yes"]:
            assert not any(name in question.question for name in account.dead)
        elif question.kind == "jail":
            expected = any(name in question.question for name in account.jailed)
            assert question.answer == spoken.conventions["answers"]["jail"]["yes" if expected else "no"]
        else:
            continue
        judged += 1
    assert judged > 80


@pytest.mark.parametrize("language", LANGUAGES)
def test_answers_hold_in_the_world_itself(language: LanguageName) -> None:
    """Replay each chapter from its true beginning: no passage's reader may believe what is not so."""
    for chapter in itertools.islice(write_chapters(language, 8), 5):
        truth, reader = chapter.before.copy(), State()
        for sentence in chapter.sentences:
            truth.tell(sentence.event)
            event = load_language(language).parse(sentence.text)
            assert event is not None
            reader.tell(event)
            wrong = {key for key, value in reader.facts.items() if truth.get(*key) not in (None, value)}
            assert not wrong


@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_are_deterministic_and_of_many_kinds(language: LanguageName) -> None:
    first = [question for (question,) in itertools.islice(questions(language, 5), 400)]
    assert first == [question for (question,) in itertools.islice(questions(language, 5), 400)]
    assert len({question.kind for question in first}) >= 12
    limit = 2 * load_language(language).conventions["passage_characters"]
    assert all(question.answer and len(question.passage) < limit for question in first)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_passage_is_asked_about_several_things_and_no_thing_twice(language: LanguageName) -> None:
    for asked in itertools.islice(questions(language, 5, 6), 100):
        assert 1 <= len(asked) <= 6 and len({question.passage for question in asked}) == 1
        assert len({question.question for question in asked}) == len(asked)
    assert sum(len(asked) for asked in itertools.islice(questions(language, 5, 6), 100)) > 500
