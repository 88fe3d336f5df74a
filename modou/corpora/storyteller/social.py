"""Episodes of meetings, meals, talk, news and friendship. Each returns whether it was possible and took place."""

from collections.abc import Callable

from modou.corpora.storyteller.world import StoryWorld, other_than

Episode = Callable[[StoryWorld, list[str]], bool]


def present(world: StoryWorld, who: str) -> None:
    """Describe a person: in full at the first appearance, briefly later."""
    if who not in world.introduced:
        world.introduced.add(who)
        world.tell("intro", a=who)
        if world.chance(0.5):
            world.tell("arms", a=who)
        if world.chance(0.5):
            world.tell("temper", a=who)
    elif world.chance(0.25):
        world.tell(world.rng.choice(("intro", "arms", "temper")), a=who)
    if world.chance(0.35):
        world.tell("look", a=who)


def meeting(world: StoryWorld, people: list[str]) -> bool:
    """Two people meet, greet, and are described."""
    pair = frozenset(people[:2])
    if len(people) < 2 or pair in world.met:
        return False
    world.met.add(pair)
    a, b = people[:2]
    world.tell("meet", a=a, b=b, p=world.fact("place", a))
    present(world, b)
    if world.fact("bond", a, b) == "foe":
        world.tell("grudge", a=a, b=b)
        return True
    world.tell("greet", a=a, b=b)
    if world.fact("bond", a, b) == "brother":
        world.tell("brothers", a=a, b=b)
    elif world.fact("master", b) == a:
        world.tell("pupil", a=a, b=b)
    elif world.fact("saved", b) == a:
        world.tell("saved", a=a, b=b)
    return True


def meal(world: StoryWorld, people: list[str]) -> bool:
    """Food and wine, perhaps a feast with a song."""
    if not world.friendly(people):
        return False
    a, b = people[:2]
    if len(people) > 2 and world.chance(0.4):
        world.tell("feast", a=a, b=b, c=people[2], p=world.fact("place", a))
    else:
        world.tell("order", a=a)
        world.tell("drink", a=a, b=b)
    for kind, probability in (("toast", 0.5), ("chat", 0.6)):
        if world.chance(probability):
            world.tell(kind, a=a, b=b)
    for kind, probability in (("song", 0.35), ("bill", 0.3)):
        if world.chance(probability):
            world.tell(kind, a=a)
    if world.chance(0.35):
        world.tell("verse_feast")
    return True


def talk(world: StoryWorld, people: list[str]) -> bool:
    """Idle talk."""
    if not world.friendly(people):
        return False
    for _ in range(world.rng.randrange(1, 3)):
        a, b = world.rng.sample(people[:2], 2)
        world.tell("chat", a=a, b=b)
    return True


def news(world: StoryWorld, people: list[str]) -> bool:
    """One asks the other about somebody absent, and hears something true."""
    if not world.friendly(people):
        return False
    a, b = people[:2]
    c = other_than(world.rng, list(world.people), *people)
    if c is None:
        return False
    choices: list[tuple[str, dict[str, str]]] = [("news_holder", {"x": x}) for x in world.held_by(c)]
    for d in world.people:
        debt = world.fact("debt", c, d)
        if d not in (a, b) and debt not in ("", "0"):
            choices.append(("news_debt", {"d": d, "n": debt}))
    if world.fact("life", c) == "no":
        killer = world.fact("killer", c)
        if killer not in (a, b):
            choices = [("news_death", {"d": killer})]
    elif world.fact("place", c) != "road":
        kind = "news_jail" if world.fact("jail", c) == "yes" else "news_place"
        choices += [(kind, {"q": world.fact("place", c)})] * 2
    if not choices:
        return False
    world.tell("ask_news", a=a, b=b, c=c)
    kind, slots = world.rng.choice(choices)
    world.tell(kind, a=a, b=b, c=c, **slots)
    return True


def solitude(world: StoryWorld, people: list[str]) -> bool:
    """Somebody alone: a pastime, a thought, a night, a dream."""
    if len(people) > 1:
        return False
    a = people[0]
    for kind in world.rng.sample(("pastime", "think", "night", "dream", "stay"), 2):
        if kind == "stay":
            world.tell("stay", a=a, p=world.fact("place", a))
        else:
            world.tell(kind, a=a)
        if kind == "night" and world.chance(0.4):
            world.tell("verse_night")
    return True


def scenery(world: StoryWorld, who: str) -> None:
    """One sentence of the place, the season, the weather, the market or an omen."""
    kind = world.rng.choice(("scene", "season", "weather", "market", "omen"))
    if kind == "weather" and world.season in world.language.conventions["winter"]:
        kind = "cold"
    slots = {"scene": {"p": world.fact("place", who)}, "season": {"s": world.season}}
    world.tell(kind, **slots.get(kind, {}))


def sights(world: StoryWorld, people: list[str]) -> bool:
    """A look around."""
    for _ in range(world.rng.randrange(1, 3)):
        scenery(world, people[0])
    world.tell("think" if world.chance(0.5) else "pastime", a=people[0])
    return True


def sworn(world: StoryWorld, people: list[str]) -> bool:
    """Two friends swear to stand by each other."""
    if len(people) < 2 or world.fact("bond", *people[:2]) != "none":
        return False
    a, b = people[:2]
    world.tell("swear", a=a, b=b)
    world.tell("toast", a=a, b=b)
    if world.chance(0.5):
        world.tell("moral")
    return True


def lesson(world: StoryWorld, people: list[str]) -> bool:
    """One teaches another a skill."""
    if not world.friendly(people) or world.fact("master", people[1]):
        return False
    a, b = people[:2]
    world.tell("teach", a=a, b=b)
    world.tell("pupil" if world.chance(0.5) else "thank", a=a, b=b)
    return True


EPISODES: tuple[tuple[Episode, int], ...] = (
    (meeting, 4),
    (meal, 4),
    (talk, 2),
    (news, 4),
    (solitude, 2),
    (sights, 2),
    (sworn, 1),
    (lesson, 1),
)
