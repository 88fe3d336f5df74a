"""Sections on the model's parameters, the plan, all settings, the machine, advice and the limits of the numbers."""

from modou.report import values as v
from modou.report.markup import Child, Html, element, facts, fitted, folded, joined, listed, table
from modou.report.parts import Page, Section, bars, datum

_VALUE = 300
_ROWS = 200
_SHAPE = ("layers", "width", "heads", "context", "vocabulary")


def model(page: Page) -> Section | None:
    """Number of parameters by component."""
    words = page.words
    parameters = v.group(page.values, "model.parameters")
    groups = {name: size for name in parameters if (size := v.number(parameters, name)) and size > 0}
    total = v.number(page.values, "model.total") or sum(groups.values())
    shown = [
        (words("fact_parameters"), datum(total or None, words.count)),
        *((words(f"shape_{name}"), page.shown(words.count, f"settings.model.{name}")) for name in _SHAPE),
        (words("flops_per_token"), page.shown(words.size, "model.flops_per_token")),
    ]
    if not groups and not any(value for _, value in shown):
        return None
    rows: list[tuple[Child, float, Child, str | None]] = [
        (words.named("group", name), size, joined([count, element("small", words.share(size / total))], " "), None)
        for name, size in sorted(groups.items(), key=lambda item: -item[1])
        if (count := datum(size, words.count, f"model.parameters.{name}"))
    ]
    census = [element("h3", words("census")), bars(rows)] if rows else []
    return page.section("model", facts(shown), *census)


def plan(page: Page) -> Section | None:
    """The planned settings and their reasons."""
    words = page.words
    choices = v.groups(page.values, "plan.choices")
    if not choices:
        return None
    head = [words("column_choice"), words("column_value"), words("column_reason")]
    rows = [
        [
            element("code", v.words_at(item, "name") or "—"),
            fitted(v.as_text(v.at(item, "value")), _VALUE),
            v.words_at(item, "reason") or "—",
        ]
        for item in choices[:_ROWS]
    ]
    expected = page.shown(words.decimal, "plan.expected.bits_per_char")
    measured = page.shown(words.decimal, "test.bits_per_char")
    minutes = page.shown(words.plain, "plan.minutes")
    said = None
    if expected is not None:
        key = "plan_expected_measured" if measured is not None else "plan_expected"
        said = element("p", words.rich(key, expected=expected, measured=measured or ""))
    return page.section(
        "plan",
        element("p", words.rich("plan_minutes", minutes=minutes)) if minutes else None,
        table(words("plan_table"), head, rows, kind="rules"),
        said,
    )


def advice(page: Page) -> Section | None:
    """What to try next."""
    items = v.texts(page.values, "advice")
    if not items:
        return None
    return page.section("advice", listed(items))


def about(page: Page) -> Section | None:
    """All settings and the environment, for reproduction."""
    words = page.words
    parts: list[Html] = []
    before = v.number(page.values, "environment.matrix_gflops.before")
    after = v.number(page.values, "environment.matrix_gflops.after")
    if before and after and not 0.9 <= after / before <= 1.1:
        said = words.rich("machine_changed", before=words.plain(before), after=words.plain(after))
        parts.append(element("p", said, class_="notice", role="note"))
    for name in ("settings", "environment"):
        rows = [
            (element("code", key), fitted(value, _VALUE))
            for key, value in list(v.flattened(v.group(page.values, name)))[:_ROWS]
        ]
        if rows:
            head = [words("column_choice"), words("column_value")]
            parts.append(folded(words(f"about_{name}"), table(words(f"about_{name}"), head, rows, kind="rules")))
    version = v.words_at(page.values, "modou")
    if version:
        parts.append(element("p", words("about_version", version=version), class_="note"))
    return page.section("about", *parts) if parts else None


def limits(page: Page) -> Section:
    """Limits of the measurements."""
    return page.section("limits", listed(page.words(f"limit_{n}") for n in range(1, 7)), question=False)
