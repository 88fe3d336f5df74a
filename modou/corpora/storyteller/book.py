"""Generate the chapters of a book: a new cast every five chapters; a chapter is a few scenes about one character."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from modou.corpora.storyteller import conflict, numerals, social, trade, travel
from modou.corpora.storyteller.events import StoryEvent
from modou.corpora.storyteller.grammar import Template, slots_of
from modou.corpora.storyteller.language import Language, LanguageName, load_language
from modou.corpora.storyteller.state import State
from modou.corpora.storyteller.world import PEOPLE, Sentence, StoryWorld, other_than

DEFAULT_BYTES = 2_200_000
CHAPTERS_PER_CAST = 5
EPISODES = (*social.EPISODES, *trade.EPISODES, *conflict.EPISODES, (travel.letter, 2))


@dataclass(frozen=True)
class StoryChapter:
    """One chapter. `before`: the world's state before its first sentence; `joint`: separator of sentences."""

    heading: str
    sentences: tuple[Sentence, ...]
    before: State
    joint: str

    @property
    def paragraphs(self) -> list[str]:
        """The paragraphs, one line each."""
        lines: list[list[str]] = []
        for sentence in self.sentences:
            if sentence.opens_paragraph or not lines:
                lines.append([])
            lines[-1].append(sentence.text)
        return [self.joint.join(line) for line in lines]

    @property
    def text(self) -> str:
        """Heading, blank line, paragraphs, blank line."""
        return "\n".join([self.heading, "", *self.paragraphs, "", ""])


def write_book(language: LanguageName, size: int = DEFAULT_BYTES, seed: int = 1) -> Iterator[str]:
    """Chapter texts of at least `size` UTF-8 bytes in all; a pure function of its arguments."""
    written = 0
    for chapter in write_chapters(language, seed):
        text = chapter.text
        yield text
        written += len(text.encode("utf-8"))
        if written >= size:
            return


def write_chapters(language: LanguageName, seed: int = 1) -> Iterator[StoryChapter]:
    """An infinite sequence of chapters."""
    loaded = load_language(language)
    cast = number = 0
    while True:
        world = StoryWorld.create(loaded, random.Random(f"storyteller {language} {seed} {cast}"))
        for _ in range(CHAPTERS_PER_CAST):
            number += 1
            yield _chapter(world, number)
        cast += 1


def _chapter(world: StoryWorld, number: int) -> StoryChapter:
    """A chapter of a few scenes; its heading is made from two of its events."""
    while len(world.alive()) < PEOPLE - 1:
        newcomer = world.add_person()
        world.introduced.discard(newcomer)
    world.sentences, world.characters = [], 0
    world.traded.clear()
    before = world.state.copy()
    target = world.rng.randrange(*world.language.conventions["chapter_characters"])
    hero = world.rng.choice(world.free())
    world.paragraph()
    world.season = world.language.next_season(world.season, world.rng)
    world.tell("open", a=hero, p=world.fact("place", hero), s=world.season)
    social.present(world, hero)
    while world.characters < target:
        _scene(world, hero)
        hero = _next_hero(world, hero)
    world.paragraph()
    _close(world, hero)
    heading = _heading(world.language, number, world)
    return StoryChapter(heading, tuple(world.sentences), before, world.language.conventions["joint"])


def _scene(world: StoryWorld, hero: str) -> None:
    """The main character in a place with company, and a few episodes."""
    place = world.fact("place", hero)
    world.paragraph()
    if world.chance(0.7):
        social.scenery(world, hero)
    if len(world.here(place)) < 2:
        _find_company(world, hero)
    for _ in range(world.rng.randrange(2, 5)):
        if hero not in world.free():
            return
        people = [hero, *(who for who in world.here(world.fact("place", hero)) if who != hero)]
        if world.chance(0.3):
            world.rng.shuffle(people)
        if not social.meeting(world, people) or world.chance(0.7):
            _episode(world, people)


def _find_company(world: StoryWorld, hero: str) -> None:
    place = world.fact("place", hero)
    friend = other_than(world.rng, world.free(), hero)
    if friend is None:
        return
    if world.chance(0.6):
        travel.go(world, hero, world.fact("place", friend))
    else:
        travel.go(world, friend, place)


def _episode(world: StoryWorld, people: list[str]) -> None:
    weights = [weight for _, weight in EPISODES]
    world.paragraph()
    for _ in range(20):
        (episode, _weight) = world.rng.choices(EPISODES, weights)[0]
        if episode(world, people):
            return


def _next_hero(world: StoryWorld, hero: str) -> str:
    """The main character of the next scene: the same one, elsewhere, or another."""
    if hero in world.free() and world.chance(0.45):
        destination = other_than(world.rng, world.places, world.fact("place", hero))
        assert destination is not None
        travel.go(world, hero, destination)
        return hero
    hero = other_than(world.rng, world.free(), hero) or hero
    world.paragraph()
    world.tell("switch", a=hero, p=world.fact("place", hero))
    social.present(world, hero)
    return hero


def _close(world: StoryWorld, hero: str) -> None:
    if world.chance(0.5):
        world.tell("moral")
    dead = [event.slots["b"] for event in (s.event for s in world.sentences) if event.kind == "kill"]
    if dead and world.chance(0.5):
        world.tell("cliff_grief", c=dead[-1])
    else:
        world.tell("cliff", a=hero)


def _heading(language: Language, number: int, world: StoryWorld) -> str:
    """A couplet of two of the chapter's events; in Chinese both halves have equal length where possible."""
    halves: list[str] = []
    for event in (sentence.event for sentence in world.sentences):
        for template in language.headings.get(event.kind, ()):
            if slots_of(template) <= event.slots.keys():
                halves.append(_half(world, template, event))
    pairs = [(one, two) for i, one in enumerate(halves) for two in halves[i + 1 :] if one[:2] != two[:2]]
    equal = [pair for pair in pairs if len(pair[0]) == len(pair[1]) >= language.conventions["heading_least"]]
    if language.name == "en" or not equal:
        equal = pairs or [(halves[0], halves[-1])]  # rare: all halves begin alike
    first, second = world.rng.choice(equal)
    shown = numerals.write_chinese(number) if language.name == "zh" else str(number)
    return language.conventions["heading"].format(number=shown, first=first, second=second)


def _half(world: StoryWorld, template: Template, event: StoryEvent) -> str:
    return world.language.grammar.write(template, lambda slot: event.slots[slot], world.rng)
