"""Base classes of all settings (frozen, unknown names rejected, one-line errors), and TOML reading and writing."""

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from modou.messages import UserError
from modou.storage import SMALL, is_missing, read_bytes, without_surrogates


class Settings(BaseModel):
    """A frozen group of options. `model_fields_set`: the fields that were set rather than left at their default."""

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Validated settings from plain values (strings are converted). UserError names the first bad option."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _user_error(error) from None

    def changed(self, **values: Any) -> Self:
        """A validated copy with some fields replaced; the other fields stay set or unset as they were."""
        return type(self).parse({**self.model_dump(exclude_unset=True), **values})


class Groups(Settings):
    """All settings of a run in groups: `--group.field` on the command line, `[group] field` in TOML."""

    def with_values(self, values: dict[str, dict[str, Any]]) -> Self:
        """A copy with `{group: {field: value}}` overriding what is set here. UserError names the first bad option."""
        return type(self).parse(merge(self.model_dump(exclude_unset=True), values))

    def is_set(self, group: str, field: str) -> bool:
        """Whether a flag, a preset or the plan set this option (else it is a default)."""
        return field in getattr(self, group).model_fields_set


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Merge nested tables; values of `above` override those of `below`."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        merged[key] = merge(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _user_error(error: ValidationError) -> UserError:
    first = error.errors(include_url=False)[0]
    names = [part for part in first["loc"] if isinstance(part, str)]  # integers index the items of a tuple
    # Two names are group and field; a single one is a field of a group that was parsed by itself.
    option = f"--{'.'.join(names)}" if len(names) > 1 else "".join(names)
    value = _shown(first["input"])
    context = first.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, UserError):
        return cause
    match first["type"]:
        case "extra_forbidden":
            return UserError("settings.unknown_option", option=option)
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            sign = {"greater_than": ">", "greater_than_equal": "≥", "less_than": "<", "less_than_equal": "≤"}
            bound = next(value for key, value in context.items() if key in ("gt", "ge", "lt", "le"))
            wanted = f"{sign[first['type']]} {bound}"
            return UserError("settings.out_of_bounds", option=option, value=value, wanted=wanted)
        case "literal_error" | "enum":
            wanted = str(context["expected"]).replace("'", "").replace(" or ", ", ")
            return UserError("settings.not_a_choice", option=option, value=value, wanted=wanted)
        case kind:
            wanted = kind.partition("_")[0]
            key = _WRONG_TYPES.get(wanted, "settings.wrong_type")
            return UserError(key, option=option, value=value, wanted=wanted)


def _shown(value: Any) -> Any:
    """The value for a message, truncated if it is long."""
    try:
        whole = value if isinstance(value, str) else repr(value)
    except (RecursionError, ValueError):  # nested thousands deep, or a number of thousands of digits
        return "…"
    return value if len(whole) <= _SHOWN else f"{whole[:_SHOWN]}…"


_SHOWN = 60
_WRONG_TYPES = {
    "int": "settings.no_whole_number",
    "float": "settings.no_number",
    "finite": "settings.no_number",
    "bool": "settings.no_truth_value",
}


def read_toml(path: Path) -> dict[str, Any]:
    """Read the tables of a TOML file. UserError: missing, too large, not valid TOML."""
    try:
        data = read_bytes(path, SMALL)
    except UserError as error:
        if is_missing(error):
            raise UserError("settings.no_such_file", path=path) from None
        raise
    try:
        return tomllib.loads(data.decode("utf-8").replace("\r\n", "\n"))
    except RecursionError:
        raise UserError("settings.not_toml", path=path, reason="nested too deep") from None
    except ValueError as error:  # not UTF-8, not TOML, or a number of thousands of digits
        raise UserError("settings.not_toml", path=path, reason=str(error)[:_SHOWN]) from None


def write_toml(values: dict[str, Any]) -> str:
    """Nested tables of plain values as TOML text (strings, numbers, booleans, lists of them; None is left out).

    Lone surrogates, which file names may contain and TOML may not, become U+FFFD.
    """

    def literal(value: Any) -> str:
        match value:
            case bool():
                return "true" if value else "false"
            case int() | float():
                return repr(value)
            case list() | tuple():
                return "[" + ", ".join(literal(item) for item in value) + "]"
            case _:
                escaped = "".join(
                    f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else {"\\": "\\\\", '"': '\\"'}.get(c, c)
                    for c in str(value)
                )
                return f'"{escaped}"'

    def table(name: str, content: dict[str, Any]) -> list[str]:
        plain = [f"{key} = {literal(v)}" for key, v in content.items() if not isinstance(v, dict) and v is not None]
        head = [f"[{name}]"] if name and plain else []
        lines = [*head, *plain, ""] if plain else []
        for key, value in content.items():
            if isinstance(value, dict):
                lines += table(f"{name}.{key}" if name else key, value)
        return lines

    return without_surrogates("\n".join(table("", values)))
