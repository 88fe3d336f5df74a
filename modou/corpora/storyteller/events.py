"""The rules of the world: what each kind of event needs and makes, whatever language tells it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import combinations

from modou.corpora.storyteller.grammar import SLOT_SYMBOLS


@dataclass(frozen=True)
class Fact:
    """`relation key = value`, each word a slot or itself; `denied`: the value must differ."""

    relation: str
    key: tuple[str, ...]
    value: str
    denied: bool = False

    @classmethod
    def read(cls, line: str) -> "Fact":
        """A fact as events.toml writes it."""
        words = line.split()
        denied = words[0] == "not"
        relation, *key, value = words[denied:]
        return cls(relation, tuple(key), value, denied)

    @property
    def slots(self) -> set[str]:
        """The slots it mentions."""
        return {word for word in (*self.key, self.value) if word in SLOT_SYMBOLS}


@dataclass(frozen=True)
class EventRule:
    """One kind of event: facts that must hold before it and facts that hold after it."""

    kind: str
    needs: tuple[Fact, ...]
    makes: tuple[Fact, ...]

    @property
    def required_slots(self) -> set[str]:
        """Slots every sentence of this kind must name, so that a reader knows what changed."""
        return {slot for fact in self.makes for slot in fact.slots}


@dataclass(frozen=True)
class StoryEvent:
    """Something that happened: a kind and who or what fills its slots."""

    kind: str
    slots: Mapping[str, str]


@cache
def event_rules() -> Mapping[str, EventRule]:
    """Every kind of event of events.toml."""
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
