"""A template grammar that both generates and parses sentences.

Template syntax:
    {symbol}        one production of `symbol`
    {a} {x} {n}     a slot: an entity of the event, the same wherever the slot recurs
    {a.weapon}      an attribute of the entity in slot a
    <one|two|>      a choice (the last one empty)
Parsing backtracks over templates; the possible ends of each symbol at each position are memoised.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

SLOT_SYMBOLS: Mapping[str, str] = {
    **dict.fromkeys("abcd", "person"),
    **dict.fromkeys("pq", "place"),
    "x": "object",
    "s": "season",
    **dict.fromkeys("nmt", "money"),
}
EVENNESS = 2
"""Offset of the 1 / (rank + EVENNESS) distribution of choices."""
_TOKEN = re.compile(r"\{([\w.]+)\}|([<|>])|([^{<|>]+)")


@dataclass(frozen=True)
class Literal:
    """Fixed text."""

    text: str


@dataclass(frozen=True)
class Reference:
    """A symbol of the grammar; its text is bound to `slot` where there is one."""

    symbol: str
    slot: str | None = None


@dataclass(frozen=True)
class Alternatives:
    """Exactly one of the options."""

    options: tuple["Template", ...]


Node = Literal | Reference | Alternatives
Template = tuple[Node, ...]
Item = TypeVar("Item")
Bindings = dict[str, str]


def parse_template(source: str) -> Template:
    """The nodes of one template. ValueError: the syntax is broken."""
    tokens: list[tuple[str, str, str]] = _TOKEN.findall(source)
    if sum(len(name) + 2 if name else len(mark + text) for name, mark, text in tokens) != len(source):
        raise ValueError(f"cannot read the template {source!r}")
    nodes, end = _sequence(tokens, 0)
    if end != len(tokens):
        raise ValueError(f"unbalanced choice in {source!r}")
    return nodes


def _sequence(tokens: Sequence[tuple[str, str, str]], at: int) -> tuple[Template, int]:
    nodes: list[Node] = []
    while at < len(tokens):
        name, mark, text = tokens[at]
        if mark in ("|", ">"):
            break
        if mark == "<":
            options: list[Template] = []
            while mark in ("<", "|"):
                option, at = _sequence(tokens, at + 1)
                options.append(option)
                mark = tokens[at][1] if at < len(tokens) else "end"
            if mark == "end":
                raise ValueError("a choice is not closed")
            nodes.append(Alternatives(tuple(options)))
        elif name:
            nodes.append(_reference(name))
        else:
            nodes.append(Literal(text))
        at += 1
    return tuple(nodes), at


def _reference(name: str) -> Reference:
    entity, _, attribute = name.partition(".")
    if attribute:
        return Reference(attribute, name)
    return Reference(SLOT_SYMBOLS.get(entity, entity), entity if entity in SLOT_SYMBOLS else None)


def slots_of(template: Template) -> set[str]:
    """All slots in the template."""
    found: set[str] = set()
    for node in template:
        if isinstance(node, Reference) and node.slot is not None:
            found.add(node.slot)
        elif isinstance(node, Alternatives):
            for option in node.options:
                found |= slots_of(option)
    return found


@dataclass
class Grammar:
    """Symbols with their productions: plain text (`words`) or templates without slots (`phrases`).

    Productions are drawn by `pick`, those of the symbols in `even` uniformly. `canonical(symbol, text)` maps the forms
    of a name to one entity.
    """

    words: Mapping[str, Sequence[str]]
    phrases: Mapping[str, Sequence[Template]]
    even: frozenset[str]
    canonical: Callable[[str, str], str]
    _sets: dict[str, list[tuple[int, frozenset[str]]]] = field(
        default_factory=dict[str, "list[tuple[int, frozenset[str]]]"]
    )

    def __post_init__(self) -> None:
        for symbol, entries in self.words.items():
            lengths = sorted({len(entry) for entry in entries}, reverse=True)
            self._sets[symbol] = [(n, frozenset(e for e in entries if len(e) == n)) for n in lengths]

    def missing(self, template: Template) -> set[str]:
        """Symbols of the template that the grammar does not define."""
        found: set[str] = set()
        for node in template:
            if isinstance(node, Reference) and node.symbol not in self.words and node.symbol not in self.phrases:
                found.add(node.symbol)
            elif isinstance(node, Alternatives):
                for option in node.options:
                    found |= self.missing(option)
        return found

    def write(self, template: Template, fill: Callable[[str], str], rng: random.Random) -> str:
        """A random text of the template; `fill(slot)` gives the text of a slot.

        A symbol whose text already occurs is redrawn up to three times.
        """
        parts: list[str] = []
        for node in template:
            if isinstance(node, Literal):
                parts.append(node.text)
            elif isinstance(node, Alternatives):
                parts.append(self.write(pick(node.options, rng), fill, rng))
            elif node.slot is not None:
                parts.append(fill(node.slot))
            else:
                drawn = self.draw(node.symbol, rng)
                for _ in range(3):
                    if drawn not in parts:
                        break
                    drawn = self.draw(node.symbol, rng)
                parts.append(drawn)
        return "".join(parts)

    def draw(self, symbol: str, rng: random.Random) -> str:
        """A random text of a symbol. KeyError: no such symbol."""
        if symbol in self.words:
            entries = self.words[symbol]
            return rng.choice(entries) if symbol in self.even else pick(entries, rng)
        return self.write(pick(self.phrases[symbol], rng), _no_slot, rng)

    def match(self, template: Template, text: str) -> Bindings | None:
        """The slot bindings under which the template produces exactly `text`, or None."""
        return Matcher(self, text).match(template)

    def produces(self, symbol: str, text: str) -> bool:
        """Whether `text` is one production of `symbol`."""
        return len(text) in Matcher(self, text).ends(symbol, 0)


def pick(items: Sequence[Item], rng: random.Random) -> Item:
    """A random item; item r with probability about proportional to 1 / (r + EVENNESS), as word frequencies are."""
    n = len(items)
    return items[int(EVENNESS * (((n + EVENNESS) / EVENNESS) ** rng.random() - 1))]


def _no_slot(slot: str) -> str:
    raise ValueError(f"the phrase mentions slot {slot}, which only sentences may")


class Matcher:
    """Parse one text with many templates; productions of symbols at each position are memoised."""

    def __init__(self, grammar: Grammar, text: str) -> None:
        self.grammar = grammar
        self.text = text
        self._ends: dict[tuple[str, int], tuple[int, ...]] = {}

    def match(self, template: Template) -> Bindings | None:
        """The bindings of the first parse (longest productions first) of the whole text, or None."""
        for end, bindings in self._walk(template, 0, 0, {}):
            if end == len(self.text):
                return bindings
        return None

    def ends(self, symbol: str, start: int) -> tuple[int, ...]:
        """Possible ends of a production of `symbol` that begins at `start`, longest first."""
        key = (symbol, start)
        known = self._ends.get(key)
        if known is not None:
            return known
        text, found = self.text, list[int]()
        if symbol in self.grammar.words:
            for length, entries in self.grammar._sets[symbol]:  # pyright: ignore[reportPrivateUsage]
                if text[start : start + length] in entries:
                    found.append(start + length)
        else:
            spans = {end for phrase in self.grammar.phrases[symbol] for end, _ in self._walk(phrase, 0, start, {})}
            found = sorted(spans, reverse=True)
        result = self._ends[key] = tuple(found)
        return result

    def _walk(self, nodes: Template, at: int, start: int, bound: Bindings) -> Iterator[tuple[int, Bindings]]:
        text = self.text
        while at < len(nodes):
            node = nodes[at]
            if not isinstance(node, Literal):
                break
            if not text.startswith(node.text, start):
                return
            start += len(node.text)
            at += 1
        else:
            yield start, bound
            return
        if isinstance(node, Alternatives):
            for option in node.options:
                for end, inner in self._walk(option, 0, start, bound):
                    yield from self._walk(nodes, at + 1, end, inner)
            return
        for end in self.ends(node.symbol, start):
            inner = bound
            if node.slot is not None:
                value = self.grammar.canonical(node.symbol, text[start:end])
                if bound.get(node.slot, value) != value:
                    continue
                inner = {**bound, node.slot: value}
            yield from self._walk(nodes, at + 1, end, inner)
