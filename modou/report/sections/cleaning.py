"""The section on cleaning: what each rule changed, before and after side by side, and how to keep it."""

import re
from collections.abc import Sequence

from modou.messages import named
from modou.report import values as v
from modou.report.markup import Child, Html, element, facts, fitted, joined, listed, table
from modou.report.parts import Page, Section, datum
from modou.report.values import Values
from modou.settings.text import RULES
from modou.text.examples import common

_EXAMPLES = 5
_EXAMPLE = 200
_KINDS = 12
_NOTES = 20
_WORDS = re.compile(r"\w[\w ]{1,11}\b")


def cleaning(page: Page) -> Section | None:
    """The sum of all changes, each rule with its reason and examples, the notes."""
    words = page.words
    rules = [rule for rule in v.groups(page.values, "cleaning.rules") if v.number(rule, "count")]
    notes = v.texts(page.values, "cleaning.notes")[:_NOTES]
    shown = [
        (words("cleaning_before"), page.shown(words.count, "cleaning.characters.input")),
        (words("cleaning_after"), page.shown(words.count, "cleaning.characters.output")),
        (words("split_chapters"), page.shown(words.count, "cleaning.chapters")),
    ]
    if not rules and not notes and not any(value for _, value in shown):
        return None
    return page.section(
        "cleaning",
        facts(shown),
        _sums(page, rules) if rules else element("p", words("cleaning_nothing")),
        *(_rule(page, rule) for rule in rules),
        listed(notes) if notes else None,
    )


def _sums(page: Page, rules: Sequence[Values]) -> Html:
    """A row a rule, and the sum of all: characters before = after + removed − added."""
    words = page.words
    columns = ("count", "removed", "added")
    head = [words("column_rule"), *(words(f"column_{name}") for name in columns)]
    rows = [[_name(page, rule), *(datum(v.number(rule, name), words.count) for name in columns)] for rule in rules]
    removed, added = (sum(v.number(rule, name) or 0 for rule in rules) for name in ("removed", "added"))
    sides = [v.number(page.values, f"cleaning.characters.{side}") for side in ("input", "output")]
    parts = [table(words("cleaning_table"), head, rows, kind="numbers")]
    if sides[0] is not None and sides[1] is not None:
        named_sums = zip(("input", "output", "removed", "added"), (*sides, removed, added), strict=True)
        parts.append(element("p", words.rich("cleaning_sum", **{name: words.count(sum_) for name, sum_ in named_sums})))
        missing = sides[0] - sides[1] - removed + added
        if missing:
            parts.append(element("p", words("cleaning_unaccounted", count=words.count(missing)), class_="notice"))
    return joined(parts)


def _name(page: Page, rule: Values) -> str:
    return page.words.named("rule", v.words_at(rule, "name") or "—")


def _rule(page: Page, rule: Values) -> Html:
    """A rule: what it is, why it applies, how often it did, examples, and how to keep what it changes."""
    words, name = page.words, v.words_at(rule, "name") or ""
    figures = {key: words.count(v.number(rule, key) or 0) for key in ("count", "removed")}
    held_out = v.number(rule, "left_in_held_out")
    why = words.named("why", name)
    return element(
        "article",
        element("h3", _name(page, rule), " ", element("small", words("rule_figures", **figures))),
        element("p", why) if why != name else None,
        element("p", words("rule_held_out", count=words.count(held_out))) if held_out else None,
        _examples(page, v.groups(rule, "examples")[:_EXAMPLES]),
        _kinds(page, name, v.group(rule, "kinds")),
        _how_to_keep(page, name, v.groups(rule, "examples")),
        class_="change",
    )


def _examples(page: Page, examples: Sequence[Values]) -> Html | None:
    words = page.words
    rows = [element("tr", *(element("td", side) for side in _sides(page, example))) for example in examples]
    if not rows:
        return None
    head = element("tr", *(element("th", words(f"example_{side}"), scope="col") for side in ("before", "after")))
    return element(
        "table",
        element("thead", head),
        element("tbody", *rows, lang=v.words_at(page.values, "run.language")),
        class_="sides",
    )


def _sides(page: Page, example: Values) -> tuple[Html, Html]:
    """Both sides of an example, what differs marked; of a line that was removed whole the right one says so."""
    before, after = (fitted(v.words_at(example, side) or "", _EXAMPLE) for side in ("before", "after"))
    if not after:
        return element("del", before), element("small", page.words("example_gone"))
    start, end = common(before, after)

    def side(tag: str, text: str) -> Html:
        changed = text[start : len(text) - end]
        return joined([text[:start], element(tag, changed) if changed else None, text[len(text) - end :]])

    return side("del", before), side("ins", after)


def _kinds(page: Page, name: str, kinds: Values) -> Html | None:
    """How often each kind of change was made, for rules that tell them apart."""
    language = page.words.language
    counts = [(kind, v.as_number(count)) for kind, count in kinds.items()]
    chips = [
        element(
            "li",
            fitted(named("text.aside", kind, language) if name == "reader" else kind, _EXAMPLE),
            element("small", page.words.count(count)),
        )
        for kind, count in sorted(counts, key=lambda item: -(item[1] or 0))[:_KINDS]
    ]
    return element("ul", *chips, class_="chips") if chips else None


def _how_to_keep(page: Page, name: str, examples: Sequence[Values]) -> Html | None:
    words = page.words
    if name not in RULES:
        said = words.named("keep", name)
        return element("p", said, class_="note") if said != name else None
    parts: list[Child] = [words.rich("keep_all", option=element("code", f"--no-clean.{name}"))]
    gone = [v.words_at(example, "before") or "" for example in examples if not v.words_at(example, "after")]
    if gone and RULES[name] in ("lines", "document"):
        pattern = next((found.group().strip() for line in gone if (found := _WORDS.search(line))), None)
        option = element("code", f'--clean.keep "{pattern or words("keep_pattern")}"')
        parts += [element("br"), words.rich("keep_lines", option=option)]
    return element("p", *parts, class_="note")
