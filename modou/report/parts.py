"""Building blocks of sections: the page, numbers that name their path in report.json, figures with a data table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from modou.report import values as v
from modou.report.markup import Child, Html, element, folded, joined
from modou.report.values import Values
from modou.report.words import Words

T = TypeVar("T")
Form = Callable[[float | None], str]


@dataclass(frozen=True)
class Section:
    name: str
    """The anchor, unique on the page."""
    title: str
    body: Html


@dataclass(frozen=True)
class Page:
    """The values to show and the language to show them in."""

    values: Values
    words: Words

    def shown(self, form: Form, path: str) -> Html | None:
        """The number at `path` as <data>: formatted text, exact value, path in report.json. None: missing."""
        return datum(v.number(self.values, path), form, path)

    def section(self, name: str, *body: Child, question: bool = True) -> Section:
        """A section with the messages `name_title` and, where `question`, `name_question` below the title."""
        lead = element("p", self.words(f"{name}_question"), class_="question") if question else None
        return Section(name, self.words(f"{name}_title"), joined([lead, *body]))

    def figure(self, question: str, data_table: Child, *picture: Child) -> Html:
        """A figure: the question it answers, the picture, and the same numbers as a table."""
        data = folded(self.words("as_table"), data_table, class_="data")
        return element("figure", element("figcaption", question), *picture, data)

    def prose(self, text: Child) -> Html:
        """A paragraph in the language of the corpus."""
        return element("p", text, lang=v.words_at(self.values, "run.language"), class_="prose")


def datum(value: float | None, form: Form, path: str | None = None) -> Html | None:
    """A number as <data>; None where it is missing."""
    return None if value is None else element("data", form(value), value=repr(value), data_from=path)


def within(ends: tuple[float, float] | None, form: Form) -> Html | None:
    """An interval as [low, high]."""
    return None if ends is None else element("span", f" [{form(ends[0])}, {form(ends[1])}]", class_="ends")


def against_ngram(values: Values, bits: float) -> tuple[str, float, float] | None:
    """`bits` per character beside KN-5: the key of the sentence, KN-5's bits per character, the absolute difference."""
    rival = v.number(values, "baselines.kn5.bits_per_char")
    if rival is None:
        return None
    gain, ends = v.number(values, "advantage.kn5.bits_per_char"), v.interval(values, "advantage.kn5.interval")
    gain = rival - bits if gain is None else gain
    undecided = ends is not None and ends[0] <= 0 <= ends[1]
    return "against_undecided" if undecided else "against_better" if gain > 0 else "against_worse", rival, abs(gain)


def perplexity(bits: float, words: Words) -> Html | None:
    """Perplexity per character, 2^bits. None outside 0 .. 40 bits."""
    return datum(2**bits, words.count if bits > 4 else words.plain) if 0 <= bits < 40 else None


def bars(rows: Sequence[tuple[Child, float, Child, str | None]]) -> Html:
    """Horizontal bars, rows of (name, length, formatted value, CSS class); negative lengths are drawn as 0."""
    top = max((row[1] for row in rows), default=0) or 1

    def bar(name: Child, length: float, value: Child, kind: str | None) -> Html:
        filled = element("i", style=f"width:{100 * max(length, 0) / top:.1f}%")
        track = element("span", filled, class_="track", aria_hidden="true")
        return element(
            "li", element("span", name, class_="name"), track, element("span", value, class_="value"), class_=kind
        )

    return element("ul", *(bar(*row) for row in rows), class_="bars")


def thinned(items: list[T], most: int, keep: int | None = None) -> list[T]:
    """At most `most` evenly spaced items, including the first, the last and that at index `keep`."""
    if len(items) <= most:
        return items
    chosen = {round(i * (len(items) - 1) / (most - 1)) for i in range(most)}
    if keep is not None and keep not in chosen:
        nearest = min(chosen - {0, len(items) - 1}, key=lambda i: abs(i - keep))
        chosen = chosen - {nearest} | {keep}
    return [items[i] for i in sorted(chosen)]
