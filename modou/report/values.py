"""Reads report.json: every section may be missing, every number may be null or not a number."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

Values = Mapping[str, Any]
_LARGEST = 1e300


def at(values: Values, path: str) -> object:
    """What lies at "a.b.c" of nested dictionaries; None where any part is missing."""
    here: object = values
    for key in path.split("."):
        if not isinstance(here, Mapping):
            return None
        here = here.get(key)
    return here


def as_number(value: object) -> float | None:
    """A finite number, else None. Truth values are no numbers, nor is what no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST < value < _LARGEST:
        return None
    return value


def number(values: Values, *paths: str) -> float | None:
    """The first finite number among `paths`."""
    return next((found for path in paths if (found := as_number(at(values, path))) is not None), None)


def words_at(values: Values, *paths: str) -> str | None:
    """The first text that is not empty among `paths`; numbers are written out."""
    for path in paths:
        value = at(values, path)
        if isinstance(value, str) and value.strip():
            return value
        if as_number(value) is not None:
            return str(value)
    return None


def group(values: Values, path: str) -> Values:
    """The dictionary at `path`, empty where there is none."""
    value = at(values, path)
    return cast(Values, value) if isinstance(value, Mapping) else {}


def listed(values: Values, path: str) -> Sequence[Any]:
    """The list at `path`, empty where there is none."""
    value = at(values, path)
    return cast(Sequence[Any], value) if isinstance(value, Sequence) and not isinstance(value, str) else []


def groups(values: Values, path: str) -> list[Values]:
    """The dictionaries in the list at `path`; of a dictionary of dictionaries, each with its key as "name"."""
    value = at(values, path)
    if isinstance(value, Mapping):
        named = cast(Values, value).items()
        return [{"name": name, **cast(Values, item)} for name, item in named if isinstance(item, Mapping)]
    return [cast(Values, item) for item in listed(values, path) if isinstance(item, Mapping)]


def texts(values: Values, path: str) -> list[str]:
    """The strings in the list at `path`; of a dictionary its "text"."""
    found: list[str] = []
    for item in listed(values, path):
        text = words_at(cast(Values, item), "text") if isinstance(item, Mapping) else item
        if isinstance(text, str) and text.strip():
            found.append(text)
    return found


def interval(values: Values, path: str) -> tuple[float, float] | None:
    """[low, high] at `path`, both finite."""
    ends = [as_number(end) for end in listed(values, path)]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    return ends[0], ends[1]


def points(values: Values, *paths: str) -> list[tuple[float, float]]:
    """The first curve among `paths`, {"1": 0.1, "2": 0.4} or [0.1, 0.4], as sorted points; gaps are left out."""
    found: list[tuple[float, float]] = []
    curve = next((curve for path in paths if (curve := _curve(values, path))), {})
    for key, value in curve.items():
        y = as_number(value)
        if y is not None and str(key).isdecimal():
            found.append((float(key), y))
    return sorted(found)


def _curve(values: Values, path: str) -> Values:
    return group(values, path) or {str(n): y for n, y in enumerate(listed(values, path), start=1)}


def flattened(values: Values, before: str = "") -> Iterator[tuple[str, str]]:
    """All leaves as ("a.b.c", text), in their order; null ones are left out."""
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from flattened(cast(Values, value), f"{name}.")
        elif value is not None:
            yield name, as_text(value)


def as_text(value: object) -> str:
    """A setting as one writes it: null as a dash, true and false in lower case, lists with commas."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(as_text(item) for item in cast(Sequence[Any], value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {text}" for name, text in flattened(cast(Values, value)))
    return str(value)


def finite(value: object) -> Any:
    """The same value with NaN and infinities as None, tuples as lists: what JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in cast(Values, value).items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in cast(Sequence[Any], value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
