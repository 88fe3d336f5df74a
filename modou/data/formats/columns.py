"""Column mappings for files with other field names; the keys are those of LLaMA-Factory's dataset_info.json."""

from collections.abc import Mapping
from typing import Any, cast

from modou.messages import UserError

FIELDS = {
    "prompt": "instruction",
    "query": "input",
    "response": "output",
    "history": "history",
    "messages": "messages",
    "system": "system",
    "tools": "tools",
    "chosen": "chosen",
    "rejected": "rejected",
    "kto_tag": "kto_tag",
    "text": "text",
}
"""Key of the mapping -> field of the formats."""
TAGS = {"role_tag": "role", "content_tag": "content"}
"""Key of the mapping -> field of a turn."""
ROLES = {
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
    "observation_tag": "tool",
    "function_tag": "function_call",
}
"""Key of the mapping -> role."""


class Columns:
    """A mapping, written as "prompt=问题,response=回答,user_tag=客户"."""

    def __init__(self, given: str = "") -> None:
        """UserError: wrong syntax, or an unknown key."""
        pairs = [part.partition("=") for part in given.replace("，", ",").split(",") if part.strip()]
        known = {*FIELDS, *TAGS, *ROLES}
        for name, equals, theirs in pairs:
            if not equals or not theirs.strip() or name.strip() not in known:
                raise UserError("examples.bad_columns", given=name[:40], known=", ".join(sorted(known)))
        named = {name.strip(): theirs.strip() for name, _, theirs in pairs}
        self.fields = {theirs: FIELDS[name] for name, theirs in named.items() if name in FIELDS}
        self.tags = {theirs: TAGS[name] for name, theirs in named.items() if name in TAGS}
        self.roles = {theirs: ROLES[name] for name, theirs in named.items() if name in ROLES}

    def renamed(self, row: Any) -> Any:
        """The row with its fields renamed. If fields are mapped, all others are dropped."""
        if not (self.fields or self.tags or self.roles) or not isinstance(row, dict):
            return row
        fields = cast(Mapping[str, Any], row)
        if self.fields:
            fields = {ours: fields[theirs] for theirs, ours in self.fields.items() if theirs in fields}
        return {name: self._turns(value) for name, value in fields.items()}

    def _turns(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return [self._turn(cast(Mapping[str, Any], turn)) if isinstance(turn, dict) else turn for turn in value]

    def _turn(self, turn: Mapping[str, Any]) -> dict[str, Any]:
        renamed = {self.tags.get(name, name): value for name, value in turn.items()}
        for name in ("role", "from"):
            if name in renamed:
                renamed[name] = self.roles.get(str(renamed[name]), renamed[name])
        return renamed
