"""What went in: the cleaning, the split, the tokenizer."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from modou.report import values as v
from modou.report.markup import Child, Html, element, facts, fitted, joined, table
from modou.report.parts import Page, Section, datum
from modou.report.values import Values

_EXAMPLES = 3
_EXAMPLE = 120
_LISTED = 40
_NOTES = 20
_PASSAGES = 10


def cleaning(page: Page) -> Section | None:
    """What each rule touched, with examples; the notes."""
    words = page.words
    before = "cleaning.input_characters", "cleaning.characters.input"
    after = "cleaning.output_characters", "cleaning.characters.output"
    rules = [rule for rule in v.groups(page.values, "cleaning.rules") if v.number(rule, "count")]
    notes = v.texts(page.values, "cleaning.notes")[:_NOTES]
    shown = [
        (words("cleaning_before"), _first(page, before)),
        (words("cleaning_after"), _first(page, after)),
        (words("cleaning_encoding"), v.words_at(page.values, "cleaning.encoding")),
        (words("split_chapters"), page.shown(words.count, "cleaning.chapters")),
    ]
    if not rules and not notes and not any(value for _, value in shown):
        return None
    head = [words(f"column_{name}") for name in ("rule", "count", "touched", "examples")]
    rows = [_rule(page, rule) for rule in rules]
    return page.section(
        "cleaning",
        facts(shown),
        table(words("cleaning_table"), head, rows, kind="rules") if rows else element("p", words("cleaning_nothing")),
        element("ul", *(element("li", note) for note in notes), class_="notes") if notes else None,
    )


def _first(page: Page, paths: tuple[str, ...]) -> Html | None:
    return next((shown for path in paths if (shown := page.shown(page.words.count, path))), None)


def _rule(page: Page, rule: Values) -> list[Child]:
    words = page.words
    examples = v.texts(rule, "examples")[:_EXAMPLES]
    return [
        words.named("rule", v.words_at(rule, "name") or "—"),
        datum(v.number(rule, "count"), words.count) or "—",
        datum(v.number(rule, "characters"), words.count) or "—",
        joined(element("q", fitted(example, _EXAMPLE)) for example in examples),
    ]


def split(page: Page) -> Section | None:
    """How much of the text was kept from the model, and what leaks across the cut."""
    words = page.words
    parts = [part for part in ("train", "validation", "test") if v.group(page.values, f"split.{part}")]
    if not parts:
        return None
    rows = [
        [
            words(f"part_{part}"),
            page.shown(words.count, f"split.{part}.chapters") or "—",
            page.shown(words.count, f"split.{part}.characters") or "—",
        ]
        for part in parts
    ]
    head = [words("column_part"), words("split_chapters"), words("column_characters")]
    note = v.words_at(page.values, "split.note", "split.note.text")
    return page.section(
        "split",
        table(words("split_table"), head, rows, kind="numbers"),
        element("p", note) if note else None,
        _shared(page),
    )


def _shared(page: Page) -> Html:
    words = page.words
    passages = v.groups(page.values, "split.shared_passages")
    if not passages:
        return element("p", words("shared_none"))
    listed = passages[:_PASSAGES]
    columns = [c for c in ("text", "train_chapter", "held_out_chapter") if any(v.words_at(p, c) for p in listed)]
    head = [words(f"shared_{name}") for name in columns]
    rows = [[fitted(v.words_at(item, name) or "—", _EXAMPLE) for name in columns] for item in listed]
    said = words.rich("shared_some", count=words.count(len(passages)), shown=words.count(len(rows)))
    return joined([element("p", said), table(words("shared_table"), head, rows, kind="rules")])


def tokenizer(page: Page) -> Section | None:
    """The tokenizer's card."""
    words = page.words
    if not v.group(page.values, "tokenizer"):
        return None
    path, per = "tokenizer", ".characters_per_token"
    trips = [v.at(page.values, f"{path}.{part}round_trip.exact") for part in ("", "train.", "held_out.")]
    proofs = [trip for trip in trips if isinstance(trip, bool)]
    proof = words("round_trip_exact" if all(proofs) else "round_trip_lossy") if proofs else None
    kind = v.words_at(page.values, "tokenizer.kind", "tokenizer.training.kind")
    shown = [
        (words("tokenizer_kind"), words.named("kind", kind) if kind else None),
        (words("tokenizer_vocabulary"), page.shown(words.count, "tokenizer.vocabulary")),
        (words("tokenizer_train"), page.shown(words.bits, f"{path}.characters_per_token.train", f"{path}.train{per}")),
        (words("tokenizer_test"), page.shown(words.bits, f"{path}.characters_per_token.test", f"{path}.held_out{per}")),
        (
            words("tokenizer_bytes"),
            page.shown(words.share, f"{path}.coverage.share_by_bytes", f"{path}.held_out.byte_fallback"),
        ),
        (words("tokenizer_unknown"), page.shown(words.count, f"{path}.unknown", f"{path}.held_out.unknown_tokens")),
        (words("tokenizer_round_trip"), proof),
    ]
    pieces = (_pieces(page, name) for name in ("longest", "frequent", "most_frequent"))
    return page.section("tokenizer", facts(shown), *pieces)


def _pieces(page: Page, name: str) -> Html | None:
    """Pieces as chips, with how often each occurs where that is known; white space made visible."""
    chips: list[Html] = []
    listed = v.listed(page.values, f"tokenizer.{name}") or v.listed(page.values, f"tokenizer.{name}_pieces")
    for item in listed[:_LISTED]:
        piece, count = _piece(item)
        times = element("small", datum(v.as_number(count), page.words.count)) if count is not None else None
        chips.append(element("li", piece.replace("\n", "⏎").replace(" ", "␣"), times))
    if not chips:
        return None
    lead = element("h3", page.words(f"pieces_{name}"))
    return joined([lead, element("ul", *chips, class_="chips", lang=v.words_at(page.values, "run.language"))])


def _piece(item: object) -> tuple[str, object]:
    """(piece, count or None) of "piece", ["piece", 12] or {"piece": ..., "count": ...}."""
    if isinstance(item, Mapping):
        found = cast(Mapping[str, Any], item)
        return v.as_text(found.get("piece", "")), found.get("count")
    if isinstance(item, Sequence) and not isinstance(item, str):
        pair = [*cast(Sequence[Any], item), None, None]
        return v.as_text(pair[0]), pair[1]
    return v.as_text(item), None
