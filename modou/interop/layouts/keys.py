"""Reads config.json: every key of the right type, a missing one (or null) by the class's default, or one line of
refusal that names key and value."""

import json
from collections.abc import Mapping
from typing import Any, cast

from modou.interop.layouts.base import Config
from modou.messages import UserError

TANH = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")
"""Names of GELU's tanh approximation."""
_LARGEST = 1 << 31
_SHOWN = 60


def unsupported(key: str, value: object, wanted: object) -> UserError:
    """The error about a value that our model cannot have."""
    return UserError("interop.unsupported", name=key, value=_plain(value), wanted=wanted)


def wrong(key: str, value: object, wanted: str) -> UserError:
    """The error about a value that is none of its kind."""
    return UserError("interop.config_type", name=key, value=_json(value), wanted=wanted)


def _plain(value: object) -> str:
    """A text without quotation marks."""
    return value[:_SHOWN] if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    """As it stands in the file, truncated if long."""
    try:
        shown = json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):  # nested thousands deep, or a number of thousands of digits
        return "…"
    return shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"


class Keys:
    """The keys of a config.json."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def whole(self, key: str, default: int, least: int = 1) -> int:
        """A whole number. UserError: it is none, or absurdly large."""
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < _LARGEST:
            raise wrong(key, value, f"≥ {least}")
        return value

    def number(self, key: str, default: float) -> float:
        """A positive number. UserError: it is none."""
        return positive(key, self._value(key, default))

    def flag(self, key: str, default: bool) -> bool:
        """True or false. UserError: it is neither."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise wrong(key, value, "true, false")
        return value

    def require(self, key: str, default: object, supported: tuple[object, ...]) -> None:
        """UserError unless the key has one of the supported values."""
        value = self._value(key, default)
        if not any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in supported):
            raise unsupported(key, value, ", ".join(map(_plain, supported)))

    def require_common(self) -> None:
        """What no model of ours has: other modules, weights that are not plain numbers."""
        for key in ("add_cross_attention", "is_encoder_decoder"):
            self.require(key, False, (False,))
        if (quantized := self._config.get("quantization_config")) is not None:
            raise unsupported("quantization_config", quantized, "null")

    def is_null(self, key: str) -> bool:
        """Whether the key is there and null."""
        return key in self._config and self._config[key] is None

    def names(self, key: str) -> list[str] | None:
        """A list of texts; None where it is missing. UserError: it is none."""
        value = self._config.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(one, str) for one in cast(list[object], value)):
            raise wrong(key, value, "[…]")
        return cast(list[str], value)

    def table(self, key: str) -> Mapping[str, Any]:
        """An object; empty where it is missing. UserError: it is none."""
        value = self._value(key, {})
        if not isinstance(value, Mapping):
            raise wrong(key, value, "{…}")
        return cast(Mapping[str, Any], value)

    def rope_base(self, own: str) -> float:
        """The base of rotary embeddings, in the spelling of transformers 5 (`rope_parameters`) or of earlier versions,
        whose key is `own`. UserError: frequencies that are scaled in any way."""
        given = self._rope()
        kind = given.get("rope_type", given.get("type", "default"))
        if kind != "default":
            key = "rope_scaling" if self._config.get("rope_scaling") is not None else "rope_parameters"
            raise unsupported(f"{key} type", kind, "default")
        return positive("rope_theta", given.get("rope_theta", self._value(own, 10_000.0)))

    def require_whole_rotation(self, own: str, default: float) -> None:
        """UserError unless all of a head is rotated; `own`: the earlier key of the share."""
        share = self._rope().get("partial_rotary_factor", self._value(own, default))
        if share != 1:
            raise unsupported(own, share, 1)

    def _rope(self) -> Mapping[str, Any]:
        given = {**self.table("rope_parameters"), **self.table("rope_scaling")}
        for kind, own in given.items():  # of each kind of layer its own
            if isinstance(own, Mapping):
                raise unsupported("rope_parameters", {kind: own}, "one for all layers")
        return given

    def _value(self, key: str, default: object) -> object:
        value = self._config.get(key)
        return default if value is None else value


def positive(key: str, value: object) -> float:
    """A positive finite number. UserError: it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e300:
        raise wrong(key, value, "> 0")
    return float(value)
