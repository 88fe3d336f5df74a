"""Judges, which score answers: a reward model, or the rules of a task."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modou.data.shards import PADDING
from modou.messages import UserError
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
    """The function that gives rewards of parts of an answer; None if the judge scores whole answers only."""
    credits = TASKS[name].credits if name in TASKS else None
    if credits is None:
        return None
    return lambda answer: credits(answer.text, answer.question.facts)


def room_for_questions(writers: Sequence[RunFolder], judges: Sequence[str], tokens: int) -> int:
    """The maximum length of a question in tokens, so that an answer of `tokens` fits the context of every writer, and
    both with an end mark fit that of every reward model."""
    readers = [RunFolder(Path(name)) for name in judges if name not in TASKS]
    return min([*(context_of(run) + 1 for run in writers), *(context_of(run) - 1 for run in readers)]) - tokens


def context_of(run: RunFolder) -> int:
    """The context of a run's model, in tokens. UserError: no run."""
    return Record[Any].read(run).model.context


def by_rules(task: Task) -> Judge:
    """A judge by a task's rules. UserError (when called): a question lacks a fact that they need."""

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
    """A reward model as a judge: its score at the end mark after question and answer."""

    model: RewardModel
    tokenizer: Tokenizer

    def __call__(self, answers: Sequence[Answer]) -> Tensor:
        """See rollouts.Judge."""
        return self.token_rewards(answers)[0]

    def token_rewards(self, answers: Sequence[Answer]) -> tuple[Tensor, Tensor]:
        """See rollouts.DenseJudge."""
        rows = [self._row(answer) for answer in answers]
        scores_NT = self._prefix_rewards(rows, [len(answer.question.ids) for answer in answers])
        width = max(len(answer.question.ids) + len(answer.ids) for answer in answers)
        token_rewards_NT = torch.zeros(len(rows), width - 1)
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True)):
            first, last = len(answer.question.ids) - 1, len(answer.question.ids) + len(answer.ids) - 1
            token_rewards_NT[number, first:last] = (
                scores_NT[number, first + 1 : last + 1] - scores_NT[number, first:last]
            )
            token_rewards_NT[number, last - 1] += scores_NT[number, len(row) - 1] - scores_NT[number, last]
        return scores_NT.gather(1, torch.tensor([[len(row) - 1] for row in rows]))[:, 0], token_rewards_NT

    def _row(self, answer: Answer) -> list[int]:
        """Question and answer with exactly one <|end|>, as in the reward model's training, however the answer ended."""
        return [*answer.question.ids, *(answer.ids[:-1] if answer.ended else answer.ids), self.tokenizer.end]

    @torch.inference_mode()
    def _prefix_rewards(self, rows: Sequence[Sequence[int]], question_lengths: Sequence[int]) -> Tensor:
        """The reward of every prefix, (N, T) float32 on the CPU; lengths in tokens."""
        lengths_N = torch.tensor([len(row) for row in rows])
        width = int(lengths_N.max())
        assert width <= self.model.settings.context, "see room_for_questions"
        padded_NT = torch.tensor([[*row, *[PADDING] * (width - len(row))] for row in rows])
        next_T = torch.arange(1, width + 1)  # the position of the next token
        mask_NT = (next_T >= torch.tensor(question_lengths)[:, None]) & (next_T < lengths_N[:, None])
        scores_NT = torch.zeros(padded_NT.shape)
        for some in lengths_N.argsort().split(max(1, POSITIONS_AT_ONCE // width)):
            longest, device = int(lengths_N[some].max()), self.model.embedding.weight.device
            ids_BT, mask_BT = (tensor[some, :longest].to(device) for tensor in (padded_NT, mask_NT))
            scores_NT[some, :longest] = self.model.prefix_rewards(ids_BT, mask_BT).float().cpu()
        return scores_NT
