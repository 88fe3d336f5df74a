"""Episodes of objects and money. Each returns whether it was possible and therefore took place."""

from modou.corpora.storyteller.social import Episode
from modou.corpora.storyteller.world import StoryWorld, amount


def _holder_and_thing(world: StoryWorld, people: list[str]) -> tuple[str, str] | None:
    held = [(who, x) for who in people for x in world.held_by(who) if world.owners[x] == who]
    return world.rng.choice(held) if held else None


def _two(world: StoryWorld, people: list[str], first: str) -> str:
    return world.rng.choice([who for who in people if who != first])


def sale(world: StoryWorld, people: list[str]) -> bool:
    """A thing is shown, praised, haggled over and sold."""
    held = _holder_and_thing(world, people)
    if held is None or len(people) < 2:
        return False
    seller, x = held
    if x in world.traded:
        return False
    buyer, price = _two(world, people, seller), str(amount(world.rng))
    world.tell("show", a=seller, b=buyer, x=x)
    if world.chance(0.5):
        world.tell("praise", a=seller, b=buyer, x=x)
    bid = str(world.rng.randrange(2, int(price)))
    world.tell("haggle", a=buyer, b=seller, x=x, n=price, m=bid)
    world.tell("buy", a=buyer, b=seller, x=x, n=price)
    world.owners[x] = buyer
    world.traded.add(x)
    return True


def gift(world: StoryWorld, people: list[str]) -> bool:
    """A thing is given away."""
    held = _holder_and_thing(world, people)
    if held is None or len(people) < 2:
        return False
    giver, x = held
    taker = _two(world, people, giver)
    if x in world.traded or not world.friendly([giver, taker]):
        return False
    if world.chance(0.4):
        world.tell("show", a=giver, b=taker, x=x)
    world.tell("give", a=giver, b=taker, x=x)
    world.owners[x] = taker
    world.traded.add(x)
    world.tell("thank", a=giver, b=taker)
    return True


def theft(world: StoryWorld, people: list[str]) -> bool:
    """A thing is stolen; sometimes the thief is found out at once."""
    held = _holder_and_thing(world, people)
    if held is None or len(people) < 2:
        return False
    victim, x = held
    thief = _two(world, people, victim)
    world.tell("steal", a=thief, b=victim, x=x)
    world.tell("miss", b=victim, x=x)
    if world.chance(0.5):
        world.tell("accuse", a=thief, b=victim, x=x)
        world.tell("restore" if world.chance(0.6) else "keep", a=thief, b=victim, x=x)
    return True


def recovery(world: StoryWorld, people: list[str]) -> bool:
    """A victim meets the thief of long ago."""
    for thief in people:
        for x in world.held_by(thief):
            if world.owners[x] in people and world.owners[x] != thief:
                world.tell("accuse", a=thief, b=world.owners[x], x=x)
                world.tell("restore", a=thief, b=world.owners[x], x=x)
                return True
    return False


def loss(world: StoryWorld, people: list[str]) -> bool:
    """A thing is lost or hidden, and perhaps missed."""
    held = _holder_and_thing(world, people)
    if held is None:
        return False
    who, x = held
    hidden = world.chance(0.5)
    world.tell("hide" if hidden else "drop", a=who, x=x, p=world.fact("place", who))
    if not hidden:
        world.tell("miss", b=who, x=x)
    return True


def discovery(world: StoryWorld, people: list[str]) -> bool:
    """Something that lies here is found, or a writer looks at what he has."""
    who = people[0]
    here = world.held_by(world.fact("place", who))
    if here:
        x = world.rng.choice(here)
        world.tell("find", a=who, x=x, p=world.fact("place", who))
        world.owners[x] = who
        return True
    mine = world.held_by(who)
    if mine:
        world.tell("keep", a=who, x=world.rng.choice(mine))
    return bool(mine)


def loan(world: StoryWorld, people: list[str]) -> bool:
    """One begs, the other lends."""
    if not world.friendly(people) or world.fact("debt", people[1], people[0]) != "0":
        return False
    a, b = people[:2]
    n = str(amount(world.rng))
    world.tell("beg", a=a, b=b, n=n)
    world.tell("lend", a=a, b=b, n=n)
    world.tell("bond_note" if world.chance(0.5) else "thank", a=a, b=b, n=n)
    return True


def settlement(world: StoryWorld, people: list[str]) -> bool:
    """A creditor meets his debtor."""
    for a in people:
        for b in people:
            owed = world.fact("debt", b, a) if a != b else "0"
            if owed not in ("", "0"):
                _settle(world, a, b, int(owed))
                return True
    return False


def _settle(world: StoryWorld, a: str, b: str, owed: int) -> None:
    world.tell("dun", a=a, b=b, n=str(owed))
    how = world.rng.random()
    if how < 0.4:
        world.tell("repay", a=a, b=b, n=str(owed))
    elif how < 0.7 and owed >= 6:
        part = world.rng.randrange(2, owed - 1)
        world.tell("repay_part", a=a, b=b, n=str(part), t=str(owed), m=str(owed - part))
    else:
        world.tell("delay", a=a, b=b)
        if world.chance(0.4):
            world.tell("forgive", a=a, b=b, n=str(owed))
            world.tell("thank", a=a, b=b)


def bet(world: StoryWorld, people: list[str]) -> bool:
    """Two wager; the loser cannot pay."""
    if len(people) < 2 or world.fact("debt", people[1], people[0]) != "0":
        return False
    a, b = people[:2]
    n = str(amount(world.rng))
    world.tell("wager", a=a, b=b, n=n)
    world.tell("win", a=a, b=b, n=n)
    return True


EPISODES: tuple[tuple[Episode, int], ...] = (
    (sale, 3),
    (gift, 3),
    (theft, 2),
    (recovery, 6),
    (loss, 2),
    (discovery, 3),
    (loan, 3),
    (settlement, 6),
    (bet, 2),
)
