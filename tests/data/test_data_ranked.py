"""Ranked answers: lists of outputs, several rejected ones, scores and ranks."""

from pathlib import Path
from typing import Any

import pytest
from talk_helpers import write

from modou.data.conversation import Message
from modou.data.formats.example import BadExample
from modou.data.formats.formats import read
from modou.data.formats.reading import read_examples


def pairs(row: dict[str, Any]) -> list[tuple[str, str]]:
    examples = read(row)
    assert all(one.kind == "preference" and one.messages == (Message("user", "Bread?"),) for one in examples)
    return [(one.chosen, one.rejected) for one in examples]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"instruction": "Bread?", "output": ["Rye.", "Oats.", "None."]}, [("Rye.", "Oats."), ("Rye.", "None.")]),
        (
            {"prompt": "Bread?", "chosen": "Rye.", "rejected": ["Oats.", "Rye.", "None."]},
            [("Rye.", "Oats."), ("Rye.", "None.")],
        ),
        (
            {"prompt": "Bread?", "chosen": ["Rye.", "Barley."], "rejected": ["None."]},
            [("Rye.", "None."), ("Barley.", "None.")],
        ),
        (
            {
                "prompt": "Bread?",
                "chosen": [{"role": "assistant", "content": "Rye."}],
                "rejected": [{"role": "assistant", "content": "Oats."}, {"role": "assistant", "content": "None."}],
            },
            [("Rye.", "Oats."), ("Rye.", "None.")],
        ),
        (
            {"prompt": "Bread?", "responses": ["None.", "Rye.", "Oats."], "scores": [1, 9.5, 4]},
            [("Rye.", "None."), ("Rye.", "Oats.")],
        ),
        (
            {"messages": [{"role": "user", "content": "Bread?"}], "chosen": "Rye.", "rejected": "Oats."},
            [("Rye.", "Oats.")],
        ),
        ({"prompt": "Bread?", "responses": ["None.", "Rye.", "Bun."], "rankings": [2, 1, 1]}, [("Rye.", "None.")]),
        (
            {"prompt": "Bread?", "answers": [{"answer": "Oats.", "rank": 2}, {"answer": "Rye.", "rank": 1}]},
            [("Rye.", "Oats.")],
        ),
        (
            {
                "instruction": "Bread?",
                "completions": [{"response": "Oats.", "overall_score": 2}, {"response": "Rye.", "overall_score": 5}],
            },
            [("Rye.", "Oats.")],
        ),
    ],
)
def test_ranked_answers_are_pairs_of_the_best_with_each_other(
    row: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert pairs(row) == expected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "Bread?", "responses": ["Rye.", "Oats."], "scores": [1]}, "bad_scores"),
        ({"prompt": "Bread?", "responses": ["Rye.", "Oats."], "scores": [1, None]}, "bad_scores"),
        ({"prompt": "Bread?", "responses": ["Rye.", "Oats."], "scores": [2, 2]}, "equal_scores"),
        ({"prompt": "Bread?", "chosen": "Rye.", "rejected": ["Rye."]}, "equal_answers"),
        ({"prompt": "Bread?", "chosen": "Rye.", "rejected": [""]}, "empty_answer"),
    ],
)
def test_ranks_that_say_nothing_are_told(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadExample) as caught:
        read(row)
    assert caught.value.key == f"examples.{reason}"


def test_several_pairs_of_a_row_count_as_one_row(tmp_path: Path) -> None:
    row = {"prompt": "Bread?", "chosen": "Rye.", "rejected": ["Oats.", "", "None."]}
    found = read_examples(write(tmp_path / "ranked.jsonl", row, {"prompt": "Tea?"}, 7))
    assert (found.rows, found.counts, len(found.complaints)) == (3, {"preference": 2, "prompt": 1}, 1)
    assert found.noted == {"examples.note_no_pair": (1, "ranked.jsonl:1")}
