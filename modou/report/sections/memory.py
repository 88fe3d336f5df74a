"""Sections on memorisation (n-novelty, copies) and variety of samples, each beside held-out text and KN-5 samples."""

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from modou.report import values as v
from modou.report.figures import MODEL, MUTED, OTHER, Canvas, Line, canvases, draw, legend, plot_lines
from modou.report.markup import Child, Html, element, fitted, joined, table
from modou.report.parts import Page, Section, datum

_WRITERS = (
    ("generated", MODEL, (), 2.4),
    ("held_out", MUTED, (5.0, 2.5), 2.0),
    ("kn5", OTHER, (1.2, 2.0), 2.2),
)
_TABLE_ROWS = 60
_ALL_NEW = 0.995
_SHORTEST = 10
_LONGEST = 800
_VARIETY = {
    "distinct_1": "distinct.1",
    "distinct_2": "distinct.2",
    "distinct_3": "distinct.3",
    "repetition_4": "seq_rep_4",
    "loop_rate": "loop_rate.share",
    "quote_balance": "quote_balance",
}
"""Measures by the last part of their message key: path below variety.WRITER."""


def memory(page: Page) -> Section | None:
    """The n-novelty curve (Merrill et al. 2024), share of copied characters, the longest verbatim copy."""
    curves = {
        name: points for name, *_ in _WRITERS if (points := v.points(page.values, f"novelty.{name}.novel_share_by_n"))
    }
    parts = [_figure(page, curves) if curves else None, _copied(page), _longest(page)]
    return page.section("memory", *parts) if any(parts) else None


def _figure(page: Page, curves: dict[str, list[tuple[float, float]]]) -> Html:
    words = page.words
    lines = [
        Line(words(f"writer_{name}"), [(x, 100 * y) for x, y in curves[name]], colour, dashes, width)
        for name, colour, dashes, width in _WRITERS
        if name in curves
    ]

    last = _last(list(curves.values()))

    def plot(axes: Axes, canvas: Canvas) -> None:
        axes.set_ylim(0, 103)
        axes.set_xlim(1, last)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.set_yticks([0, 25, 50, 75, 100], labels=["0%", "25%", "50%", "75%", "100%"])
        axes.set_xlabel(words("axis_ngram"))
        plot_lines(axes, canvas, lines)

    picture = draw("novelty", words("memory_figure"), canvases(320, 16), plot)
    axis = element("p", words("axis_novel"), class_="axis")
    return page.figure(words("memory_figure"), _table(page, curves), axis, legend(lines), picture)


def _last(curves: list[list[tuple[float, float]]]) -> float:
    """Right end of the x axis: a little beyond the n from which all curves stay near 100 %."""
    told = [n for points in curves for n, share in points if share < _ALL_NEW]
    return max(_SHORTEST, min(max(told, default=0) + 4, max(points[-1][0] for points in curves)))


def _table(page: Page, curves: dict[str, list[tuple[float, float]]]) -> Html:
    words = page.words
    by_n = {name: dict(points) for name, points in curves.items()}
    lengths = sorted({n for points in by_n.values() for n in points})[:_TABLE_ROWS]
    rows = [[f"{n:.0f}", *(datum(by_n[name].get(n), words.share) or "—" for name in curves)] for n in lengths]
    head = [words("axis_ngram"), *(words(f"writer_{name}") for name in curves)]
    return table(words("memory_figure"), head, rows, kind="numbers")


def _copied(page: Page) -> Html | None:
    words = page.words
    generated = page.shown(words.share, "novelty.generated.copied.share")
    held_out = page.shown(words.share, "novelty.held_out.copied.share")
    k = page.shown(words.count, "novelty.generated.copied.at_least")
    if generated is None or k is None:
        return None
    key = "copied_beside" if held_out is not None else "copied"
    return element("p", words.rich(key, generated=generated, held_out=held_out or "", k=k))


def _longest(page: Page) -> Html | None:
    words, path = page.words, "novelty.generated.longest_copy"
    passage = v.words_at(page.values, f"{path}.text")
    length = page.shown(words.count, f"{path}.length")
    if length is None:
        return None
    index = v.number(page.values, f"{path}.chapter")
    chapter = words("training_chapter", n=words.count(index + 1)) if index is not None else ""
    said = words.rich("longest_in" if chapter else "longest", characters=length, chapter=chapter)
    quotation = element("blockquote", page.prose(fitted(passage, _LONGEST)), class_="copied") if passage else None
    return joined([element("p", said), quotation])


def variety(page: Page) -> Section | None:
    """Diversity and repetition of samples, beside held-out text of the same length."""
    writers = [name for name in ("generated", "held_out", "kn5") if v.group(page.values, f"variety.{name}")]
    words = page.words
    rows: list[list[Child]] = []
    for measure, path in _VARIETY.items():
        found = [page.shown(words.share, f"variety.{writer}.{path}") for writer in writers]
        if any(found):
            name = joined([words(f"variety_{measure}"), element("small", words(f"variety_{measure}_means"))])
            rows.append([name, *(number or "—" for number in found)])
    if not rows:
        return None
    head = [words("column_measure"), *(words(f"writer_{name}") for name in writers)]
    return page.section("variety", table(words("variety_table"), head, rows, kind="numbers explained"))
