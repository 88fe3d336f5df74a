"""The invented world: its people, places and things, its true state, and the telling of each event."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

from modou.corpora.storyteller.events import StoryEvent
from modou.corpora.storyteller.grammar import SLOT_SYMBOLS, pick
from modou.corpora.storyteller.language import Language, Rule
from modou.corpora.storyteller.state import ATTRIBUTES, State

PEOPLE, PLACES, OBJECTS = 8, 5, 7


@dataclass(frozen=True)
class Person:
    """Somebody: the short name is the identity; `texts` are what the slots {a.…} say."""

    name: str
    full_name: str
    female: bool
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Sentence:
    """One sentence and the event it tells."""

    text: str
    event: StoryEvent
    opens_paragraph: bool


@dataclass
class StoryWorld:
    """One cast in its places. `tell` is the only way that anything happens."""

    language: Language
    rng: random.Random
    state: State = field(default_factory=State)
    people: dict[str, Person] = field(default_factory=dict[str, Person])
    places: list[str] = field(default_factory=list[str])
    objects: list[str] = field(default_factory=list[str])
    season: str = ""
    owners: dict[str, str] = field(default_factory=dict[str, str])
    """Who last held a thing by right."""
    traded: set[str] = field(default_factory=set[str])
    """Things that have changed hands in this chapter."""
    met: set[frozenset[str]] = field(default_factory=set[frozenset[str]])
    """Pairs who have met since either of them last came or went."""
    introduced: set[str] = field(default_factory=set[str])
    sentences: list[Sentence] = field(default_factory=list[Sentence])
    log: list[StoryEvent] = field(default_factory=list[StoryEvent])
    characters: int = 0
    _paragraph: int = 0
    _last: dict[str, Rule] = field(default_factory=dict[str, Rule])

    @classmethod
    def create(cls, language: Language, rng: random.Random) -> "StoryWorld":
        """A fresh cast in fresh places."""
        world = cls(language, rng)
        while len(world.places) < PLACES:
            place = language.grammar.draw("place", rng)
            if place not in world.places:
                world.places.append(place)
        for _ in range(PEOPLE):
            world.add_person()
        while len(world.objects) < OBJECTS:
            world.add_object()
        return world

    def add_person(self) -> str:
        """Somebody new comes to live in one of the places."""
        grammar, rng = self.language.grammar, self.rng
        female = rng.random() < 0.3
        while True:
            full = grammar.draw("person_female" if female else "person_male", rng)
            name = grammar.canonical("person", full)
            if name not in self.people:
                break
        texts = {attribute: grammar.draw(attribute, rng) for attribute in ATTRIBUTES}
        texts |= self.language.forms_of(full, female, rng)
        self.people[name] = Person(name, full, female, texts)
        facts = self.state.facts
        facts["place", name] = rng.choice(self.places)
        facts["life", name], facts["jail", name], facts["wound", name] = "yes", "no", "no"
        for other in self.people:
            if other != name:
                facts["debt", name, other] = facts["debt", other, name] = "0"
                facts[("bond", *sorted((name, other)))] = "none"
        return name

    def add_object(self) -> str:
        """A new thing, in somebody's hands."""
        while True:
            thing = self.language.grammar.draw("object", self.rng)
            if thing not in self.objects:
                break
        self.objects.append(thing)
        holder = self.rng.choice(self.free())
        self.state.facts["holder", thing] = holder
        self.owners[thing] = holder
        return thing

    def fact(self, *key: str) -> str:
        """The value of a fact of the true state, "" when there is none."""
        return self.state.get(*key) or ""

    def alive(self) -> list[str]:
        """Everybody who lives."""
        return [name for name in self.people if self.fact("life", name) == "yes"]

    def free(self) -> list[str]:
        """Everybody who lives and is not in prison."""
        return [name for name in self.alive() if self.fact("jail", name) == "no"]

    def here(self, place: str) -> list[str]:
        """Free people in a place, in random order."""
        found = [name for name in self.free() if self.fact("place", name) == place]
        self.rng.shuffle(found)
        return found

    def friendly(self, people: list[str]) -> bool:
        """Whether there are two people, and the first two are not enemies."""
        return len(people) > 1 and self.fact("bond", *people[:2]) != "foe"

    def part(self, who: str) -> None:
        """Somebody goes away: whoever sees them next meets them anew."""
        self.met = {pair for pair in self.met if who not in pair}

    def held_by(self, holder: str) -> list[str]:
        """The things a person holds or a place hides."""
        return [thing for thing in self.objects if self.fact("holder", thing) == holder]

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return self.rng.random() < probability

    def paragraph(self) -> None:
        """The next sentence begins a paragraph."""
        self._paragraph = 0

    def tell(self, kind: str, **slots: str) -> None:
        """Let an event happen, and tell it in one sentence."""
        event = StoryEvent(kind, slots)
        checks = self.state.tell(event)
        assert all(check.agrees for check in checks), f"{event} contradicts the world: {checks}"
        self.met |= {
            frozenset(pair)
            for pair in combinations([slots[slot] for slot in "abc" if slot in slots], 2)
            if self.fact("place", pair[0]) == self.fact("place", pair[1])
        }
        rules = self.language.rules[kind]
        rule = pick(rules, self.rng)
        if len(rules) > 1:
            while rule is self._last.get(kind):
                rule = pick(rules, self.rng)
        self._last[kind] = rule
        text = self.language.grammar.write(rule.template, lambda slot: self._text(slot, slots), self.rng)
        text = self.language.finish(text)
        opens = self._paragraph == 0
        self._paragraph = self.rng.randrange(3, 6) if opens else self._paragraph - 1
        self.sentences.append(Sentence(text, event, opens))
        self.log.append(event)
        self.characters += len(text)

    def _text(self, slot: str, slots: Mapping[str, str]) -> str:
        entity, _, attribute = slot.partition(".")
        value = slots[entity]
        if attribute:
            return self.people[value].texts[attribute]
        return self.entity_text(entity, value)

    def entity_text(self, slot: str, value: str) -> str:
        """How the text writes the entity `value` of a slot."""
        symbol = SLOT_SYMBOLS[slot]
        if symbol == "money":
            return self.language.money(int(value))
        if symbol == "person":
            person = self.people[value]
            return person.full_name if self.chance(self.language.full_name_share) else person.name
        return value


def amount(rng: random.Random) -> int:
    """A sum to borrow, bet or pay: small ones are commoner."""
    return rng.choice((rng.randrange(3, 20), rng.randrange(3, 60), 10 * rng.randrange(1, 10)))


def other_than(rng: random.Random, choices: list[str], *without: str) -> str | None:
    """A random choice that is none of `without`; None when nothing is left."""
    left = [choice for choice in choices if choice not in without]
    return rng.choice(left) if left else None
