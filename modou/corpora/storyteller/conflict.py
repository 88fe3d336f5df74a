"""Episodes of conflict and law. Each returns whether it was possible and therefore took place."""

from modou.corpora.storyteller.social import Episode
from modou.corpora.storyteller.world import StoryWorld, other_than


def quarrel(world: StoryWorld, people: list[str]) -> bool:
    """Two become enemies over a trifle."""
    if len(people) < 2 or world.fact("bond", *people[:2]) != "none":
        return False
    a, b = people[:2]
    world.tell("quarrel", a=a, b=b)
    world.tell("insult", a=a, b=b)
    if world.chance(0.5):
        duel(world, people)
    return True


def peace(world: StoryWorld, people: list[str]) -> bool:
    """A third reconciles two enemies."""
    if len(people) < 3 or world.fact("bond", *people[:2]) != "foe":
        return False
    a, b, c = people[:3]
    world.tell("grudge", a=a, b=b)
    world.tell("reconcile", a=a, b=b, c=c)
    return True


def duel(world: StoryWorld, people: list[str]) -> bool:
    """Enemies fight: one flees, is spared, is wounded or dies."""
    if len(people) < 2 or world.fact("bond", *people[:2]) != "foe":
        return False
    a, b = people[:2]
    world.paragraph()
    world.tell("challenge", a=a, b=b)
    world.tell("fight", a=a, b=b)
    for _ in range(world.rng.randrange(3)):
        world.tell("move", a=a, b=b)
    if world.chance(0.4):
        world.tell("verse_fight")
    end = world.rng.random()
    if end < 0.22 and len(world.free()) > 4:
        world.tell("kill", a=a, b=b)
        _aftermath(world, a, b)
        return True
    if end < 0.65:
        world.tell("wound", a=a, b=b)
    if end > 0.45:
        world.tell("spare", a=a, b=b)
    else:
        away = other_than(world.rng, world.places, world.fact("place", b))
        assert away is not None
        world.tell("flee", a=a, b=b, q=away)
        world.part(b)
    return True


def _aftermath(world: StoryWorld, killer: str, dead: str) -> None:
    place = world.fact("place", dead)
    if world.chance(0.5):
        world.tell("verse_grief")
    mourner = other_than(world.rng, world.here(place), killer)
    if mourner is not None:
        world.tell("mourn", a=mourner, c=dead)
        world.tell("bury", a=mourner, c=dead, p=place)
        world.tell("vow", a=mourner, c=dead, d=killer)
    for x in world.held_by(dead):
        taker = mourner or killer
        world.tell("relic", a=taker, c=dead, x=x)
        world.owners[x] = taker
    if world.chance(0.5):
        _arrest(world, killer)
        world.tell("charge", b=killer, c=dead)


def _arrest(world: StoryWorld, who: str) -> None:
    world.tell("arrest", b=who, p=world.fact("place", who))
    if world.chance(0.7):
        world.tell("in_jail", b=who, p=world.fact("place", who))


def arrest(world: StoryWorld, people: list[str]) -> bool:
    """The watch takes somebody."""
    if len(world.free()) < 5 or not world.chance(0.5):
        return False
    world.paragraph()
    _arrest(world, people[0])
    if world.chance(0.4):
        world.tell("verse_night")
    return True


def prison(world: StoryWorld, people: list[str]) -> bool:
    """Somebody comes to see a prisoner, and may get him out."""
    place = world.fact("place", people[0])
    jailed = [b for b in world.alive() if world.fact("jail", b) == "yes" and world.fact("place", b) == place]
    if not jailed:
        return False
    a, b = people[0], jailed[0]
    world.tell("visit", a=a, b=b)
    how = world.rng.random()
    if how < 0.5:
        world.tell("bribe", a=a, b=b, n=str(world.rng.randrange(5, 99)))
    if how < 0.4:
        world.tell("release", b=b, p=place)
    elif how > 0.65:
        world.tell("breakout", a=a, b=b, p=place)
    if world.fact("jail", b) == "no":
        world.tell("thank", a=a, b=b)
    return True


def cure(world: StoryWorld, people: list[str]) -> bool:
    """A wound is healed."""
    for b in people:
        healer = other_than(world.rng, people, b)
        if world.fact("wound", b) == "yes" and healer is not None:
            world.tell("heal", a=healer, b=b)
            world.tell("thank", a=healer, b=b)
            return True
    return False


def memory(world: StoryWorld, people: list[str]) -> bool:
    """The living remember the dead."""
    a = people[0]
    dead = [c for c in world.people if world.fact("life", c) == "no"]
    if not dead or not world.chance(0.4):
        return False
    c = world.rng.choice(dead)
    world.tell("mourn", a=a, c=c)
    killer = world.fact("killer", c)
    if killer != a and world.fact("life", killer) == "yes" and world.chance(0.5):
        world.tell("vow", a=a, c=c, d=killer)
    if world.chance(0.4):
        world.tell("verse_grief")
    return True


EPISODES: tuple[tuple[Episode, int], ...] = (
    (quarrel, 3),
    (peace, 5),
    (duel, 7),
    (arrest, 1),
    (prison, 6),
    (cure, 5),
    (memory, 2),
)
