"""`modou task`: the files that a task is learned from and tested on."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from modou import storage
from modou.errors import UserError
from modou.pipeline.events import PipelineEvent, StageBegan, StageEnded
from modou.tasks import poems, storyteller
from modou.text.corpora import STORYTELLERS

NAMES = ("poems", *STORYTELLERS)
TRAIN, TEST = 12_000, 1_000
"""Questions of a storyteller's task."""
POEMS_HELD_OUT = 1_000
"""Poems of which no file but test.jsonl has a line."""


def write(name: str, folder: Path, seed: int = 1) -> Iterator[PipelineEvent]:
    """Writes train.jsonl and test.jsonl (and the poems themselves) into `folder`. UserError: no such task, no corpus,
    a folder that holds them already."""
    if name not in NAMES:
        raise UserError("align.no_such_task", name=name, names=", ".join(NAMES))
    made = [folder / file for file in ("train.jsonl", "test.jsonl", "poems.jsonl")]
    for path in made:
        if path.exists():
            raise UserError("cli.file_exists", path=path)
    yield StageBegan("data", 1, 1)
    files = poem_files(seed) if name == "poems" else question_files(name, seed)
    with storage.user_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for file, rows in files.items():
        text = "".join(storage.json_line(row) + "\n" for row in rows)
        storage.write_text_atomically(folder / file, text)
    yield StageEnded("data", {"folder": str(folder), "rows": {file: len(rows) for file, rows in files.items()}})


def question_files(name: str, seed: int) -> dict[str, Sequence[dict[str, Any]]]:
    """Questions about worlds for training, and about other worlds for testing."""
    language = STORYTELLERS[name]
    return {
        "train.jsonl": list(storyteller.rows(language, TRAIN, seed)),
        "test.jsonl": list(storyteller.rows(language, TEST, storyteller.TEST_SEED + seed)),
    }


def poem_files(seed: int) -> dict[str, Sequence[dict[str, Any]]]:
    """The poems to read, what each may have been asked for, and the same of poems that are in no other file."""
    dice = random.Random(f"poems {seed}")
    every = poems.read_poems()
    dice.shuffle(every)
    # Some poems are halves of others, or quote them: only one whose lines are its own can be unseen.
    lines = Counter(line for poem in every for line in poem.lines)
    own = [poem for poem in every if all(lines[line] == 1 for line in poem.lines)]
    held_out = own[:POEMS_HELD_OUT]
    unseen = set(held_out)
    kept = [poem for poem in every if poem not in unseen]

    def asked(some: Sequence[poems.Poem]) -> list[dict[str, Any]]:
        return [
            {"instruction": poems.question(order, dice), "output": poem.text, "facts": order.facts()}
            for poem, order in poems.orders(some, dice)
        ]

    return {
        "poems.jsonl": [{"title": poem.title, "text": f"《{poem.title}》\n{poem.text}"} for poem in kept],
        "train.jsonl": asked(kept),
        "test.jsonl": asked(held_out),
    }
