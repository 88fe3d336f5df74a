"""The table of bits per character: each part of the text and each baseline, with 95 % intervals."""

from modou.report import values as v
from modou.report.markup import Child, Html, element, joined, table
from modou.report.parts import Page, Section, datum, perplexity, within

_PARTS = ("test", "validation", "train")
_BASELINES = ("base", "kn6", "kn5", "kn4", "kn3", "kn2", "kn1", "xz")


def quality(page: Page) -> Section | None:
    """Bits per character of every part and baseline."""
    words = page.words
    rows = [row for part in _PARTS if (row := _row(page, words(f"part_{part}"), part))]
    rows += [row for name in _BASELINES if (row := _row(page, words.named("baseline", name), "test", name))]
    if not rows:
        return None
    head = [words(f"column_{name}") for name in ("who", "bits", "interval", "choices", "characters", "gain")]
    gap = page.shown(words.signed, "gap.bits_per_char")
    return page.section(
        "quality",
        table(words("quality_table"), head, rows, kind="numbers"),
        element("p", words.rich("gap", gap=gap)) if gap else None,
        element("p", words("interval_note"), class_="note"),
    )


def _row(page: Page, name: str, part: str, baseline: str | None = None) -> list[Child] | None:
    """The figures of the model, or of a baseline, on one part of the text."""
    words, path = page.words, f"baselines.{baseline}" if baseline else part
    bits = v.number(page.values, f"{path}.bits_per_char")
    if bits is None:
        return None
    shown, advantage = page.shown(words.decimal, f"{path}.bits_per_char"), f"advantage.{baseline}"
    gain = page.shown(words.signed, f"{advantage}.bits_per_char")
    return [
        name,
        shown if baseline else element("strong", shown),
        _ends(page, f"{path}.interval"),
        perplexity(bits, words),
        page.shown(words.count, f"{part}.characters") or "—",
        joined([gain, within(v.interval(page.values, f"{advantage}.interval"), words.signed)]) if gain else "—",
    ]


def _ends(page: Page, path: str) -> Html | str:
    """An interval as [low, high], or a dash."""
    found = v.interval(page.values, path)
    if found is None:
        return "—"
    low, high = (datum(end, page.words.decimal) for end in found)
    return joined(["[", low, ", ", high, "]"])
