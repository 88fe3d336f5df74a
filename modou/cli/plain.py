"""Text for a terminal: control characters removed, wrapped and clipped by cells (a Chinese character takes two)."""

import re

from rich.cells import cell_len, chop_cells

# CSI and OSC sequences and the two-character escapes (ECMA-48): what could move the cursor, or retitle the window.
_ESCAPES = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters except tab and newline, line separators, bidirectional controls, surrogates."""
_WIDE = "\u2e80-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef“”‘’…—"
_CLOSING = "，。、；：？！）」』》〉】”’…—)\\]"
_PARTS = re.compile(rf"[{_WIDE}][{_CLOSING}]*|[^\s{_WIDE}]+[{_CLOSING}]*|\s+")
_SENTENCE = re.compile(r".*?(?:[。！？!?…]+[”’」』\"]*|[.](?=\s|$)|$)")


def harmless(text: str) -> str:
    """`text` without escape sequences, control characters and bidirectional controls."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def escaped(json_text: str) -> str:
    """JSON in which those characters are escaped as \\uXXXX: the same value."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)


def one_line(text: str) -> str:
    """`text` on one line: as `harmless`, with runs of white space collapsed."""
    return " ".join(harmless(text).split())


def first_sentence(text: str) -> str:
    """The first sentence of a text on one line, within its first 200 characters."""
    line = one_line(text[:200])
    match = _SENTENCE.match(line)
    return match.group() if match else line


def clip(text: str, cells: int) -> str:
    """One line of at most `cells` cells, with `…` where it was truncated."""
    line = one_line(text)
    if cell_len(line) <= cells:
        return line
    while line and cell_len(line) > cells - 1:
        line = line[: max(0, len(line) - max(1, (cell_len(line) - cells + 1) // 2))]
    return f"{line}…"


def wrap(text: str, cells: int) -> list[str]:
    """Lines of at most `cells` cells, broken at spaces and between Chinese characters, but not before punctuation."""
    lines: list[str] = []
    line = ""
    for part in _PARTS.findall(" ".join(text.split())):
        if cell_len(line + part.rstrip()) <= cells:
            line += part
            continue
        if line.strip():
            lines.append(line.rstrip())
        line = part.lstrip()
        while cell_len(line) > cells:
            head = chop_cells(line, cells)[0]
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def beside(left: str, right: str, indent: int, column: int, cells: int) -> list[str]:
    """`left`, and `right` wrapped beside it from `column` on, or below it where `left` is too long."""
    head = " " * indent + left
    lines = wrap(right, max(20, cells - column)) if right else [""]
    if cell_len(head) + 2 > column:
        return [head, *(" " * column + line for line in lines if line)]
    first = head + " " * (column - cell_len(head)) + lines[0]
    return [first.rstrip(), *(" " * column + line for line in lines[1:])]
