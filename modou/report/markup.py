"""HTML that is well-formed and escaped by construction: only this module turns text into markup."""

import html
from collections.abc import Iterable, Sequence

_VOID = ("meta", "br", "hr")


class Html(str):
    """Markup. Any other str is plain text and gets escaped when inserted."""


Child = str | None
"""Content of an element: Html is inserted as it is, other text escaped, None skipped."""


def escaped(child: Child) -> Html:
    """Markup unchanged, text escaped (forbidden control characters become U+FFFD), None empty."""
    if child is None:
        return Html()
    if isinstance(child, Html):
        return child
    return Html(html.escape(allowed(child)))


def allowed(text: str) -> str:
    """The text with control characters that HTML forbids replaced by U+FFFD."""
    return "".join(c if _is_allowed(c) else "\ufffd" for c in text)


def _is_allowed(character: str) -> bool:
    point = ord(character)
    return character in "\n\t" or not (point < 32 or 127 <= point < 160 or 0xD800 <= point < 0xE000)


def joined(children: Iterable[Child], between: str = "") -> Html:
    """The children that are not empty, concatenated with `between`."""
    return Html(escaped(between).join(escaped(child) for child in children if child))


def element(tag: str, *children: Child, **attributes: str | bool | None) -> Html:
    """`<tag attributes>children</tag>`. `class_` becomes class, `aria_label` aria-label; None and False are omitted."""
    written = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escaped(str(value))}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    inside = joined(children)
    return Html(f"<{tag}{written}>" if tag in _VOID else f"<{tag}{written}>{inside}</{tag}>")


def filled(template: str, **values: str) -> Html:
    """A message as markup: the template escaped, each value escaped unless it is Html."""
    return Html(escaped(template).format(**{name: escaped(value) for name, value in values.items()}))


def table(caption: str, head: Sequence[Child], rows: Iterable[Sequence[Child]], *, kind: str | None = None) -> Html:
    """A horizontally scrollable table; the first cell of a row is its header. `kind`: CSS class."""
    heading = element("tr", *(element("th", cell, scope="col") for cell in head))
    body = joined(
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows
    )
    content = element(
        "table",
        element("caption", caption),
        element("thead", heading),
        element("tbody", body),
        class_=kind,
    )
    # Focusable, so that it can be scrolled with the keyboard.
    return element("div", content, class_="scroll", tabindex="0", role="region", aria_label=caption)


def folded(summary: Child, *content: Child, unfolded: bool = False, class_: str | None = None) -> Html:
    """Collapsible content (<details>)."""
    return element("details", element("summary", summary), *content, open=unfolded, class_=class_)


def facts(pairs: Iterable[tuple[Child, Child]]) -> Html:
    """A description list of (name, value); pairs without a value are left out."""
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", value)) for name, value in pairs if value),
        class_="facts",
    )


def listed(items: Iterable[Child], class_: str = "notes") -> Html:
    """A bulleted list."""
    return element("ul", *(element("li", item) for item in items), class_=class_)


def fitted(text: str, most: int) -> str:
    """`text`, truncated with an ellipsis to at most `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"
