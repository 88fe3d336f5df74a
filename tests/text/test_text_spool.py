"""The lines of a document between survey and cleaning: read once, held on disk, given back as they were."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modou.settings.text import CleanSettings
from modou.text.clean import Cleaner
from modou.text.headings import Heading
from modou.text.overlap import batches, find_overlap
from modou.text.readers.book import Book, Document
from modou.text.readers.file import Line
from modou.text.report import CleaningReport
from modou.text.spool import open_spool

TEXT = st.text(st.characters(exclude_characters="\n"), max_size=12)
LINES = st.lists(st.one_of(TEXT, st.builds(Heading, st.none() | TEXT)), max_size=30)


@given(LINES, LINES)
def test_what_was_held_comes_back(first: list[Line], second: list[Line]) -> None:
    with open_spool(None) as spool:
        for lines in (first, second):  # of two documents one after the other
            assert list(spool.watch(lines)) == lines
            assert list(spool.lines()) == lines


@pytest.mark.parametrize("line", ["", "#", "-", " a", "\r", "\x0c", "half an emoji \ud83c", "\u2028"])
def test_marks_and_line_ends_of_other_kinds_stay(line: str) -> None:
    with open_spool(None) as spool:
        assert list(spool.watch([line])) == [line] == list(spool.lines())


class _Counted(Book):
    """A book of one document that counts how often it is read."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__("counted", ())
        self._lines = lines
        self.reads = 0

    def documents(self) -> Iterator[Document]:
        def read() -> Iterator[Line]:
            self.reads += 1
            return iter(self._lines)

        yield Document("counted", read)


@pytest.mark.parametrize("layout", ["auto", "prose", "lines"])
def test_a_document_is_read_once_and_counted_once(layout: str, tmp_path: Path) -> None:
    book = _Counted([Heading("One"), "The ferry was late.\u200b", "* * *", "Nobody minded the rain.", "* * *"])
    report = CleaningReport()
    settings = CleanSettings.model_validate({"layout": layout})
    events = [event for event in Cleaner(settings, report).events(book, tmp_path) if isinstance(event, str)]
    assert events == ["The ferry was late.", "Nobody minded the rain."]
    assert book.reads == 1 and not list(tmp_path.iterdir())
    assert report["control"].count == 1 and report["furniture"].count == 2
    assert report.input_characters == sum(len("".join(text.split())) for text in (*events, "One", "\u200b", "******"))


def test_what_stays_as_it_is_counts_no_change(tmp_path: Path) -> None:
    book = _Counted(["The ferry was late.\u200b", "* * *"])
    report = CleaningReport()
    settings = CleanSettings(layout="exact")
    events = [event for event in Cleaner(settings, report).events(book, tmp_path) if isinstance(event, str)]
    assert events == ["The ferry was late.\u200b", "* * *"]
    assert not any(rule.count for rule in report.rules.values())


@given(st.lists(st.text("ab", max_size=9)), st.integers(1, 20))
def test_batches_are_the_texts_in_order(texts: list[str], characters: int) -> None:
    found = list(batches(texts, characters))
    assert [text for batch in found for text in batch] == texts
    assert all(sum(map(len, batch)) <= characters or len(batch) == 1 for batch in found)


def test_batches_find_together_what_one_search_finds() -> None:
    shared = ["the keeper counted forty lamps on the quay", "and under every lamp a heron slept on one leg"]
    train = ["".join(shared), "nothing of the kind"]
    held_out = [f"{passage}!" for passage in (*shared, "a boat of reeds went down the river without a rower")]
    parts = [find_overlap(train, batch) for batch in batches(held_out, 50)]
    assert len(parts) == 3
    assert {passage for part in parts for passage in part.passages} == set(find_overlap(train, held_out).passages)
