"""A set of facts about the world, checked and updated by events.

The world's own state is complete; a reader's state holds only what the sentences so far have told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from modou.corpora.storyteller.events import Fact, StoryEvent, event_rules

Key = tuple[str, ...]
ATTRIBUTES = ("nick", "trade", "home", "weapon", "skill")
"""Constant attributes of a person."""


@dataclass(frozen=True)
class Check:
    """A statement of an event compared with a known fact."""

    relation: str
    key: Key
    known: str
    said: str
    agrees: bool


@dataclass
class State:
    """(relation, *key) → value; a missing fact is unknown."""

    facts: dict[Key, str] = field(default_factory=dict[Key, str])

    def get(self, *key: str) -> str | None:
        """The value of a fact, or None."""
        if key[0] == "bond":
            key = ("bond", *sorted(key[1:]))
        return self.facts.get(key)

    def copy(self) -> "State":
        return State(dict(self.facts))

    def tell(self, event: StoryEvent) -> list[Check]:
        """Compare the event's statements with known facts, then update the facts; return all comparisons."""
        rule, checks = event_rules()[event.kind], list[Check]()
        for slot, value in event.slots.items():
            entity, _, attribute = slot.partition(".")
            if attribute in ATTRIBUTES and entity in event.slots:
                self._need(Fact(attribute, (entity,), slot), {**event.slots, slot: value}, checks)
        for fact in rule.needs:
            self._need(fact, event.slots, checks)
        for fact in rule.makes:
            if fact.slots <= event.slots.keys():
                key, value = _bind(fact, event.slots)
                self.facts[key] = value
        return checks

    def _need(self, fact: Fact, slots: Mapping[str, str], checks: list[Check]) -> None:
        if not fact.slots <= slots.keys():
            return
        key, value = _bind(fact, slots)
        if fact.relation == "together":
            key, value = ("place", key[1]), self._shared_place(key[1], value)
            if value == "":
                return
        if fact.relation == "sum":
            total, part = fact.key[0], fact.key[1]
            total, part = slots[total], slots[part]
            added = str(int(part) + int(value))
            checks.append(Check("sum", key, added, total, added == total))
            return
        known = self.facts.get(key)
        if known is not None:
            checks.append(Check(fact.relation, key, known, value, (known == value) != fact.denied))
        if not fact.denied:
            self.facts[key] = value

    def _shared_place(self, one: str, other: str) -> str:
        """The place of two people who meet: the known place of the second, else of the first; "" if unknown."""
        there = self.facts.get(("place", other))
        here = self.facts.get(("place", one))
        if there is None and here is not None:
            self.facts["place", other] = here
        return there or here or ""


def _bind(fact: Fact, slots: Mapping[str, str]) -> tuple[Key, str]:
    key = [slots.get(word, word) for word in fact.key]
    if fact.relation == "bond":
        key.sort()
    return (fact.relation, *key), slots.get(fact.value, fact.value)
