"""What scores an answer: a reward model, or a rule over what the question's row says."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modou.errors import UserError
from modou.model.scored import ScoredGPT
from modou.model.scoring import POSITIONS_AT_ONCE
from modou.pipeline.align.beginning import RULES
from modou.runs import RunFolder, load_model
from modou.settings.model import ModelSettings
from modou.tasks.poems import order_of, reward_of
from modou.text.tokenizer import Tokenizer
from modou.train.rollouts import Answer, Judge

Rule = Callable[[str, dict[str, Any]], float]


def make_judge(name: str, tokenizer: Tokenizer, device: torch.device) -> Judge:
    """The judge of that name. UserError: neither a rule nor a reward model of this tokenizer."""
    rules: dict[str, Rule] = {"exact": exact, "poem": lambda text, facts: reward_of(text, order_of(facts))}
    if name in rules:
        return by_rule(name, rules[name])
    model, own, _ = load_model(RunFolder(Path(name)))
    if not isinstance(model, ScoredGPT):
        raise UserError("align.not_a_judge", path=name, rules=", ".join(RULES))
    if own.sha256 != tokenizer.sha256:
        raise UserError("storage.other_tokenizer", folder=name)
    return by_model(model.to(device), tokenizer)


def room_for_questions(writers: Sequence[RunFolder], judges: Sequence[str], tokens: int) -> int:
    """The most tokens of a question that leave every run room to write an answer of `tokens`, and every judge that is a
    model room to read both and an end mark."""
    readers = [RunFolder(Path(name)) for name in judges if name not in RULES]
    return min([*(context_of(run) + 1 for run in writers), *(context_of(run) - 1 for run in readers)]) - tokens


def context_of(run: RunFolder) -> int:
    """Tokens that a run's model sees at once. UserError: no run."""
    return ModelSettings.parse(run.read_settings().get("model", {})).context


def exact(text: str, facts: dict[str, Any]) -> float:
    """1 where the whole answer is the true one, white space around it aside."""
    return float(text.strip() == str(facts["answer"]).strip())


def by_rule(name: str, rule: Rule) -> Judge:
    """A judge that asks a rule about each answer. UserError: a question's row lacks what the rule needs."""

    def judge(answers: Sequence[Answer]) -> Tensor:
        scores: list[float] = []
        for answer in answers:
            try:
                scores.append(rule(answer.text, answer.task.facts))
            except KeyError as missing:
                question = answer.task.question[:40]
                raise UserError("align.judge_needs", rule=name, field=missing, question=question) from None
        return torch.tensor(scores)

    return judge


def by_model(model: ScoredGPT, tokenizer: Tokenizer) -> Judge:
    """A judge that reads question and answer to the end mark, as the reward model was taught to."""

    @torch.inference_mode()
    def judge(answers: Sequence[Answer]) -> Tensor:
        device = model.embedding.weight.device
        rows = [
            # Ended by whichever mark, or not at all: it is read as the reward model was taught, to one <|end|>.
            [*answer.task.ids, *(answer.ids[:-1] if answer.ended else answer.ids), tokenizer.end]
            for answer in answers
        ]
        width = max(len(row) for row in rows)
        assert width <= model.settings.context, "see room_for_questions"
        at_once = max(1, POSITIONS_AT_ONCE // width)
        scores: list[Tensor] = []
        for first in range(0, len(rows), at_once):
            some = rows[first : first + at_once]
            ids_BT = torch.tensor([row + [tokenizer.pad] * (width - len(row)) for row in some], device=device)
            last_B1 = torch.tensor([[len(row) - 1] for row in some], device=device)
            scores.append(model.scores(model.hidden(ids_BT)).gather(1, last_B1)[:, 0].cpu())
        return torch.cat(scores).float()

    return judge
