"""Which of a run's answers a pair rejects, beside the answer in the file."""

import pytest

from modou.data.examples import Question
from modou.pipeline.pairs import sampled_pairs
from modou.train.rollouts import Answer

WORKED = "Nine less two.\n#### 7"


@pytest.mark.parametrize(
    ("facts", "written", "rejected"),
    [
        ({"answer": "the mill"}, ["the mill", " the mill\n", "the forge", "", "the forge"], ["the forge"]),
        ({"answer": "7", "worked": WORKED}, [WORKED, "7", "Two off.\n#### 7", "#### 8", "8"], ["#### 8", "8"]),
        ({"answer": "7"}, ["Well,\n#### 7", "#### 9"], ["#### 9"]),
    ],
)
def test_an_answer_that_states_the_true_one_is_not_rejected(
    facts: dict[str, str], written: list[str], rejected: list[str]
) -> None:
    question = Question((1,), "Which?", dict(facts))
    answers = [Answer(question, text, (), True) for text in written]
    pairs = list(sampled_pairs([question], {"samples": answers}))
    assert [pair["rejected"] for pair in pairs] == rejected
    assert {pair["chosen"] for pair in pairs} == {facts.get("worked", facts["answer"])}
