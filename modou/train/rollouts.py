"""Rollouts: answers sampled from the policy, with their scores and log-probabilities.

The random numbers of an answer are keyed by (seed, round, question, sample), so that the answers do not depend on the
number of processes. Each process generates its share; all of them hold the whole round, so that any can save it.

Shapes: N answers of a round, T positions (the longest question and answer, less one: position t predicts token t + 1).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from modou.data.conversation import Template
from modou.data.examples import Question
from modou.data.shards import PADDING
from modou.generate.engine import complete
from modou.model.gpt import GPT
from modou.settings.sampling import SamplingSettings
from modou.train.parallel import World


class Credit(NamedTuple):
    """The reward (0 to 1) that rule `name` gives to the characters from `start` to `end` (exclusive) of an answer. The
    offset of the end mark is the length of the text. An answer without a credit of some name has reward 0 there."""

    name: str
    points: float
    start: int
    end: int


@dataclass(frozen=True)
class Answer:
    """A generated answer. ids: with the end mark; ended: whether there is one, else it was cut off at the token
    limit."""

    question: Question
    text: str
    ids: tuple[int, ...]
    ended: bool


Judge = Callable[[Sequence[Answer]], Tensor]
"""Scores of answers, (N,) float32."""
DenseJudge = Callable[[Sequence[Answer]], tuple[Tensor, Tensor]]
"""Scores, (N,), and token rewards, (N, T) as in a Rollout, 0 outside the answers: the change of the score of the prefix
by each token. Over an answer they sum to its score minus the score of the bare question."""
TokenCredits = Callable[[Answer], Iterable[Credit]]
"""Rewards of parts of an answer."""


@dataclass
class Rollout:
    """A round, padded on the right: column t is about token t + 1 of question and answer."""

    ids_NT: Tensor
    """Input ids."""
    target_NT: Tensor
    """Next tokens."""
    mask_NT: Tensor
    """1 if the target is a token of the answer, its end mark included; else 0."""
    old_NT: Tensor
    """Log-probabilities of the targets under the policy that generated them; 0 outside the mask."""
    reference_NT: Tensor
    """The same under the frozen reference model."""
    times_N: Tensor
    """Multiplicity in its group for the first of several equal answers, 0 for the others."""
    scores_N: Tensor
    """The judge's score of the whole answer, minus the penalty if it was cut off."""
    ended_N: Tensor
    """1 if the answer has an end mark, else 0."""
    token_rewards_NT: Tensor | None = None
    """Rewards of the single tokens, if the judge gives them."""
    answers: Sequence[Answer] = ()
    """Not needed once the advantages are computed."""

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}


def sample_answers(
    policy: GPT,
    template: Template,
    questions: Sequence[Question],
    group: int,
    sampling: SamplingSettings,
    key: int,
    world: World,
) -> list[Answer]:
    """`group` answers to each question, question by question, from all processes. Collective.

    key: part of the random key, different for each round.
    """
    count = len(questions)
    share = [number for number in range(count) if number * world.size // count == world.rank]
    written = complete(
        policy,
        template.tokenizer,
        [questions[number].ids for number in share],
        sampling.changed(samples=group),
        ends=template.ends,
        keys=[(key, number) for number in share],
    )
    mine = [(share[made.prompt], made.sample, made.ids, made.finish == "end") for made in written]
    everything = sorted(one for part in world.gather_objects(mine) for one in part)
    return [Answer(questions[number], template.answer(ids), tuple(ids), ended) for number, _, ids, ended in everything]


def pad_answers(answers: Sequence[Answer]) -> dict[str, Tensor]:
    """ids_NT, target_NT, mask_NT and ended_N of a Rollout."""
    rows = [(*answer.question.ids, *answer.ids) for answer in answers]
    whole_NT = torch.full((len(rows), max(len(row) for row in rows)), PADDING)
    mask_NT = torch.zeros(whole_NT.shape)
    for number, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        whole_NT[number, : len(row)] = torch.tensor(row)
        mask_NT[number, len(answer.question.ids) : len(row)] = 1
    return {
        "ids_NT": whole_NT[:, :-1].contiguous(),
        "target_NT": whole_NT[:, 1:].contiguous(),
        "mask_NT": mask_NT[:, 1:].contiguous(),
        "ended_N": torch.tensor([float(answer.ended) for answer in answers]),
    }


def first_equal(answers: Sequence[Answer], group: int) -> Tensor:
    """For every answer the index of the first equal one in its group of `group` consecutive answers, (N,)."""
    first: dict[tuple[int, tuple[int, ...]], int] = {}
    return torch.tensor([first.setdefault((row // group, answer.ids), row) for row, answer in enumerate(answers)])


def token_offsets(template: Template, answer: Answer) -> Sequence[int]:
    """The offset in the answer's text at which each token begins; that of the end mark is the text's length."""
    return [len(template.answer(answer.ids[:token])) for token in range(len(answer.ids))]
