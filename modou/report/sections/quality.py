"""The table of bits per character: each part of the text and each baseline, with 95 % intervals."""

from modou.report import values as v
from modou.report.markup import Child, Html, element, joined, table
from modou.report.parts import Page, Section, datum, perplexity

_PARTS = ("test", "validation", "train")
_BASELINES = ("kn6", "kn5", "kn4", "kn3", "kn2", "kn1", "xz")


def quality(page: Page) -> Section | None:
    """Bits per character of every part and baseline."""
    rows = [row for part in _PARTS if (row := _part(page, part))]
    baselines = [row for name in _BASELINES if (row := _baseline(page, name))]
    if not rows and not baselines:
        return None
    words = page.words
    head = [words(f"column_{name}") for name in ("who", "bits", "interval", "choices", "characters", "gain")]
    return page.section(
        "quality",
        table(words("quality_table"), head, [*rows, *baselines], kind="numbers"),
        _gap(page),
        element("p", words("interval_note"), class_="note"),
    )


def _part(page: Page, part: str) -> list[Child] | None:
    words, path = page.words, f"{part}.bits_per_char"
    bits = v.number(page.values, path)
    if bits is None:
        return None
    return [
        words(f"part_{part}"),
        element("strong", page.shown(words.bits, path)),
        ends(page, f"{part}.interval"),
        perplexity(bits, words),
        page.shown(words.count, f"{part}.characters") or "—",
        "—",
    ]


def _baseline(page: Page, name: str) -> list[Child] | None:
    words, path = page.words, f"baselines.{name}.bits_per_char"
    bits = v.number(page.values, path)
    if bits is None:
        return None
    gain = page.shown(words.signed, f"advantage.{name}.bits_per_char")
    gain_ends = v.interval(page.values, f"advantage.{name}.interval")
    within = f" [{words.signed(gain_ends[0])}, {words.signed(gain_ends[1])}]" if gain_ends else None
    return [
        words.named("baseline", name),
        page.shown(words.bits, path),
        ends(page, f"baselines.{name}.interval"),
        perplexity(bits, words),
        page.shown(words.count, "test.characters") or "—",
        joined([gain, element("span", within, class_="ends") if within else None]) if gain else "—",
    ]


def ends(page: Page, path: str) -> Html | str:
    """An interval as [low, high], or a dash."""
    found = v.interval(page.values, path)
    if found is None:
        return "—"
    low, high = (datum(end, page.words.bits) for end in found)
    return joined(["[", low, ", ", high, "]"])


def _gap(page: Page) -> Html | None:
    gap = page.shown(page.words.signed, "gap.bits_per_char")
    return element("p", page.words.rich("gap", gap=gap)) if gap else None
