"""Reward against length: whether a judge prefers longer answers, and which runs exploit it."""

import statistics
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from modou.report.compared.runs import Compared, ComparedRun
from modou.report.figures import MUTED, Canvas, draw
from modou.report.markup import Child, Html, element, joined, table
from modou.report.parts import Section, datum, thinned

_MOST = 1200
"""Most points drawn on the page, so that the file stays below a megabyte."""
_EACH = 200
"""Most points drawn in one panel."""
_PARTS, _PART = 5, 4
"""Number of groups by length, and the least number of answers per group."""
_PANEL = Canvas("panel", 360, 230, (44, 12, 12, 42))

Pair = tuple[float, float]
"""Length and score."""


@dataclass(frozen=True)
class _Answers:
    run: ComparedRun
    pairs: list[Pair]

    @property
    def mean(self) -> Pair:
        return statistics.fmean(x for x, _ in self.pairs), statistics.fmean(y for _, y in self.pairs)

    @property
    def parts(self) -> list[tuple[Pair, int]]:
        """((mean length, mean score), number of answers) of each fifth of the answers by length."""
        count = max(1, min(_PARTS, len(self.pairs) // _PART))
        ordered = sorted(self.pairs, key=lambda pair: pair[0])  # ties keep their order
        edges = [len(ordered) * n // count for n in range(count + 1)]
        groups = [ordered[first:last] for first, last in pairwise(edges)]
        return [(_Answers(self.run, group).mean, len(group)) for group in groups]

    @property
    def correlation(self) -> float | None:
        """Pearson's r of length and score. None: fewer than two answers, or one of the two is constant."""
        xs, ys = [x for x, _ in self.pairs], [y for _, y in self.pairs]
        return statistics.correlation(xs, ys) if len(set(xs)) > 1 and len(set(ys)) > 1 else None


def length(page: Compared) -> Section | None:
    """One figure per judge, one panel per run."""
    most = min(_EACH, _MOST // max(1, len(page.judges) * len(page.runs)))
    figures = [_figure(page, number, judge, most) for number, judge in enumerate(page.judges)]
    shown = [figure for figure in figures if figure]
    return page.section("length", *shown) if shown else None


def _figure(page: Compared, number: int, judge: str, most: int) -> Html | None:
    words = page.words
    found = [_Answers(run, pairs) for run in page.runs if (pairs := run.scores(judge))]
    if not found:
        return None
    title = words("length_figure", judge=page.named(judge))
    panels = [_panel(page, f"length-{number}-{answers.run.number}", answers, found, most) for answers in found]
    drawn = words("length_drawn", most=words.count(most)) if max(len(one.pairs) for one in found) > most else None
    said = words("length_note", first=found[0].run.name)
    return page.figure(
        title,
        joined([_table(page, found, judge), _parts(page, found, judge)]),
        element("p", words("mean_score", judge=page.named(judge)), class_="axis"),
        element("div", *panels, class_="panels"),
        element("p", joined([said, drawn], between=words.gap), class_="note"),
    )


def _panel(page: Compared, name: str, answers: _Answers, every: list[_Answers], most: int) -> Html:
    words, run = page.words, answers.run
    xs, ys = [x for one in every for x, _ in one.pairs], [y for one in every for _, y in one.pairs]
    middle = every[0].mean

    def plot(axes: Axes, canvas: Canvas) -> None:
        wide, high = max(xs) - min(xs) or 1.0, max(ys) - min(ys) or 1.0
        axes.set_xlim(min(xs) - 0.04 * wide, max(xs) + 0.04 * wide)
        axes.set_ylim(min(ys) - 0.06 * high, max(ys) + 0.06 * high)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.set_xlabel(words("axis_length"))
        axes.axvline(middle[0], color=MUTED, linewidth=1.1, linestyle=(0, (1.0, 2.5)))
        axes.axhline(middle[1], color=MUTED, linewidth=1.1, linestyle=(0, (1.0, 2.5)))
        dots = thinned(answers.pairs, most)
        at = [x for x, _ in dots], [y for _, y in dots]
        axes.plot(*at, linestyle="", marker="o", markersize=4, color=run.colour, alpha=0.28, markeredgewidth=0)
        means = [mean for mean, _ in answers.parts]
        line = [x for x, _ in means], [y for _, y in means]
        axes.plot(*line, color=run.colour, linewidth=2.4, marker=run.mark, markersize=7)

    r = words.signed(answers.correlation)
    label = element("p", run.title, " ", element("span", f"r = {r}", class_="ends"), class_="panel-name")
    drawn = draw(name, words("length_panel", run=run.label), (_PANEL,), plot)
    return element("div", label, drawn)


def _table(page: Compared, found: list[_Answers], judge: str) -> Html:
    words = page.words
    rows: list[list[Child]] = [
        [
            one.run.title,
            words.count(len(one.pairs)),
            one.run.told(words.decimal, "length"),
            one.run.told(words.decimal, "judges", judge),
            datum(one.correlation, words.signed) or "—",
        ]
        for one in found
    ]
    head = [words("column_run"), words("column_answers"), words("measure_length")]
    head += [words("mean_score", judge=page.named(judge)), words("column_correlation")]
    return table(words("length_table"), head, rows, kind="numbers")


def _parts(page: Compared, found: list[_Answers], judge: str) -> Html:
    words = page.words
    rows: list[list[Child]] = [
        [one.run.title, f"{number}/{len(one.parts)}", words.count(count), *(datum(n, words.decimal) for n in (x, y))]
        for one in found
        for number, ((x, y), count) in enumerate(one.parts, start=1)
    ]
    head = [words("column_run"), words("column_fifth"), words("column_answers"), words("measure_length")]
    return table(words("length_parts"), [*head, words("mean_score", judge=page.named(judge))], rows, kind="numbers")
