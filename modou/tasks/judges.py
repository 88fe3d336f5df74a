"""What scores an answer: a reward model, or the rules of a task over what the question's row says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modou.errors import UserError
from modou.model.scored import RewardModel
from modou.model.scoring import POSITIONS_AT_ONCE
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import load_model
from modou.tasks.base import Task
from modou.tasks.registry import TASKS
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.rollouts import Answer, Judge, TokenCredits


def make_judge(name: str, tokenizer: Tokenizer, device: torch.device) -> Judge:
    """The judge of that name. UserError: neither a task nor a reward model of this tokenizer."""
    if name in TASKS:
        return by_rules(TASKS[name])
    model, own, _ = load_model(RunFolder(Path(name)))
    if not isinstance(model, RewardModel):
        raise UserError("align.not_a_judge", path=name, rules=", ".join(TASKS))
    if own.sha256 != tokenizer.sha256:
        raise UserError("storage.other_tokenizer", folder=name)
    model.to(device)
    return ModelJudge(model, tokenizer)


def token_credits(name: str) -> TokenCredits | None:
    """What the parts of an answer earned, by the judge of that name; None: it scores whole answers only."""
    credits = TASKS[name].credits if name in TASKS else None
    if credits is None:
        return None
    return lambda answer: credits(answer.text, answer.question.facts)


def room_for_questions(writers: Sequence[RunFolder], judges: Sequence[str], tokens: int) -> int:
    """The most tokens of a question that leave every run room to write an answer of `tokens`, and every judge that is a
    model room to read both and an end mark."""
    readers = [RunFolder(Path(name)) for name in judges if name not in TASKS]
    return min([*(context_of(run) + 1 for run in writers), *(context_of(run) - 1 for run in readers)]) - tokens


def context_of(run: RunFolder) -> int:
    """Tokens that a run's model sees at once. UserError: no run."""
    return Record[Any].read(run).model.context


def by_rules(task: Task) -> Judge:
    """A judge that asks a task's rules about each answer. UserError: a question's row lacks what they need."""

    def judge(answers: Sequence[Answer]) -> Tensor:
        scores: list[float] = []
        for answer in answers:
            try:
                scores.append(task.score(answer.text, answer.question.facts))
            except KeyError as missing:
                question = answer.question.text[:40]
                raise UserError("align.judge_needs", rule=task.name, field=missing, question=question) from None
        return torch.tensor(scores)

    return judge


@dataclass(frozen=True)
class ModelJudge:
    """A judge that reads question and answer to the end mark, as the reward model was taught to."""

    model: RewardModel
    tokenizer: Tokenizer

    def __call__(self, answers: Sequence[Answer]) -> Tensor:
        """See rollouts.Judge."""
        return self.by_step(answers)[0]

    def by_step(self, answers: Sequence[Answer]) -> tuple[Tensor, Tensor]:
        """See rollouts.StepJudge."""
        rows = [self._row(answer) for answer in answers]
        scores_NT = self._read(rows, [len(answer.question.ids) for answer in answers])
        width = max(len(answer.question.ids) + len(answer.ids) for answer in answers)
        earned_NT = torch.zeros(len(rows), width - 1)
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True)):
            first, last = len(answer.question.ids) - 1, len(answer.question.ids) + len(answer.ids) - 1
            earned_NT[number, first:last] = scores_NT[number, first + 1 : last + 1] - scores_NT[number, first:last]
            earned_NT[number, last - 1] += scores_NT[number, len(row) - 1] - scores_NT[number, last]
        return scores_NT.gather(1, torch.tensor([[len(row) - 1] for row in rows]))[:, 0], earned_NT

    def _row(self, answer: Answer) -> list[int]:
        """Ended by whichever mark, or not at all: it is read as the reward model was taught, to one <|end|>."""
        return [*answer.question.ids, *(answer.ids[:-1] if answer.ended else answer.ids), self.tokenizer.end]

    @torch.inference_mode()
    def _read(self, rows: Sequence[Sequence[int]], asked: Sequence[int]) -> Tensor:
        """The reward of every beginning, (N, T) float32 on the CPU. `asked`: tokens of each question."""
        lengths_N = torch.tensor([len(row) for row in rows])
        width = int(lengths_N.max())
        assert width <= self.model.settings.context, "see room_for_questions"
        padded_NT = torch.tensor([[*row, *[self.tokenizer.pad] * (width - len(row))] for row in rows])
        place_T = torch.arange(1, width + 1)  # of the next token
        written_NT = (place_T >= torch.tensor(asked)[:, None]) & (place_T < lengths_N[:, None])
        scores_NT = torch.zeros(padded_NT.shape)
        for some in lengths_N.argsort().split(max(1, POSITIONS_AT_ONCE // width)):
            longest, device = int(lengths_N[some].max()), self.model.embedding.weight.device
            ids_BT, written_BT = (tensor[some, :longest].to(device) for tensor in (padded_NT, written_NT))
            scores_NT[some, :longest] = self.model.read(ids_BT, written_BT).float().cpu()
        return scores_NT
