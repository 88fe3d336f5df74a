"""`modou task`: the files that a task is learned from and tested on."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from modou import storage
from modou.corpora.named import STORYTELLERS
from modou.errors import UserError
from modou.tasks.poems import verse as poems
from modou.tasks.storyteller import rows as storyteller
from modou.train.events import StageBegan, StageEnded, StageEvent

NAMES = ("poems", *STORYTELLERS)
TRAIN, PRACTICE, TEST = 12_000, 8_000, 1_000
"""Passages of a storyteller's task."""
POEMS_HELD_OUT, POEMS_JUDGED = 1_000, 4_000
"""Poems of which no file but test.jsonl, and none but judge.jsonl, has a line: what a reward model calls real must not
be what the writer knows by heart."""


def write_task(name: str, folder: Path, seed: int = 1) -> Iterator[StageEvent]:
    """Writes train.jsonl, test.jsonl and what a task has beside them into `folder`; files that say the same already
    stay. UserError: no such task, no corpus, a file that says something else."""
    if name not in NAMES:
        raise UserError("align.no_such_task", name=name, names=", ".join(NAMES))
    yield StageBegan("data", 1, 1)
    files = poem_files(seed) if name == "poems" else question_files(name, seed)
    with storage.user_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    texts = {folder / file: "".join(storage.json_line(row) + "\n" for row in rows) for file, rows in files.items()}
    for path, text in texts.items():
        if path.exists() and path.read_bytes() != text.encode():
            raise UserError("cli.file_exists", path=path)
    for path, text in texts.items():
        if not path.exists():
            storage.write_text_atomically(path, text)
    yield StageEnded("data", {"folder": str(folder), "rows": {file: len(rows) for file, rows in files.items()}})


def question_files(name: str, seed: int) -> dict[str, Sequence[dict[str, Any]]]:
    """Several questions about each passage to learn from; one about each, of other worlds, to practise on and to be
    tested with."""
    language = STORYTELLERS[name]
    return {
        "train.jsonl": list(storyteller.conversations(language, TRAIN, seed)),
        "practice.jsonl": list(storyteller.rows(language, PRACTICE, storyteller.PRACTICE_SEED + seed)),
        "test.jsonl": list(storyteller.rows(language, TEST, storyteller.TEST_SEED + seed)),
    }


def poem_files(seed: int) -> dict[str, Sequence[dict[str, Any]]]:
    """The poems to read, what each may have been asked for, and the same of poems that are in no other file."""
    dice = random.Random(f"poems {seed}")
    every = poems.read_poems()
    dice.shuffle(every)
    # Some poems are halves of others, or quote them, and titles recur: unseen is only what has all of these to itself.
    lines = Counter(line for poem in every for line in poem.lines)
    heads, titles = Counter(poem.head for poem in every), Counter(poem.title for poem in every)

    def is_alone(poem: poems.Poem) -> bool:
        own_lines = all(lines[line] == 1 for line in poem.lines)
        return own_lines and heads[poem.head] == 1 and titles[poem.title] == 1

    alone = [poem for poem in every if is_alone(poem)]
    held_out, judged = alone[:POEMS_HELD_OUT], alone[POEMS_HELD_OUT : POEMS_HELD_OUT + POEMS_JUDGED]
    unseen = {*held_out, *judged}
    kept = [poem for poem in every if poem not in unseen]

    def rows(asked: Iterable[tuple[poems.Poem, poems.Order]]) -> list[dict[str, Any]]:
        return [
            {"instruction": poems.question(order, dice), "output": poem.text, "facts": order.facts()}
            for poem, order in asked
        ]

    return {
        "poems.jsonl": [{"title": poem.title, "text": f"《{poem.title}》\n{poem.text}"} for poem in kept],
        "train.jsonl": rows(poems.with_other_heads(poems.orders(kept, dice), kept, random.Random(f"heads {seed}"))),
        "judge.jsonl": rows(poems.orders(judged, dice)),
        "test.jsonl": rows(poems.orders(held_out, dice)),
    }
