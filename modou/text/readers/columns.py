"""Rows of named fields as documents: which field holds the text, which the title."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

from modou.messages import UserError
from modou.settings.text import columns_of
from modou.text.headings import Heading
from modou.text.readers.file import File, Line, Reading, text_lines
from modou.text.readers.json_values import BadRow, Value
from modou.text.report import note

PLAIN = ("text", "content", "paragraphs")
"""Names of which nothing need be said; in JSON rows each may stand for the others."""
TEXTS = (
    *(*PLAIN, "body", "article", "story", "document", "passage"),
    *("正文", "内容", "文本", "文章", "全文", "段落", "本文", "텍스트", "본문", "texte", "texto", "description"),
)
"""Names of a field of text, the likeliest first."""
TITLES = (
    "title",
    "heading",
    "headline",
    "chapter",
    "标题",
    "题目",
    "题名",
    "篇名",
    "章节",
    "章回",
    "歌名",
    "诗题",
    "主题",
    "タイトル",
    "제목",
)
_SAMPLE, _SAMPLE_CHARACTERS = 100, 1 << 22
_SHARE = 10
"""A field that is named like text must hold at least one letter in so many of the fullest field."""
_DEEPEST = 3
_NO_PROSE = re.compile(r"\w+://\S*|[A-Za-z0-9_+/=.-]{20,}|\s*")
_BOMB, _BOMB_BYTES = 400, 1 << 26

Row = Value | BadRow


@dataclass(frozen=True)
class Chosen:
    """The fields that hold the text and the title; `by`: set, name or size."""

    text: str
    title: str | None
    by: str
    others: tuple[str, ...]
    """The other fields that hold text, the fullest first."""


def documents(file: File, reading: Reading, rows: Iterator[Row]) -> Iterator[Line]:
    """A Heading and the lines of each row. UserError: no row can be used; the named column is not there; rows that
    repeat a text beyond all proportion to the file."""
    sample = _sampled(rows)
    chosen = choose([row.value for row in sample if isinstance(row, Value)], file)
    _say(file, reading, chosen)
    given, most = 0, _BOMB * (file.path.stat().st_size if file.path.is_file() else file.taken)
    for row in chain(sample, rows):
        found = row.reason if isinstance(row, BadRow) else _document(row.value, chosen, reading)
        if isinstance(found, str):
            reading.complain(f"{file.path.name}:{row.place}: {note(found, name=chosen.text)}")
            continue
        reading.rows += 1
        title, text = found
        given += len(text)
        if given > max(_BOMB_BYTES, most):
            raise UserError("text.bomb", path=file.path, times=_BOMB)
        reading.undecoded(f"{title or ''} {text}")
        yield Heading(title)
        yield from text_lines(text)
    if not reading.rows:
        raise UserError("text.no_good_row", path=file.path, complaint="; ".join(reading.complaints[:1]))


def choose(values: list[Any], file: File) -> Chosen:
    """The fields as the user names them, by their names, or by their content. UserError: no field of that name."""
    sizes, named = Counter[str](), columns_of(file.columns)
    for value in values:
        for name, inner in _flat(_fields(value)):
            text = text_of(inner)
            sizes[name] += 0 if text is None or _NO_PROSE.fullmatch(text[:4096]) else sum(map(str.isalpha, text[:4096]))
    for name in named.values():
        if name not in sizes:
            raise UserError("text.no_such_column", path=file.path, name=name, names=", ".join(sizes) or "-")
    titles = [name for known in TITLES for name in sizes if name.strip().lower() == known]
    fullest = max((size for name, size in sizes.items() if name not in titles), default=0)
    by_name = [
        name
        for known in TEXTS
        for name, size in sizes.items()
        if name.strip().lower() == known and size and size * _SHARE >= fullest
    ]
    by_size = [name for name, size in sizes.most_common() if size and name not in titles] or titles or [PLAIN[0]]
    text = named.get("text") or (by_name or by_size)[0]
    title = named.get("title") or next((name for name in titles if name != text), None)
    others = tuple(name for name, size in sizes.most_common() if size and name not in (text, title))
    return Chosen(text, title, "set" if "text" in named else "name" if by_name else "size", others)


def text_of(value: Any) -> str | None:
    """A string, or a list of strings as lines; None for anything else."""
    if isinstance(value, list) and all(isinstance(item, str) for item in cast(list[Any], value)):
        return "\n".join(cast(list[str], value))
    return value if isinstance(value, str) else None


def shown(value: Any) -> str:
    """The characters of any value."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else str(value)


def _sampled(rows: Iterator[Row]) -> list[Row]:
    sample: list[Row] = []
    characters = 0
    for row in rows:
        sample.append(row)
        characters += len(shown(row.value)) if isinstance(row, Value) else 0
        if len(sample) >= _SAMPLE or characters >= _SAMPLE_CHARACTERS:
            break
    return sample


def _fields(value: Any) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return cast(Mapping[str, Any], value)
    return {PLAIN[0]: value} if isinstance(value, str) else {}


def _flat(fields: Mapping[str, Any], depth: int = 1) -> Iterator[tuple[str, Any]]:
    """The fields, those within others as "outer.inner"."""
    for name, value in fields.items():
        if isinstance(value, dict) and value and depth < _DEEPEST:
            for inner, found in _flat(cast(Mapping[str, Any], value), depth + 1):
                yield f"{name}.{inner}", found
        else:
            yield name, value


def _say(file: File, reading: Reading, chosen: Chosen) -> None:
    if chosen.by == "size" or (chosen.by == "name" and chosen.others and chosen.text not in PLAIN):
        others = ", ".join(chosen.others[:5]) or "-"
        reading.remark(note("text.note_column", file=file.name, name=chosen.text, others=others))


def _document(value: Any, chosen: Chosen, reading: Reading) -> tuple[str | None, str] | str:
    """Title and text of a row, or the message that says why it has none. The other fields are set aside."""
    if not isinstance(value, dict | str):
        return "text.row_not_object"
    fields = dict(_flat(_fields(value)))
    name = chosen.text
    if name in PLAIN and fields.get(name) is None:
        name = next((other for other in PLAIN if fields.get(other) is not None), name)
    if fields.get(name) is None:
        return "text.row_without_text"
    text = text_of(fields[name])
    text = shown(fields[name]) if text is None and chosen.by == "set" else text
    if text is None:
        return "text.row_without_text"
    if not text.strip():
        return "text.row_empty"
    for other, inner in fields.items():
        if other not in (name, chosen.title):
            reading.aside("columns", shown(inner))
    title = fields.get(chosen.title) if chosen.title else None
    return (str(title).strip() or None) if isinstance(title, str | int) else None, text
