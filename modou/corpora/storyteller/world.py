"""The simulated world: people, places, objects, its state, and the sentences that tell its events."""

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
    """A person. `name`: the short name, which identifies the person; `texts`: texts of the slots {a.…}."""

    name: str
    full_name: str
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Sentence:
    """A sentence and the event it tells."""

    text: str
    event: StoryEvent
    opens_paragraph: bool


@dataclass
class StoryWorld:
    """A cast of people and its places. Only `tell` changes the state."""

    language: Language
    rng: random.Random
    state: State = field(default_factory=State)
    people: dict[str, Person] = field(default_factory=dict[str, Person])
    places: list[str] = field(default_factory=list[str])
    objects: list[str] = field(default_factory=list[str])
    season: str = ""
    owners: dict[str, str] = field(default_factory=dict[str, str])
    """The rightful owner of each object."""
    traded: set[str] = field(default_factory=set[str])
    """Objects that were sold or given in this chapter."""
    met: set[frozenset[str]] = field(default_factory=set[frozenset[str]])
    """Pairs who have met since either of them last travelled."""
    introduced: set[str] = field(default_factory=set[str])
    sentences: list[Sentence] = field(default_factory=list[Sentence])
    characters: int = 0
    _paragraph: int = 0
    _last: dict[str, Rule] = field(default_factory=dict[str, Rule])

    @classmethod
    def create(cls, language: Language, rng: random.Random) -> "StoryWorld":
        """A new cast in new places."""
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
        """Add a person at a random place; return the name."""
        grammar, rng = self.language.grammar, self.rng
        female = rng.random() < 0.3
        while True:
            full = grammar.draw("person_female" if female else "person_male", rng)
            name = grammar.canonical("person", full)
            if name not in self.people:
                break
        texts = {attribute: grammar.draw(attribute, rng) for attribute in ATTRIBUTES}
        texts |= self.language.forms_of(full, female, rng)
        self.people[name] = Person(name, full, texts)
        facts = self.state.facts
        facts["place", name] = rng.choice(self.places)
        facts["life", name], facts["jail", name], facts["wound", name] = "yes", "no", "no"
        for other in self.people:
            if other != name:
                facts["debt", name, other] = facts["debt", other, name] = "0"
                facts[("bond", *sorted((name, other)))] = "none"
        return name

    def add_object(self) -> None:
        """Add an object with a random holder."""
        while True:
            thing = self.language.grammar.draw("object", self.rng)
            if thing not in self.objects:
                break
        self.objects.append(thing)
        holder = self.rng.choice(self.free())
        self.state.facts["holder", thing] = holder
        self.owners[thing] = holder

    def fact(self, *key: str) -> str:
        """The value of a fact of the state, or ""."""
        return self.state.get(*key) or ""

    def alive(self) -> list[str]:
        """All living people."""
        return [name for name in self.people if self.fact("life", name) == "yes"]

    def free(self) -> list[str]:
        """All living people who are not in prison."""
        return [name for name in self.alive() if self.fact("jail", name) == "no"]

    def here(self, place: str) -> list[str]:
        """Free people in a place, in random order."""
        found = [name for name in self.free() if self.fact("place", name) == place]
        self.rng.shuffle(found)
        return found

    def friendly(self, people: list[str]) -> bool:
        """Whether there are at least two people and the first two are not enemies."""
        return len(people) > 1 and self.fact("bond", *people[:2]) != "foe"

    def part(self, who: str) -> None:
        """Forget all meetings of a person who leaves."""
        self.met = {pair for pair in self.met if who not in pair}

    def held_by(self, holder: str) -> list[str]:
        """The objects held by a person or lying at a place."""
        return [thing for thing in self.objects if self.fact("holder", thing) == holder]

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return self.rng.random() < probability

    def paragraph(self) -> None:
        """Make the next sentence start a paragraph."""
        self._paragraph = 0

    def tell(self, kind: str, **slots: str) -> None:
        """Apply an event to the state and append a sentence that tells it."""
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
        self.characters += len(text)

    def _text(self, slot: str, slots: Mapping[str, str]) -> str:
        entity, _, attribute = slot.partition(".")
        value = slots[entity]
        if attribute:
            return self.people[value].texts[attribute]
        symbol = SLOT_SYMBOLS[entity]
        if symbol == "money":
            return self.language.money(int(value))
        if symbol == "person":
            person = self.people[value]
            return person.full_name if self.chance(self.language.full_name_share) else person.name
        return value


def amount(rng: random.Random) -> int:
    """A random sum of money; small ones are more frequent."""
    return rng.choice((rng.randrange(3, 20), rng.randrange(3, 60), 10 * rng.randrange(1, 10)))


def other_than(rng: random.Random, choices: list[str], *without: str) -> str | None:
    """A random choice except `without`; None if nothing is left."""
    left = [choice for choice in choices if choice not in without]
    return rng.choice(left) if left else None
