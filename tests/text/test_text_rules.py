"""A cleaning rule is a module, an entry of the registry and its name; all else follows from the entry."""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from modou.cli.arguments import parse
from modou.cli.help import command_page
from modou.messages import UserError, catalogue
from modou.settings.text import RULES, Place
from modou.text.corpus import PARTS, prepare
from modou.text.readers import READERS
from modou.text.readers.book import TextBook
from modou.text.report import RuleReport

CHAPTERS = 40
BOOK = TextBook("豆", lambda: iter(f"第{c}章\n" + f"第{c}口井里有豆子※\n" * 30 for c in range(1, CHAPTERS + 1)))


def toy(place: Place) -> ModuleType:
    """A rule that drops the mark ※."""

    def from_sentence(sentence: str, tally: RuleReport) -> str:
        for _ in range(sentence.count("※")):
            tally.touch("※")
        return sentence.replace("※", "")

    module = ModuleType("toy")
    module.apply = from_sentence
    if place == "lines":
        module.apply = lambda lines, tally: (from_sentence(line, tally) for line in lines)
    if place == "document":
        module.apply = lambda events, found, tally: (
            from_sentence(event, tally) if isinstance(event, str) else event for event in events
        )
    return module


@pytest.mark.parametrize("place", ["lines", "document", "sentence", "training"])
def test_a_rule_of_ones_own_needs_only_its_entry(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "modou.text.rules.toy", toy(place))
    monkeypatch.setitem(RULES, "toy", place)
    corpus = prepare(BOOK, tmp_path / "on")
    kept = {part: "".join(corpus.texts(part)).count("※") for part in PARTS}
    found = corpus.report.rules["toy"]
    if place == "training":
        assert kept["train"] == 0 < kept["test"] and found.left_in_held_out == sum(kept.values())
    else:
        assert sum(kept.values()) == 0
    assert found.count == found.removed == CHAPTERS * 30 - sum(kept.values())
    assert "toy" in command_page("clean", 80, whole=True)
    settings = parse("clean", ["book.txt", "--clean.skip", "toy"]).settings().clean
    skipped = prepare(BOOK, tmp_path / "off", settings)
    assert sum("".join(skipped.texts(part)).count("※") for part in PARTS) == CHAPTERS * 30
    assert skipped.report.rules["toy"].count == 0


def test_a_rule_may_choose_chapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("toy")
    module.apply = lambda chapters, tally: (chapter for chapter in chapters if chapter.heading != "第7章")
    monkeypatch.setitem(sys.modules, "modou.text.rules.toy", module)
    monkeypatch.setitem(RULES, "toy", "chapters")
    corpus = prepare(BOOK, tmp_path)
    assert len(corpus.headings) == CHAPTERS - 1 and "第7章" not in corpus.headings
    assert not any("第7口井" in text for part in PARTS for text in corpus.texts(part))


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_its_code_and_a_name(name: str) -> None:
    assert callable(import_module(f"modou.text.rules.{name}").apply)
    for message in (f"rule_{name}", f"why_{name}"):
        assert catalogue("report")[message].keys() == {"zh", "en"}


@pytest.mark.parametrize("name", READERS)
def test_every_reader_has_a_name(name: str) -> None:
    assert catalogue("report")[f"reader_{name}"].keys() == {"zh", "en"}


def test_an_unknown_rule_is_named_with_those_that_exist() -> None:
    with pytest.raises(UserError, match=r"--clean.skip cannot be joke: choose pages, .*, punctuation"):
        parse("clean", ["book.txt", "--clean.skip", "spaces,joke"]).settings()
