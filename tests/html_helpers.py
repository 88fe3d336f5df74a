"""Reads the pages that reports are, and spoils what they are made of."""

import math
from html.parser import HTMLParser
from typing import Any

from hypothesis import strategies as st

HOSTILE = "</p><script>alert(1)</script><img src=x onerror='a'>\"&amp;{x}$\\x\x00\x07\ud800]]>--><style>"
VOID = {"meta", "br", "hr"}


class Reader(HTMLParser):
    """Fails on a tag that is not closed in order; collects ids, links, tags, texts and <data>."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.data: list[tuple[dict[str, str | None], str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert len(found) == len(attrs), f"an attribute twice in {attrs}"
        self.tags.add(tag)
        self.attributes |= set(found)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in found:
            self.ids.append(found["id"] or "")
        self.links += [found[name] or "" for name in ("href", "src") if name in found]
        if tag == "data":
            self.data.append((found, ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            return
        self.words.append(data)
        if "data" in self.open:
            attributes, text = self.data[-1]
            self.data[-1] = attributes, text + data

    @property
    def text(self) -> str:
        return "".join(self.words)


def hostile(value: Any) -> Any:
    match value:
        case dict():
            return {key: hostile(item) for key, item in value.items()}
        case list():
            return [hostile(item) for item in value]
        case str():
            return value + HOSTILE
        case _:
            return value


ODD = st.sampled_from(
    [None, math.nan, math.inf, -math.inf, True, "", "x", [], {}, [None], {"": None}, -1.0, 0, 10**400]
)


def places(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, item in inside for path in [(*before, key), *places(item, (*before, key))]]
