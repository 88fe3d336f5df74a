"""Rules of the world, independent of language: preconditions and effects of each kind of event (events.toml)."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import combinations

from modou.corpora.storyteller.grammar import SLOT_SYMBOLS


@dataclass(frozen=True)
class Fact:
    """`relation key = value`, where key words and value are slots or constants; `denied`: the value must differ."""

    relation: str
    key: tuple[str, ...]
    value: str
    denied: bool = False

    @classmethod
    def read(cls, line: str) -> "Fact":
        """A fact in the notation of events.toml."""
        words = line.split()
        denied = words[0] == "not"
        relation, *key, value = words[denied:]
        return cls(relation, tuple(key), value, denied)

    @property
    def slots(self) -> set[str]:
        """The slots that occur in it."""
        return {word for word in (*self.key, self.value) if word in SLOT_SYMBOLS}


@dataclass(frozen=True)
class EventRule:
    """One kind of event: facts required before it (`needs`) and facts true after it (`makes`)."""

    kind: str
    needs: tuple[Fact, ...]
    makes: tuple[Fact, ...]


@dataclass(frozen=True)
class StoryEvent:
    """An event: its kind, and the entity in each slot."""

    kind: str
    slots: Mapping[str, str]


@cache
def event_rules() -> Mapping[str, EventRule]:
    """The rules of events.toml by kind."""
    source = tomllib.loads(files("modou.corpora.storyteller").joinpath("events.toml").read_text(encoding="utf-8"))
    rules: dict[str, EventRule] = {}
    for kind, entry in source.items():
        actors: str = entry.get("actors", "")
        needs = [Fact("life", (actor,), "yes") for actor in actors]
        needs += [Fact("jail", (actor,), "no") for actor in actors]
        needs += [Fact.read(line) for line in entry.get("needs", [])]
        needs += [Fact("together", (one,), other) for one, other in combinations(actors, 2)]
        rules[kind] = EventRule(kind, tuple(needs), tuple(Fact.read(line) for line in entry.get("makes", [])))
    return rules
