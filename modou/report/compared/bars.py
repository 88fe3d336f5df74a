"""Bar charts against a reference line: win rates around 50 %, forgetting (change of bits per character) around 0."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, MultipleLocator

from modou.report import values as v
from modou.report.compared.measures import drifted
from modou.report.compared.runs import Compared, ComparedRun, breadth, short
from modou.report.figures import INK, MUTED, Canvas, draw, label_end
from modou.report.markup import Child, Html, element, table
from modou.report.parts import Section, datum

_OPACITY = (1.0, 0.55, 0.35)
"""Of the first, second and later bars of a run."""
_THICK, _ROW, _BETWEEN = 0.62, 26, 0.5
_NAME, _LABEL = {True: 18, False: 11}, {True: 24, False: 14}
"""Most characters of a run's name (left) and of a bar's label (right), by whether the figure is wide."""


@dataclass(frozen=True)
class _Bar:
    run: ComparedRun
    value: float
    ends: tuple[float, float] | None
    label: str
    number: int = 0
    """Index among its run's bars."""


def wins(page: Compared) -> Section | None:
    """Win rate of each run against the first one, by every judge and by the rules."""
    words = page.words
    bars: list[_Bar] = []
    rows: list[list[Child]] = []
    for run in page.rivals:
        for number, judge in enumerate(page.deciders):
            value, ends = run.mean("wins", judge), run.ends("wins", judge)
            if value is not None:
                bars.append(_Bar(run, value, ends, f"{value:.0%} {page.named(judge)}", number))
                rows.append([run.title, page.named(judge), run.told(words.share, "wins", judge)])
    if not bars:
        return None
    title = words("wins_figure", first=page.runs[0].name)
    room = min(0.5, max(0.12, *(1.08 * abs(end - 0.5) for end in _extent(bars))))
    ticks = MultipleLocator(0.25 if room > 0.3 else 0.1 if room > 0.15 else 0.05)
    drawn = _picture("wins", title, bars, 0.5, (0.5 - room, 0.5 + room), ticks, lambda value: f"{value:.0%}")
    head = [words("column_run"), words("column_judge"), words("column_wins")]
    note = element("p", words("wins_note"), class_="note")
    return page.section("wins", page.figure(title, table(title, head, rows, kind="numbers"), drawn, note))


def forgetting(page: Compared) -> Section | None:
    """Increase of bits per character on the pretraining text's validation part, relative to the first run."""
    words = page.words
    bars = [
        _Bar(run, value, v.interval(run.group("drift"), "interval"), words.signed(value))
        for run in page.rivals
        if (value := v.number(run.group("drift"), "bits_per_char")) is not None
    ]
    if not bars:
        return None
    title = words("forgetting_figure", first=page.runs[0].name)
    rows: list[list[Child]] = [
        [
            run.title,
            datum(v.number(run.group("drift"), "now"), words.decimal, f"runs.{run.name}.drift.now") or "—",
            drifted(page, run) or "—",
        ]
        for run in page.runs
    ]
    low, high = min(0.0, *_extent(bars)), max(0.0, *_extent(bars))
    room = max(0.06 * (high - low), 0.01)
    limits, ticks = (low - room, high + room), MaxNLocator(nbins=5, min_n_ticks=2)
    drawn = _picture("drift", title, bars, 0.0, limits, ticks, lambda value: words.signed(value) if value else "0")
    head = [words("column_run"), words("column_now"), words("measure_drift")]
    note = element("p", words("forgetting_note"), class_="note")
    return page.section("forgetting", page.figure(title, table(title, head, rows, kind="numbers"), drawn, note))


def _extent(bars: list[_Bar]) -> list[float]:
    return [end for bar in bars for end in (bar.value, *(bar.ends or ()))]


def _canvas(name: str, width: int, places: list[float], bars: list[_Bar]) -> Canvas:
    """A canvas with margins as wide as the labels."""
    wide = name == "wide"
    left = max(breadth(short(bar.run.name, _NAME[wide])) for bar in bars)
    right = max(breadth(short(bar.label, _LABEL[wide])) for bar in bars)
    height = round(_ROW * (places[-1] + 1)) + 46
    return Canvas(name, width, height, (round(left) + 12, round(right) + 12, 8, 30))


def _picture(
    name: str,
    title: str,
    bars: list[_Bar],
    line: float,
    limits: tuple[float, float],
    ticks: Locator,
    tick: Callable[[float], str],
) -> Html:
    """Horizontal bars from `line` to each value, with intervals, grouped by run; labels at the right."""
    places = _places(bars)
    sizes = _canvas("wide", 760, places, bars), _canvas("narrow", 360, places, bars)

    def formatted(value: float, _: int) -> str:
        return tick(float(value))

    def plot(axes: Axes, canvas: Canvas) -> None:
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlim(*limits)
        axes.set_ylim(places[-1] + 0.6, -0.6)
        axes.axvline(line, color=MUTED, linewidth=1.6)
        for place, bar in zip(places, bars, strict=True):
            opacity = _OPACITY[min(bar.number, len(_OPACITY) - 1)]
            axes.barh(place, bar.value - line, _THICK, left=line, color=bar.run.colour, alpha=opacity, linewidth=0)
            if bar.ends:
                axes.plot(bar.ends, (place, place), color=INK, linewidth=1.6, solid_capstyle="butt", marker="|")
            label_end(axes, place, short(bar.label, _LABEL[canvas.is_wide]), bar.run.colour)
        axes.xaxis.set_major_locator(copy(ticks))
        axes.xaxis.set_major_formatter(FuncFormatter(formatted))
        runs = {bar.run.name: bar.run for bar in bars}
        own = [[place for place, bar in zip(places, bars, strict=True) if bar.run is run] for run in runs.values()]
        axes.set_yticks([sum(some) / len(some) for some in own], labels=[short(n, _NAME[canvas.is_wide]) for n in runs])
        axes.tick_params(axis="y", labelcolor=INK)

    return draw(name, title, sizes, plot)


def _places(bars: list[_Bar]) -> list[float]:
    """The y position of each bar, with larger gaps between runs than within one."""
    places = [0.0]
    for before, bar in pairwise(bars):
        places.append(places[-1] + (1.0 if before.run is bar.run else 1.0 + _BETWEEN))
    return places
