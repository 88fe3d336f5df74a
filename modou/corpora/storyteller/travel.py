"""Travel between places, with events on the way."""

from modou.corpora.storyteller.world import StoryWorld, other_than


def go(world: StoryWorld, who: str, destination: str) -> None:
    """Move a person to `destination`, perhaps with a companion and events on the way."""
    start = world.fact("place", who)
    if start == destination:
        return
    world.part(who)
    world.paragraph()
    if world.chance(0.35):
        world.tell("travel", a=who, p=start, q=destination)
        return
    friends = [one for one in world.here(start) if world.friendly([who, one])]
    company = other_than(world.rng, friends, who) if world.chance(0.5) else None
    if company is None:
        world.tell("leave", a=who, p=start, q=destination)
    else:
        world.tell("leave_together", a=who, b=company, p=start, q=destination)
    if world.chance(0.7):
        world.tell("road", a=who)
    if world.chance(0.35):
        world.tell("verse_road")
    _adventure(world, who, company)
    if company is None:
        world.tell("arrive", a=who, q=destination)
    else:
        world.part(company)
        world.met.add(frozenset((who, company)))
        world.tell("arrive_together", a=who, b=company, q=destination)


def _adventure(world: StoryWorld, who: str, company: str | None) -> None:
    what = world.rng.choice(("storm", "beast", "bandits", "nothing", "nothing"))
    if what != "nothing":
        for _ in range(world.rng.randrange(1, 3)):
            world.tell(what, a=who)
    if company is not None and world.chance(0.45):
        saver, saved = (who, company) if world.chance(0.5) else (company, who)
        world.tell("rescue", a=saver, b=saved)
        if world.chance(0.6):
            world.tell("thank", a=saver, b=saved)


def letter(world: StoryWorld, people: list[str]) -> bool:
    """Somebody entrusts a letter; the bearer travels and delivers it."""
    if not world.friendly(people):
        return False
    writer, bearer = people[:2]
    reader = other_than(world.rng, world.free(), *world.here(world.fact("place", writer)))
    if reader is None:
        return False
    world.tell("entrust", a=writer, b=bearer, c=reader)
    go(world, bearer, world.fact("place", reader))
    world.tell("deliver", a=writer, b=bearer, c=reader)
    world.tell("read", a=writer, c=reader)
    return True
