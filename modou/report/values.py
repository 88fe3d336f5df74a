"""Access to report.json by dotted paths; any section may be missing, any number null or not a number."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

Values = Mapping[str, Any]
_LARGEST = 1e300


def at(values: Values, path: str) -> object:
    """The value at a dotted path such as "a.b.c"; None where any part is missing."""
    here: object = values
    for key in path.split("."):
        if not isinstance(here, Mapping):
            return None
        here = here.get(key)
    return here


def as_number(value: object) -> float | None:
    """`value` where it is a finite number below 1e300 in magnitude, else None (also for booleans)."""
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


def points(values: Values, path: str) -> list[tuple[float, float]]:
    """The list at `path` as points (1, first), (2, second), ...; values that are no number are left out."""
    numbers = ((float(n), as_number(value)) for n, value in enumerate(listed(values, path), start=1))
    return [(n, y) for n, y in numbers if y is not None]


def flattened(values: Values, before: str = "") -> Iterator[tuple[str, str]]:
    """All leaves in order as (dotted path, text); null ones are left out."""
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from flattened(cast(Values, value), f"{name}.")
        elif value is not None:
            yield name, as_text(value)


def as_text(value: object) -> str:
    """A setting as text: null as a dash, booleans in lower case, lists with commas."""
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
    """The same value as JSON can hold it: NaN and infinities become None, tuples lists."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in cast(Values, value).items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in cast(Sequence[Any], value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
