"""Sections on the data: files, split, tokenizer."""

from collections.abc import Sequence
from typing import Any, cast

from modou.report import values as v
from modou.report.markup import Child, Html, element, facts, fitted, joined, table
from modou.report.parts import Page, Section, datum
from modou.report.values import Values

_EXAMPLE = 120
_LISTED = 40
_PASSAGES = 10


def files(page: Page) -> Section | None:
    """What each file of the book was read as, and which were not read."""
    words = page.words
    read, passed = v.groups(page.values, "cleaning.files"), v.group(page.values, "cleaning.passed_over")
    if not read:
        return None
    head = [words(f"column_{name}") for name in ("file", "reader", "encoding", "characters", "layout")]
    rows = [_file(page, file) for file in read[:_LISTED]]
    skipped = [[fitted(name, _EXAMPLE), fitted(str(why), 2 * _EXAMPLE)] for name, why in list(passed.items())[:_LISTED]]
    why = [words("column_file"), words("column_why")]
    return page.section(
        "files",
        table(words("files_table"), head, rows, kind="rules"),
        table(words("passed_table"), why, skipped, kind="rules") if skipped else None,
    )


def _file(page: Page, file: Values) -> list[Child]:
    words = page.words
    layout = words(f"layout_{v.words_at(file, 'layout') or 'prose'}")
    return [
        fitted(v.words_at(file, "name") or "—", _EXAMPLE),
        words.named("reader", v.words_at(file, "reader") or "—"),
        v.words_at(file, "encoding") or "—",
        datum(v.number(file, "characters"), words.count) or "—",
        f"{layout} ({v.words_at(file, 'reason')})",
    ]


def split(page: Page) -> Section | None:
    """Characters of each part, and long passages that occur on both sides of the split."""
    words = page.words
    parts = {part: page.shown(words.count, f"split.characters.{part}") for part in ("train", "validation", "test")}
    rows = [[words(f"part_{part}"), characters] for part, characters in parts.items() if characters]
    if not rows:
        return None
    head = [words("column_part"), words("column_characters")]
    return page.section("split", table(words("split_table"), head, rows, kind="numbers"), _shared(page))


def _shared(page: Page) -> Html:
    words, path = page.words, "split.shared_passages"
    passages = v.texts(page.values, f"{path}.longest")[:_PASSAGES]
    if not passages:
        return element("p", words("shared_none"))
    count = page.shown(words.count, f"{path}.count") or words.count(len(passages))
    lead = words.rich("shared_some", count=count, shown=words.count(len(passages)))
    rows = [[fitted(text, _EXAMPLE)] for text in passages]
    return joined([element("p", lead), table(words("shared_table"), [words("shared_text")], rows, kind="rules")])


def tokenizer(page: Page) -> Section | None:
    """Compression, byte fallback, round trip and pieces of the tokenizer."""
    words = page.words
    if not v.group(page.values, "tokenizer"):
        return None
    trips = [v.at(page.values, f"tokenizer.{part}.round_trip.exact") for part in ("train", "held_out")]
    exact = [trip for trip in trips if isinstance(trip, bool)]
    kind = v.words_at(page.values, "tokenizer.training.kind")
    shown = [
        (words("tokenizer_kind"), words.named("kind", kind) if kind else None),
        (words("tokenizer_vocabulary"), page.shown(words.count, "tokenizer.vocabulary")),
        (words("tokenizer_train"), page.shown(words.decimal, "tokenizer.train.characters_per_token")),
        (words("tokenizer_test"), page.shown(words.decimal, "tokenizer.held_out.characters_per_token")),
        (words("tokenizer_bytes"), page.shown(words.share, "tokenizer.held_out.byte_fallback")),
        (words("tokenizer_unknown"), page.shown(words.count, "tokenizer.held_out.unknown_tokens")),
        (
            words("tokenizer_round_trip"),
            words("round_trip_exact" if all(exact) else "round_trip_lossy") if exact else None,
        ),
    ]
    return page.section("tokenizer", facts(shown), _pieces(page, "longest"), _pieces(page, "most_frequent"))


def _pieces(page: Page, name: str) -> Html | None:
    """Pieces, with how often each occurs where that is known; white space made visible."""
    chips: list[Html] = []
    for item in v.listed(page.values, f"tokenizer.{name}_pieces")[:_LISTED]:
        piece, count = _piece(item)
        times = element("small", datum(v.as_number(count), page.words.count)) if count is not None else None
        chips.append(element("li", piece.replace("\n", "⏎").replace(" ", "␣"), times))
    if not chips:
        return None
    lead = element("h3", page.words(f"pieces_{name}"))
    return joined([lead, element("ul", *chips, class_="chips", lang=v.words_at(page.values, "run.language"))])


def _piece(item: object) -> tuple[str, object]:
    """(piece, count or None) of "piece" or ["piece", 12]."""
    if isinstance(item, Sequence) and not isinstance(item, str):
        pair = [*cast(Sequence[Any], item), None, None]
        return v.as_text(pair[0]), pair[1]
    return v.as_text(item), None
