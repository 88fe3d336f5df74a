"""The training section: learning curve (bits per character against time) beside baselines, and its cost."""

from dataclasses import dataclass

from matplotlib.axes import Axes

from modou.report import values as v
from modou.report.figures import (
    INK,
    MODEL,
    MUTED,
    OTHER,
    TRAIN,
    Canvas,
    Line,
    canvases,
    draw,
    label_ends,
    legend,
    plot_lines,
)
from modou.report.markup import Html, element, facts, table
from modou.report.parts import Page, Section, thinned
from modou.report.values import Values

_MOST = 200
_SERIES = (
    ("train", TRAIN, (5.0, 2.5), 1.8),
    ("validation", MODEL, (), 2.4),
    ("averaged", OTHER, (6.0, 2.0, 1.5, 2.0), 1.8),
)
_BASELINES = ("kn5", "xz")
_DOTS = (1.0, 2.5)


def training(page: Page) -> Section | None:
    """Learning curve with the best evaluation marked, its table, and the cost of training."""
    history = [row for row in v.groups(page.values, "training.history") if v.number(row, "step") is not None]
    numbers = _cost(page)
    if len(history) < 2 and not numbers:
        return None
    return page.section("training", _figure(page, history) if len(history) > 1 else None, numbers)


def _cost(page: Page) -> Html | None:
    words = page.words
    shown = [
        (words(f"training_{name}"), page.shown(form, f"training.{name}"))
        for name, form in (
            ("steps", words.count),
            ("tokens", words.size),
            ("seconds", words.duration),
            ("tokens_per_second", words.count),
            ("share_of_peak", words.share),
            ("peak_memory_mb", words.count),
            ("best_step", words.count),
        )
    ]
    return facts(shown) if any(value for _, value in shown) else None


def _best(page: Page, history: list[Values]) -> int | None:
    """Index of the best evaluation: that at training.best_step, else the one with the fewest bits."""
    said = v.number(page.values, "training.best_step")
    scored = {i: bits for i, row in enumerate(history) if (bits := _held_out_bits(row)) is not None}
    named = [i for i in scored if v.number(history[i], "step") == said]
    return named[0] if named else min(scored, key=lambda i: scored[i], default=None)


@dataclass(frozen=True)
class _Curve:
    """Contents of the figure; `axis`: label of the x axis, `best`: point to mark."""

    axis: str
    lines: list[Line]
    baselines: list[tuple[str, float]]
    best: tuple[float, float] | None

    @property
    def range(self) -> tuple[float, float]:
        """Limits of the y axis: from the lowest point to just above the baselines, without the steep first steps."""
        ys = [y for line in self.lines for _, y in line.points]
        last = [line.points[-1][1] for line in self.lines]
        near = [bits for _, bits in self.baselines if bits < max(last) + 3]
        early = sorted(ys, reverse=True)[min(len(ys) - 1, len(ys) // 12)]
        top = max([min(max(ys), max([*near, *last, min(early, max(last) + 2.5)])), *near])
        bottom = min([*ys, *near])
        margin = max(0.06 * (top - bottom), 0.02)
        return bottom - margin, top + margin

    def plot(self, axes: Axes, canvas: Canvas) -> None:
        axes.set_ylim(*self.range)
        axes.set_xlim(0, max(x for line in self.lines for x, _ in line.points) or 1)
        axes.set_xlabel(self.axis)
        for _, bits in self.baselines:
            axes.axhline(bits, color=MUTED, linewidth=1.2, linestyle=(0, _DOTS))
        plot_lines(axes, canvas, self.lines)
        if self.best:
            axes.plot(
                *self.best,
                marker="o",
                markersize=9,
                markerfacecolor="none",
                markeredgecolor=INK,
                markeredgewidth=1.8,
                clip_on=False,
            )
        if canvas.is_wide:
            ends = [(line.points[-1][1], f"{line.name} {line.points[-1][1]:.2f}", line.colour) for line in self.lines]
            label_ends(axes, canvas, [*ends, *((bits, f"{name} {bits:.2f}", MUTED) for name, bits in self.baselines)])


def _figure(page: Page, history: list[Values]) -> Html:
    words = page.words
    best = _best(page, history)
    rows = thinned(history, _MOST, best)
    curve = _read(page, rows, history[best] if best is not None else None)
    title = words("training_figure")
    if not curve.lines:
        return page.figure(title, _table(page, rows))
    key = ", ".join(f"{name} {bits:.2f}" for name, bits in curve.baselines if bits <= curve.range[1])
    dotted = [Line(key, [], MUTED, _DOTS, 1.2)] if key else []
    return page.figure(
        title,
        _table(page, rows),
        element("p", words("bits_per_character"), class_="axis"),
        draw("learning", title, canvases(360, 170), curve.plot),
        legend([*curve.lines, *dotted], kind="narrow"),
        _remarks(page, curve, history[best] if best is not None else None),
    )


def _read(page: Page, rows: list[Values], best: Values | None) -> _Curve:
    """The series against time, or against steps where any time is missing."""
    words = page.words
    timed = all(v.number(row, "seconds") is not None for row in rows)
    unit = 60 if timed and max(v.number(row, "seconds") or 0 for row in rows) >= 180 else 1

    def place(row: Values) -> float:
        return (v.number(row, "seconds" if timed else "step") or 0) / unit

    lines = [
        Line(words(f"series_{name}"), found, colour, dashes, width)
        for name, colour, dashes, width in _SERIES
        if (found := [(place(r), y) for r in rows if (y := v.number(r, f"{name}_bits_per_char")) is not None])
    ]
    baselines = [
        (words(f"short_{name}"), bits)
        for name in _BASELINES
        if (bits := v.number(page.values, f"baselines.{name}.bits_per_char")) is not None
    ]
    axis = words("axis_minutes" if unit == 60 else "axis_seconds" if timed else "axis_steps")
    marked = None if best is None else (place(best), _held_out_bits(best) or 0)
    return _Curve(axis, lines, baselines, marked)


def _held_out_bits(row: Values) -> float | None:
    return v.number(row, "averaged_bits_per_char", "validation_bits_per_char")


def _remarks(page: Page, curve: _Curve, best: Values | None) -> Html | None:
    words = page.words
    above = [f"{name} {words.decimal(bits)}" for name, bits in curve.baselines if bits > curve.range[1]]
    remarks = [words("clipped", names=", ".join(above))] if above else []
    if best is not None:
        step, bits = words.count(v.number(best, "step")), words.decimal(_held_out_bits(best))
        remarks.append(words("best_marked", step=step, bits=bits))
    return element("p", " ".join(remarks), class_="note") if remarks else None


def _table(page: Page, rows: list[Values]) -> Html:
    words = page.words
    columns = [
        (words("axis_steps"), "step", words.count),
        (words("axis_time"), "seconds", words.duration),
        (words("training_tokens"), "tokens", words.size),
        *((words(f"series_{name}"), f"{name}_bits_per_char", words.decimal) for name, *_ in _SERIES),
        (words("learning_rate"), "learning_rate", words.plain),
    ]
    used = [column for column in columns if any(v.number(row, column[1]) is not None for row in rows)]
    return table(
        words("training_table"),
        [name for name, _, _ in used],
        ([form(v.number(row, key)) for _, key, form in used] for row in rows),
        kind="numbers",
    )
