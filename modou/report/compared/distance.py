"""Reward against KL to the reference, with the path of each run's training."""

from dataclasses import dataclass

from matplotlib.axes import Axes

from modou.report import values as v
from modou.report.compared.runs import Compared, ComparedRun, breadth
from modou.report.figures import Canvas, draw
from modou.report.markup import Child, Html, element, joined, table
from modou.report.parts import Section, datum
from modou.settings.methods import METHODS

_AWAY = 11.0
"""Distance of a label from its point, in CSS pixels."""
_SHIFTS = sorted(range(-90, 91, 6), key=abs)
"""Vertical offsets of a label that are tried, in CSS pixels."""
_WIDE, _NARROW = Canvas("wide", 760, 380, (52, 24, 14, 44)), Canvas("narrow", 360, 320, (44, 14, 14, 42))


def distance(page: Compared) -> Section | None:
    """One figure per judge: a point per run, and the path of its training where known."""
    figures = [_figure(page, number, judge) for number, judge in enumerate(page.judges)] if page.rivals else []
    shown = [figure for figure in figures if figure]
    return page.section("distance", *shown, element("p", page.words("distance_note"), class_="note")) if shown else None


@dataclass(frozen=True)
class _Point:
    run: ComparedRun
    x: float
    y: float
    ends: tuple[float, float] | None
    path: tuple[tuple[float, float, float], ...]
    """(step, KL, reward) at every evaluation of its training."""


def _figure(page: Compared, number: int, judge: str) -> Html | None:
    words = page.words
    points = [point for run in page.runs if (point := _point(run, judge))]
    if len(points) < 2:
        return None
    title = words("distance_figure", judge=page.named(judge))

    def plot(axes: Axes, canvas: Canvas) -> None:
        _set_limits(axes, points)
        axes.grid(visible=True, axis="x")
        axes.set_xlabel(words("axis_kl"))
        for point in points:
            _draw(axes, point, canvas)
        _label(axes, canvas, points)

    return page.figure(
        title,
        joined([_table(page, points, judge), _paths(page, points)]),
        element("p", words("mean_score", judge=page.named(judge)), class_="axis"),
        draw(f"distance-{number}", title, (_WIDE, _NARROW), plot),
        element("p", words("distance_path"), class_="note") if any(point.path for point in points) else None,
    )


def _point(run: ComparedRun, judge: str) -> _Point | None:
    x, y = run.mean("kl"), run.mean("judges", judge)
    method = METHODS.get(v.words_at(run.values, "method") or "")
    if x is None or y is None or (method is not None and not method.answers):
        return None  # a base model is so far away that the other points would coincide
    training = run.group("training")
    history = v.groups(training, "history") if v.words_at(training, "judge") == judge else []
    path = ((v.number(row, "step"), v.number(row, "kl"), v.number(row, "reward")) for row in history)
    whole = tuple((step, kl, reward) for step, kl, reward in path if not (step is None or kl is None or reward is None))
    return _Point(run, x, y, run.ends("judges", judge), whole)


def _set_limits(axes: Axes, points: list[_Point]) -> None:
    xs = [x for point in points for x in (point.x, *(kl for _, kl, _ in point.path))]
    ys = [y for point in points for y in (point.y, *(point.ends or ()), *(reward for _, _, reward in point.path))]
    wide, high = max(xs) - min(xs) or 1.0, max(ys) - min(ys) or 1.0
    axes.set_xlim(min(xs) - 0.05 * wide, max(xs) + 0.08 * wide)
    axes.set_ylim(min(ys) - 0.1 * high, max(ys) + 0.14 * high)


def _draw(axes: Axes, point: _Point, canvas: Canvas) -> None:
    colour = point.run.colour
    if point.path:
        x, y = [kl for _, kl, _ in point.path], [reward for _, _, reward in point.path]
        axes.plot(x, y, color=colour, linewidth=1.1, marker=".", markersize=4, alpha=0.75)
    if point.ends:
        axes.plot((point.x, point.x), point.ends, color=colour, linewidth=2.2, solid_capstyle="round")
    axes.plot(point.x, point.y, marker=point.run.mark, markersize=10 if canvas.is_wide else 9, color=colour)


def _label(axes: Axes, canvas: Canvas, points: list[_Point]) -> None:
    """Each run's name beside its point, at the first position that overlaps no point, interval, path or label."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    wide = canvas.width - canvas.margins[0] - canvas.margins[1]
    tall = canvas.height - canvas.margins[2] - canvas.margins[3]

    def place(x: float, y: float) -> tuple[float, float]:
        return (x - left) / (right - left) * wide, (y - low) / (high - low) * tall

    occupied: list[_Box] = []
    for point in points:
        x, bottom = place(point.x, (point.ends or (point.y,))[0])
        top = place(point.x, (point.ends or (point.y,))[-1])[1]
        occupied += [(x - 6, x + 6, bottom - 6, top + 6)]
        occupied += [(x - 1, x + 1, y - 1, y + 1) for x, y in (place(kl, reward) for _, kl, reward in point.path)]
    for point in points:
        (x, y), length = place(point.x, point.y), breadth(point.run.label)
        sides = (x + _AWAY, x - _AWAY - length)
        boxes = ((start, start + length, y + shift - 8, y + shift + 8) for shift in _SHIFTS for start in sides)
        free = (box for box in boxes if box[0] > 0 and box[1] < wide and box[2] > 0 and box[3] < tall)
        box = next((box for box in free if not any(_overlap(box, other) for other in occupied)), None)
        box = box or (sides[0], sides[0] + length, y - 8, y + 8)
        occupied.append(box)
        axes.annotate(
            point.run.label,
            (point.x, point.y),
            xytext=(_AWAY if box[0] > x else -_AWAY, (box[2] + box[3]) / 2 - y),
            textcoords="offset points",
            ha="left" if box[0] > x else "right",
            va="center",
            color=point.run.colour,
            annotation_clip=False,
        )


_Box = tuple[float, float, float, float]
"""Left, right, bottom, top, in CSS pixels from the lower left."""


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def _table(page: Compared, points: list[_Point], judge: str) -> Html:
    words = page.words
    rows: list[list[Child]] = [
        [point.run.title, point.run.told(words.decimal, "kl"), point.run.told(words.decimal, "judges", judge)]
        for point in points
    ]
    head = [words("column_run"), words("measure_kl"), words("mean_score", judge=page.named(judge))]
    return table(words("distance_table"), head, rows, kind="numbers")


def _paths(page: Compared, points: list[_Point]) -> Html | None:
    words = page.words
    rows: list[list[Child]] = [
        [point.run.title, words.count(step), datum(kl, words.decimal), datum(reward, words.decimal)]
        for point in points
        for step, kl, reward in point.path
    ]
    head = [words("column_run"), words("axis_steps"), words("measure_kl"), words("column_reward")]
    return table(words("distance_path_table"), head, rows, kind="numbers") if rows else None
