"""The stage clean: its progress, and what is said of held-out text that the training text holds, too."""

import random
from pathlib import Path

import pytest

from modou.methods.preparation import CleanFigures, corpus_facts
from modou.text.corpus import prepare
from modou.text.readers.book import TextBook, read_book

WORDS = [
    "apple",
    "barrel",
    "crane",
    "dusk",
    "ember",
    "ferry",
    "grain",
    "heron",
    "island",
    "jug",
    "kettle",
    "lamp",
    "mill",
    "north",
    "oar",
    "pear",
]
DICE = random.Random(4)
PLAIN = "".join(f"{' '.join(DICE.choices(WORDS, k=9)).capitalize()}.\n" for _ in range(900))
REPEATED = {
    "one line": "The lamp at the ford was lit again by the keeper's son.\n" * 500,
    "a template": "".join(
        f"Dear reader, your loan of book {n % 7} ends on Friday; please bring it back.\n" for n in range(500)
    ),
    "one letter": "b" * 40_000,
    "no end mark": "drip drop " * 4_000,
}


def facts(text: str, folder: Path) -> CleanFigures:
    return corpus_facts(prepare(TextBook("text", lambda: iter((text,))), folder))


@pytest.mark.parametrize("kind", REPEATED)
def test_held_out_text_that_was_trained_on_is_called_so(kind: str, tmp_path: Path) -> None:
    found = facts(REPEATED[kind], tmp_path)
    assert found.split.known is not None and found.split.known > 0.9
    (note,) = [note for note in found.cleaning.notes if note["key"] == "text.note_known"]
    assert f"{found.split.known:.0%}" in note["text"] and "learned by heart" in note["text"]


def test_an_ordinary_text_is_not(tmp_path: Path) -> None:
    found = facts(PLAIN, tmp_path)
    assert found.split.known is None
    assert not [note for note in found.cleaning.notes if note["key"] == "text.note_known"]


def test_cleaning_and_comparing_tell_a_share_that_rises_to_the_end(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "book").mkdir(exist_ok=True)
        (tmp_path / "book" / f"{number}.txt").write_text(PLAIN.replace("apple", f"apple{number}"), encoding="utf-8")
    told: list[float] = []
    corpus = prepare(read_book(tmp_path / "book"), tmp_path / "run", progress=told.append)
    assert all(0 <= share <= 1 for share in told)
    rising = [share for share in told if share]
    assert rising == sorted(rising) and rising[0] < 0.6 and rising[-1] > 0.95
    compared: list[float] = []
    corpus_facts(corpus, compared.append)
    assert compared == sorted(compared) and compared[0] == 0 and 0.5 < compared[-1] <= 1
