"""Texts a policy writes to learn from, and what must be remembered of them until the last update made from them.

A round: questions are drawn, each is answered `group` times by the current policy at temperature and over the full
vocabulary, the answers are judged, and the old and the reference log-probabilities of their tokens are taken. The
random numbers of an answer are keyed by (seed, round, question, sample), so that any number of processes writes the
same round; each writes its share and all keep the whole, so that any of them can save it.

Shapes: N answers of a round, T positions (the longest question and answer, less one: position t scores token t + 1).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from modou.data.conversation import Template
from modou.data.examples import Question
from modou.generate.engine import complete
from modou.model.gpt import GPT
from modou.settings.sampling import SamplingSettings
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.parallel import World


class Credit(NamedTuple):
    """What the characters from `start` to `end` earned, 0 to 1, by the rule `name`. The place after the last character
    is that of the end mark. Answers to one question are compared by name: one that lacks it earned nothing there."""

    name: str
    points: float
    start: int
    end: int


@dataclass(frozen=True)
class Answer:
    """What was written for a question. `ended`: the model closed it itself; else it ran into the limit."""

    question: Question
    text: str
    ids: tuple[int, ...]
    ended: bool


Judge = Callable[[Sequence[Answer]], Tensor]
"""Scores (N,) float32 of answers."""
StepJudge = Callable[[Sequence[Answer]], tuple[Tensor, Tensor]]
"""Scores, and by how much each token raised the judge's opinion of what was written so far, (N, T) as in a Rollout, 0
outside the answers: over an answer it adds up to its score less what the judge thought of the bare question."""
TokenCredits = Callable[[Answer], Iterable[Credit]]
"""What the parts of an answer earned."""


@dataclass
class Rollout:
    """One round, padded on the right: column t is about token t + 1 of question and answer."""

    ids_NT: Tensor
    """Inputs."""
    target_NT: Tensor
    """Next tokens."""
    mask_NT: Tensor
    """1 where the target is a token of the answer, its end mark included."""
    old_NT: Tensor
    """Log-probabilities of the targets under the policy that wrote them; 0 outside the mask, as the next."""
    reference_NT: Tensor
    """The same under the frozen reference."""
    times_N: Tensor
    """How many of its group are this answer; 0 for those that come after the first of them."""
    scores_N: Tensor
    """What the judge gave the whole answer."""
    ended_N: Tensor
    """1 where the answer was closed."""
    earned_NT: Tensor | None = None
    """What of its score each token earned, where the judge says."""
    answers: Sequence[Answer] = ()
    """What was written; nothing of it is needed once the advantages are known."""

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}


def roll_out(
    policy: GPT,
    template: Template,
    questions: Sequence[Question],
    group: int,
    sampling: SamplingSettings,
    key: int,
    world: World,
) -> list[Answer]:
    """`group` answers to each question, question by question, whichever process wrote them.

    `key` tells one round from another.
    """
    share = [place for place in range(len(questions)) if place * world.size // len(questions) == world.rank]
    written = complete(
        policy,
        template.tokenizer,
        [questions[place].ids for place in share],
        sampling.changed(samples=group),
        ends=template.ends,
        keys=[(key, place) for place in share],
    )
    mine = [(share[made.prompt], made.sample, made.ids, made.finish == "end") for made in written]
    everyone = sorted(one for part in world.gather_objects(mine) for one in part)
    return [Answer(questions[place], template.answer(ids), tuple(ids), ended) for place, _, ids, ended in everyone]


def assemble(answers: Sequence[Answer]) -> dict[str, Tensor]:
    """ids, target, mask and ended of answers."""
    rows = [(*answer.question.ids, *answer.ids) for answer in answers]
    whole_NT = torch.full((len(rows), max(len(row) for row in rows)), Tokenizer.pad)
    mask_NT = torch.zeros(whole_NT.shape)
    for place, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        whole_NT[place, : len(row)] = torch.tensor(row)
        mask_NT[place, len(answer.question.ids) : len(row)] = 1
    return {
        "ids_NT": whole_NT[:, :-1].contiguous(),
        "target_NT": whole_NT[:, 1:].contiguous(),
        "mask_NT": mask_NT[:, 1:].contiguous(),
        "ended_N": torch.tensor([float(answer.ended) for answer in answers]),
    }


def first_alike(answers: Sequence[Answer], group: int) -> Tensor:
    """For every answer the first of its group that is the same, (N,): groups of `group` follow each other."""
    first: dict[tuple[int, tuple[int, ...]], int] = {}
    return torch.tensor([first.setdefault((row // group, answer.ids), row) for row, answer in enumerate(answers)])


def places_of_tokens(template: Template, answer: Answer) -> Sequence[int]:
    """Where in the answer's text each of its tokens begins; the end mark, after the last character."""
    return [len(template.answer(answer.ids[:token])) for token in range(len(answer.ids))]
