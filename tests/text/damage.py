"""Damaged copies of a file, for tests of what readers do with them."""

import random


def damaged(data: bytes, seed: int) -> bytes:
    """The bytes with a few bits flipped, a stretch cut out or repeated, or the end missing; equal for equal seeds."""
    draw = random.Random(seed)
    broken = bytearray(data)
    for _ in range(draw.choice((1, 3, 10, 50))):
        if broken:
            broken[draw.randrange(len(broken))] ^= 1 << draw.randrange(8)
    first, last = sorted(draw.randrange(len(broken) + 1) for _ in range(2))
    match draw.randrange(4):
        case 0:
            del broken[first:]
        case 1:
            del broken[first : min(last, first + 200)]
        case 2:
            broken[last:last] = broken[first:last][:5000]
        case _:
            pass
    return bytes(broken)
