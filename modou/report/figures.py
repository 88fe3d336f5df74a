"""Figures as inline SVG, drawn by matplotlib.

Each figure is drawn for a wide and for a narrow screen; the style sheet shows the one that fits. Colours are
placeholders that become CSS variables, so that figures follow the page's dark mode and print style; text stays text, in
the page's fonts. Lines differ by dash pattern as well as by colour.
"""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modou.report.markup import Html, element, joined, listed

INK, MUTED, GRID, MODEL, TRAIN, OTHER, ACCENT, PAPER = (f"#{n:02x}{n:02x}{n:02x}" for n in range(1, 9))
_VARIABLES = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    GRID: "var(--rule)",
    MODEL: "var(--model)",
    TRAIN: "var(--train)",
    OTHER: "var(--other)",
    ACCENT: "var(--accent)",
    PAPER: "var(--paper)",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "modou",
    "text.parse_math": False,
    "font.size": 12.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 1.0,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 4,
    "ytick.major.size": 0,
}


@dataclass(frozen=True)
class Line:
    """One series; dashes () = solid."""

    name: str
    points: list[tuple[float, float]]
    colour: str
    dashes: tuple[float, ...] = ()
    width: float = 2.0


@dataclass(frozen=True)
class Canvas:
    """One size of a figure, in CSS pixels."""

    name: str
    width: int
    height: int
    margins: tuple[int, int, int, int]
    """Left, right, top, bottom."""

    @property
    def is_wide(self) -> bool:
        return self.name == "wide"


def canvases(height: int, right: int) -> tuple[Canvas, Canvas]:
    """The wide size, with a right margin of `right` pixels for line labels, and the narrow one."""
    return Canvas("wide", 760, height, (46, right, 14, 44)), Canvas("narrow", 360, 290, (38, 12, 14, 42))


def draw(name: str, title: str, sizes: Sequence[Canvas], plot: Callable[[Axes, Canvas], None]) -> Html:
    """The figure in every size; CSS shows the one that fits. `name`: prefix of ids; `title`: for screen readers."""
    return joined(_svg(f"{name}-{canvas.name}", title, canvas, plot) for canvas in sizes)


def _svg(name: str, title: str, canvas: Canvas, plot: Callable[[Axes, Canvas], None]) -> Html:
    left, right, top, bottom = canvas.margins
    # Text is written as text, so glyphs missing from matplotlib's font do not matter.
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+")
        mpl.rcdefaults()  # independent of the user's matplotlibrc
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=(canvas.width / 72, canvas.height / 72))
        figure.subplots_adjust(
            left / canvas.width, bottom / canvas.height, 1 - right / canvas.width, 1 - top / canvas.height
        )
        axes = figure.add_subplot()
        axes.grid(visible=False, axis="x")
        axes.spines["left"].set_visible(False)
        plot(axes, canvas)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return Html(_inlined(file.getvalue(), name, title, canvas))


def _inlined(svg: str, name: str, title: str, canvas: Canvas) -> str:
    """matplotlib's SVG for inclusion in a page: no prolog, ids prefixed with `name`, colours as CSS variables."""
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = body[body.index(">") + 1 : body.rindex("</svg>")]
    body = body.replace("xlink:href", "href")
    body = re.sub(r" font-family: [^;\"]*;?", "", body)
    body = re.sub(r'(<g) id="[^"]*"', r"\1", body)
    body = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r"<defs>\s*</defs>", "", body)
    body = re.sub(r"#0([1-8])(?:0\1)(?:0\1)", lambda colour: _VARIABLES[colour[0]], body)
    body = re.sub(r' (?:d|x|y)="[^"]*"', lambda place: re.sub(r"(\.\d\d)\d+", r"\1", place[0]), body)
    body = re.sub(r"\s*\n\s*", " ", body)
    label = element("title", title, id=f"{name}-title")
    return (
        f'<svg class="chart {canvas.name}" viewBox="0 0 {canvas.width} {canvas.height}" role="img" '
        f'aria-labelledby="{name}-title">{label}{body}</svg>'
    )


def plot_lines(axes: Axes, canvas: Canvas, lines: list[Line]) -> None:
    """Draws the series, thinner on the narrow canvas."""
    for line in lines:
        x, y = [p[0] for p in line.points], [p[1] for p in line.points]
        axes.plot(
            x,
            y,
            color=line.colour,
            linestyle=(0, line.dashes) if line.dashes else "solid",
            linewidth=line.width * (1 if canvas.is_wide else 0.9),
            marker="o" if len(x) == 1 else "",
            markersize=4,
            solid_capstyle="round",
            solid_joinstyle="round",
        )


def label_ends(axes: Axes, canvas: Canvas, ends: list[tuple[float, str, str]]) -> None:
    """Labels (y, text, colour) beside the right edge, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    unit = (high - low) / (canvas.height - canvas.margins[2] - canvas.margins[3])
    ordered = sorted((end for end in ends if low <= end[0] <= high), key=lambda end: end[0])
    for y, (_, text, colour) in zip(spread([e[0] for e in ordered], 17 * unit, high), ordered, strict=True):
        label_end(axes, y, text, colour)


def label_end(axes: Axes, y: float, text: str, colour: str) -> None:
    """A label beside the right edge."""
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "xytext": (8, 0), "textcoords": "offset points"}
    axes.annotate(text, (1, y), **place, va="center", color=colour, annotation_clip=False)


def spread(places: list[float], gap: float, top: float) -> list[float]:
    """Sorted positions moved so that neighbours are at least `gap` apart and none exceeds `top`."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + gap) if moved else place)
    for i in range(len(moved) - 1, -1, -1):
        limit = top if i == len(moved) - 1 else moved[i + 1] - gap
        moved[i] = min(moved[i], limit)
    return moved


def legend(lines: list[Line], *, kind: str = "") -> Html:
    """The names of the series, each with a stroke of its colour and dashes."""
    entries = (joined([_stroke(line), element("span", line.name)]) for line in lines)
    return listed(entries, f"legend {kind}".strip())


def css_colour(colour: str) -> str:
    """The CSS variable of a placeholder colour."""
    return _VARIABLES[colour]


def _stroke(line: Line) -> Html:
    dashes = " ".join(f"{dash * line.width:g}" for dash in line.dashes)
    stroke = element(
        "path",
        d="M1 5H31",
        fill="none",
        stroke_dasharray=dashes or None,
        style=f"stroke:{css_colour(line.colour)};stroke-width:{line.width:g}",
    )
    return element("svg", stroke, class_="stroke", viewBox="0 0 32 10", aria_hidden="true")
