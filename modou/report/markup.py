"""HTML that is well-formed and escaped by construction: text becomes markup only by passing through here."""

import html
from collections.abc import Iterable, Sequence

_VOID = ("meta", "br", "hr")


class Html(str):
    """Markup. Any other str is text, and is escaped before it joins markup."""


Child = str | None
"""A piece of a page: Html as it is, other text escaped, None nothing."""


def escaped(child: Child) -> Html:
    """Markup unchanged, text escaped, None empty. Control characters that HTML forbids become U+FFFD."""
    if child is None:
        return Html()
    if isinstance(child, Html):
        return child
    return Html(html.escape(allowed(child)))


def allowed(text: str) -> str:
    """The text with control characters that HTML forbids as U+FFFD."""
    return "".join(c if _is_allowed(c) else "\ufffd" for c in text)


def _is_allowed(character: str) -> bool:
    point = ord(character)
    return character in "\n\t" or not (point < 32 or 127 <= point < 160 or 0xD800 <= point < 0xE000)


def joined(children: Iterable[Child], between: str = "") -> Html:
    """All children one after the other."""
    return Html(escaped(between).join(escaped(child) for child in children if child))


def element(tag: str, *children: Child, **attributes: str | bool | None) -> Html:
    """`<tag attributes>children</tag>`. `class_` is written class, `aria_label` aria-label; None and False go."""
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
    """A table that scrolls sideways on a narrow screen; the first cell of a row names it."""
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
    # Reachable by keyboard, else whoever has no pointer cannot scroll it.
    return element("div", content, class_="scroll", tabindex="0", role="region", aria_label=caption)


def folded(summary: Child, *content: Child, unfolded: bool = False, class_: str | None = None) -> Html:
    """Content behind a line that opens it."""
    return element("details", element("summary", summary), *content, open=unfolded, class_=class_)


def facts(pairs: Iterable[tuple[Child, Child]]) -> Html:
    """Names and their values; pairs without a value are left out."""
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", value)) for name, value in pairs if value),
        class_="facts",
    )


def fitted(text: str, most: int) -> str:
    """`text`, cut with an ellipsis where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"
