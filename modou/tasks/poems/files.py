"""The data files of the task."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from modou.tasks.base import Row
from modou.tasks.poems import verse
from modou.tasks.poems.settings import PoemSettings


def poem_files(seed: int, settings: PoemSettings) -> Mapping[str, Sequence[Row]]:
    """Rows by file. No line of test.jsonl or judge.jsonl stands in another file. UserError: no corpus, or no opencc."""
    dice = random.Random(f"poems {seed}")
    every = verse.read_poems()
    dice.shuffle(every)
    # Some poems contain or quote others, and titles recur: a poem is held out only if all of these are unique to it.
    lines = Counter(line for poem in every for line in poem.lines)
    heads, titles = Counter(poem.head for poem in every), Counter(poem.title for poem in every)

    def is_alone(poem: verse.Poem) -> bool:
        own_lines = all(lines[line] == 1 for line in poem.lines)
        return own_lines and heads[poem.head] == 1 and titles[poem.title] == 1

    alone = [poem for poem in every if is_alone(poem)]
    held_out, judged = alone[: settings.held_out], alone[settings.held_out :][: settings.judged]
    unseen = {*held_out, *judged}
    kept = [poem for poem in every if poem not in unseen]

    def rows(asked: Iterable[tuple[verse.Poem, verse.Order]]) -> list[Row]:
        return [
            {"instruction": verse.question(order, dice), "output": poem.text, "facts": order.facts()}
            for poem, order in asked
        ]

    heads_dice = random.Random(f"heads {seed}")
    to_learn = verse.with_other_heads(verse.orders(kept, dice, settings), kept, heads_dice, settings)
    return {
        "poems.jsonl": [{"title": poem.title, "text": f"《{poem.title}》\n{poem.text}"} for poem in kept],
        "train.jsonl": rows(to_learn),
        "judge.jsonl": rows(verse.orders(judged, dice, settings)),
        "test.jsonl": rows(verse.orders(held_out, dice, settings)),
    }
