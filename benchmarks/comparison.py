"""A comparison of several runs, in English: models.json, and models.html as a single file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from modou.report import values as v
from modou.report.figures import MODEL, MUTED, Canvas, draw
from modou.report.markup import Child, Html, element, joined, table
from modou.report.page import document
from modou.report.parts import Page, datum, within
from modou.report.sections.samples import passage
from modou.report.values import Values
from modou.report.words import Words
from modou.storage import user_errors, write_json_atomically, write_text_atomically

TITLE, LEAD = "Models compared", "Same data, same measures; fewer bits are better."
EMPTY = "There are no runs to compare."
FIGURE = "Bits per character on test chapters with 95% intervals: do not rank where they overlap"
_SAMPLE = 500
_NAME = 14
"""Most characters of a name beside the figure."""


def write_comparison(reports: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """Writes models.json and models.html into `folder` atomically. Returns the path of the page.

    UserError: the folder cannot be written.
    """
    clean: list[Values] = [v.finite(report) for report in reports]
    with user_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json_atomically(folder / "models.json", {"models": [summary(report) for report in clean]})
    path = folder / "models.html"
    write_text_atomically(path, comparison_page(clean))
    return path


def summary(report: Values) -> dict[str, Any]:
    """The figures of one run that the page shows, named as in report.json; missing ones are null."""
    sample = _sample(report)
    return {
        "name": _name(report),
        "parameters": _parameters(report),
        "tokens": v.number(report, "training.tokens"),
        "tokens_per_second": v.number(report, "training.tokens_per_second"),
        "peak_memory_mb": v.number(report, "training.peak_memory_mb"),
        "test": {
            "bits_per_char": v.number(report, "test.bits_per_char"),
            "interval": v.interval(report, "test.interval"),
        },
        "lengths": {
            times: {"bits_per_char": v.number(report, f"lengths.{times}.bits_per_char")}
            for times in v.group(report, "lengths")
        },
        "generation": {"tokens_per_second": _generation(report)},
        "sample": dict(sample) if sample else None,
    }


def comparison_page(reports: Sequence[Values]) -> str:
    """The page as HTML text, a pure function of its argument."""
    words = Words("en")
    pages = [Page(report, words) for report in reports]
    parts: list[Child] = [
        element("p", words("kicker"), class_="kicker"),
        element("h1", TITLE),
        element("p", LEAD if pages else EMPTY, class_="question"),
    ]
    if pages:
        parts += [_figure(words, pages), _table(words, pages), _lengths(words, pages), _samples(words, pages)]
    return document(words, TITLE, element("main", *parts), kind="page alone")


def _name(report: Values) -> str:
    return v.words_at(report, "run.name", "run.book") or "—"


def _parameters(report: Values) -> float | None:
    return v.number(report, "model.total")


def _generation(report: Values) -> float | None:
    return v.number(report, "generation.tokens_per_second", "generation.rate")


def _sample(report: Values) -> Values | None:
    samples = [*v.groups(report, "final_samples"), *reversed(v.groups(report, "samples"))]
    return next((sample for sample in samples if v.words_at(sample, "text")), None)


def _figure(words: Words, pages: list[Page]) -> Html | None:
    """Bits of each run as a dot on its interval, KN-5 as a line."""
    rows = [
        (_name(page.values), bits, v.interval(page.values, "test.interval"))
        for page in pages
        if (bits := v.number(page.values, "test.bits_per_char")) is not None
    ]
    if not rows:
        return None
    ngram = next((b for p in pages if (b := v.number(p.values, "baselines.kn5.bits_per_char")) is not None), None)

    def plot(axes: Axes, canvas: Canvas) -> None:
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        for place, (_, bits, span) in enumerate(rows):
            if span:
                axes.plot(span, (place, place), color=MODEL, linewidth=2.5, solid_capstyle="round")
            axes.plot(bits, place, marker="o", markersize=8, color=MODEL)
        if ngram is not None:
            axes.axvline(ngram, color=MUTED, linestyle=(0, (1.0, 2.5)), linewidth=1.6)
            axes.annotate(
                f"KN-5 {ngram:.2f}",
                (ngram, 1),
                xycoords=("data", "axes fraction"),
                xytext=(-5, -3),
                textcoords="offset points",
                ha="right",
                va="top",
                color=MUTED,
            )
        most = _NAME * (2 if canvas.is_wide else 1)
        names = [name if len(name) <= most else name[: most - 1] + "…" for name, _, _ in rows]
        axes.set_yticks(range(len(rows)), labels=names)
        axes.set_ylim(len(rows) - 0.5, -0.9)
        axes.margins(x=0.08)
        axes.set_xlabel(words("bits_per_character"))

    height = 80 + 38 * len(rows)
    sizes = Canvas("wide", 760, height, (190, 20, 10, 44)), Canvas("narrow", 360, height, (112, 12, 10, 42))
    caption = element("figcaption", FIGURE)
    return element("figure", caption, draw("models", FIGURE, sizes, plot))


def _table(words: Words, pages: list[Page]) -> Html:
    head = ["Model", words("column_bits"), words("column_interval"), "Parameters", "Tokens read"]
    head += ["Training tokens/s", "Memory (MB)", "Generated tokens/s"]
    rows: list[list[Child]] = [
        [
            _name(page.values),
            page.shown(words.decimal, "test.bits_per_char") or "—",
            within(v.interval(page.values, "test.interval"), words.decimal) or "—",
            datum(_parameters(page.values), words.size) or "—",
            page.shown(words.size, "training.tokens") or "—",
            page.shown(words.count, "training.tokens_per_second") or "—",
            page.shown(words.count, "training.peak_memory_mb") or "—",
            datum(_generation(page.values), words.count) or "—",
        ]
        for page in pages
    ]
    return table("One row a model", head, rows, kind="numbers")


def _lengths(words: Words, pages: list[Page]) -> Html | None:
    """Bits per character with windows of 1, 2, 4 … times the training length."""
    times = sorted({key for page in pages for key in v.group(page.values, "lengths") if key.isdecimal()}, key=int)
    if not times:
        return None
    rows: list[list[Child]] = [
        [
            _name(page.values),
            *(page.shown(words.decimal, f"lengths.{n}.bits_per_char") or "—" for n in times),
        ]
        for page in pages
    ]
    head = ["Model", *(f"{n}×" for n in times)]
    return element(
        "section",
        element("h2", "Beyond the training length"),
        element("p", "How do bits per character change when the window is longer than in training?", class_="question"),
        table("Window as a multiple of the training length", head, rows, kind="numbers"),
        id="lengths",
    )


def _samples(words: Words, pages: list[Page]) -> Html | None:
    written = [(page, sample) for page in pages if (sample := _sample(page.values))]
    if not written:
        return None
    body = joined(
        joined([element("h3", _name(page.values)), passage(page, sample, _SAMPLE)]) for page, sample in written
    )
    return element("section", element("h2", "A sample of each"), body, id="samples")
