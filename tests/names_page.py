"""docs/machine-readable.md: its tables are made from the dataclasses. `python tests/names_page.py` writes them anew."""

import ast
import inspect
import re
import types
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

PAGE = Path(__file__).parents[1] / "docs" / "machine-readable.md"
PLAIN = {int: "integer", float: "number", str: "text", bool: "true or false", Any: "any"}


def page(text: str) -> str:
    """The page with the tables of every part made anew: a comment names the dataclasses that a part describes. Those
    inside them follow, unless an earlier part describes them."""
    told: list[type] = []

    def tables(part: re.Match[str]) -> str:
        forms = [named(name) for name in part[2].split()]
        made: list[str] = []
        while forms:
            form = forms.pop(0)
            if form not in told:
                told.append(form)
                made.append(table(form))
                forms += [*bases(form), *inside(form)]
        return part[1] + "".join(made)

    made = re.sub(r"(<!-- ((?:modou\.[\w.]+\s+)+)-->\n).*?(?=\n## |\Z)", tables, text, flags=re.DOTALL)
    names = [form.__name__ for form in told]
    assert len(set(names)) == len(names), f"two of one name cannot be linked: {sorted(names)}"
    return made


def forms(part: str) -> list[type]:
    """The dataclasses that a part of the page names, by its heading."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {part}\n")[2]
    found = re.search(r"<!-- ((?:modou\.[\w.]+\s+)+)-->", text)
    assert found, part
    return [named(name) for name in found[1].split()]


def named(dotted: str) -> type:
    module, _, name = dotted.rpartition(".")
    return getattr(import_module(module), name)


def table(form: type) -> str:
    said, hints, own = descriptions(form), get_type_hints(form), form.__annotations__
    rows = [
        f"| `{one.name}` | {shown(hints[one.name], one.default is None)} | {said[one.name]} |\n"
        for one in fields(form)
        if one.name in own
    ]
    head = "| name | type | what |\n|---|---|---|\n"
    more = "".join(f" Also holds what {shown(base)} does." for base in bases(form))
    return f"\n### {form.__name__}\n\n{' '.join((form.__doc__ or '').split())}{more}\n\n{head}{''.join(rows)}"


def bases(form: type) -> list[type]:
    return [base for base in form.__bases__ if is_dataclass(base)]


def descriptions(form: type) -> dict[str, str]:
    """The string after each field."""
    (definition,) = ast.parse(inspect.getsource(form)).body
    assert isinstance(definition, ast.ClassDef)
    return {
        ast.unparse(field.target): " ".join(ast.literal_eval(after.value).split()).replace("|", "\\|")
        for field, after in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr)
    }


def shown(hint: Any, optional: bool = False) -> str:
    """A type as a reader of JSON calls it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        kinds = " or ".join(shown(one) for one in inner if one is not type(None))
        none = "; may be absent" if optional else " or null"
        return kinds + none * (type(None) in inner)
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inner)
    if origin in (dict, Mapping):
        keys = f" with the names {', '.join(map(str, get_args(inner[0])))}" if get_args(inner[0]) else ""
        return f"object of {shown(inner[1])}{keys}"
    if origin is Counter:
        return "object of integer"
    if origin in (list, Sequence) or inner[1:] == (...,):
        return f"list of {shown(inner[0])}"
    if origin is tuple:
        return f"[{', '.join(map(shown, inner))}]"
    return PLAIN.get(hint) or f"[{hint.__name__}](#{hint.__name__.lower()})"


def inside(hint: Any) -> Iterator[type]:
    """The dataclasses in the types of a dataclass's fields."""
    for one in get_type_hints(hint).values() if is_dataclass(hint) else get_args(hint):
        if is_dataclass(one) and isinstance(one, type):
            yield one
        else:
            yield from inside(one)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
