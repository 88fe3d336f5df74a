"""KTO: answers that were called good or bad, each by itself (Ethayarajh et al. 2024).

    loss = sum over answers of w (1 - sigmoid(+-beta (r - z0)))     + desirable, - undesirable

r = log p/q of a whole answer, p the policy's probability and q the frozen reference's. z0, the reference point, says
how much likelier any answer has become: the mean of log p/q over the step's whole batch, each question with the answer
to another one, and at least 0. No gradient flows through it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modou.data.conversation import Encoded, Message, Template
from modou.data.examples import Judged, Judgements, read_judgements, select, subsample_indices
from modou.data.order import example_at
from modou.data.packing import fill
from modou.data.shards import IGNORE
from modou.methods.base import CPU, SHOWN, answers, drift
from modou.methods.preferences import PreferenceMethod
from modou.model.gpt import GPT
from modou.model.scoring import score_hidden, score_tokens
from modou.runs.weights import load_model
from modou.settings.methods import KtoRun, KtoSettings
from modou.settings.sampling import SamplingSettings
from modou.tokenizer.tokenizer import Tokenizer
from modou.train import policy
from modou.train.objective import StatelessObjective
from modou.train.parallel import World, parallelize, replica

NOTHING = Judged(Encoded((Tokenizer.pad,) * 2, (False,) * 2), False)
"""A row without loss, for a process that has no answer left: all must make as many passes."""


@dataclass(frozen=True)
class JudgedBatch:
    """Whole conversations, padded on the right. `count` answers: of the rows all, or none."""

    ids_BT: Tensor
    target_BT: Tensor
    """The next token where it belongs to the answer (its end mark included), else -100."""
    desirable_B: Tensor
    count: int


@dataclass
class Kto(StatelessObjective):
    """The objective of `modou kto`. See train.objective for the contract."""

    answers: Sequence[Judged]
    held_out: Sequence[Judged]
    prompts: Sequence[Sequence[Message]]
    reference: GPT
    template: Template
    sampling: SamplingSettings
    settings: KtoSettings
    batch: int
    seed: int
    world: World
    micro_batch: int = 0
    measure: str = "validation.loss"
    z0: float = field(init=False, default=0.0)
    """The step's reference point, in nats. Every step takes it anew, so that none is kept in a checkpoint."""

    def prepare(self, model: GPT, step: int) -> None:
        """The step's reference point, from its whole batch: the same in every process and for every micro-batch."""
        self.z0 = self.reference_point(replica(model, self.world), self.step_answers(step), self.world)

    def step_answers(self, step: int) -> list[Judged]:
        """The step's batch, of all processes."""
        places = range(step * self.batch, (step + 1) * self.batch)
        return [self.answers[example_at(place, len(self.answers), self.seed)] for place in places]

    def reference_point(self, model: GPT, judged: Sequence[Judged], world: World) -> float:
        """z0 of these answers; every process scores its share. 0 where no question can have another's answer."""
        crossed = mismatched([one.encoded for one in judged], self.reference.settings.context)
        mine, gained = crossed[world.rank :: world.size], 0.0
        if mine:
            gained_N = answer_scores(model, mine) - answer_scores(self.reference, mine)
            gained = gained_N.double().sum().item()
        return max(0.0, world.sum(gained) / max(1, len(crossed)))

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[JudgedBatch]:
        """This process's answers of the step's batch, like lengths together so that little is padding."""
        first, last = (self.batch * part // world for part in (rank, rank + 1))
        mine = sorted(self.step_answers(step)[first:last], key=lambda one: len(one.encoded))
        share = -(-self.batch // world)
        size = self.micro_batch or share
        return [judged_batch(mine[start : start + size], self.world.device) for start in range(0, share, size)]

    def loss(self, model: GPT, batch: JudgedBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum over answers; how many are on their side of z0, and z0."""
        log_B = answer_log_probabilities(model, batch)
        with torch.no_grad():
            reference_B = answer_log_probabilities(self.reference, batch)
        loss_B, reward_B = self.judge(log_B, reference_B, batch.desirable_B, self.z0)
        kept = float(batch.count > 0)
        right = self.right(reward_B, batch.desirable_B, self.z0).float().sum() * kept
        return loss_B.sum() * kept, {"accuracy": right, "z0": torch.tensor(self.z0 * batch.count)}

    def judge(self, log_B: Tensor, reference_B: Tensor, desirable_B: Tensor, z0: float) -> tuple[Tensor, Tensor]:
        """The loss of each answer, and its implied reward beta log p/q."""
        own = self.settings
        return policy.kahneman_tversky_loss(
            log_B, reference_B, desirable_B, z0, own.beta, own.desirable_weight, own.undesirable_weight
        )

    def right(self, reward_B: Tensor, desirable_B: Tensor, z0: float) -> Tensor:
        """Whether a desirable answer's reward is above the reference point's, an undesirable one's below it."""
        point = self.settings.beta * z0
        return torch.where(desirable_B, reward_B > point, reward_B < point)

    @torch.inference_mode()
    def evaluate(self, model: GPT) -> dict[str, Any]:
        """Loss and accuracy on held-out answers, the mean reward of either kind that is among them, and their z0."""
        was_training = model.training
        model.eval()
        encoded = [one.encoded for one in self.held_out]
        desirable_N = torch.tensor([one.desirable for one in self.held_out])
        log_N, reference_N = (answer_scores(one, encoded) for one in (model, self.reference))
        z0 = self.reference_point(model, self.held_out, World(self.world.device))
        model.train(was_training)
        loss_N, reward_N = self.judge(log_N, reference_N, desirable_N, z0)
        accuracy = self.right(reward_N, desirable_N, z0).float().mean().item()
        kinds = {"reward_desirable": reward_N[desirable_N], "reward_undesirable": reward_N[~desirable_N]}
        means = {name: reward_K.mean().item() for name, reward_K in kinds.items() if len(reward_K)}
        return {"validation": {"loss": loss_N.mean().item(), "accuracy": accuracy, "z0": z0, **means}}

    def sample(self, model: GPT) -> Sequence[dict[str, Any]]:
        """An answer to each question."""
        return answers(model, self.template, self.prompts, self.sampling)


def mismatched(encoded: Sequence[Encoded], context: int) -> list[Encoded]:
    """Each question with the answer of the next example that answers another one, as long as both fit the context. A
    question for which there is none is left out."""
    begins = [one.trained.index(True) for one in encoded]
    found: list[Encoded] = []
    for place, (one, begin) in enumerate(zip(encoded, begins, strict=True)):
        for step in range(1, len(encoded)):
            index = (place + step) % len(encoded)
            other, start = encoded[index], begins[index]
            if one.ids[:begin] != other.ids[:start] and begin + len(other) - start <= context:
                ids, trained = (*one.ids[:begin], *other.ids[start:]), (*one.trained[:begin], *other.trained[start:])
                found.append(Encoded(ids, trained))
                break
    return found


def judged_batch(judged: Sequence[Judged], device: torch.device) -> JudgedBatch:
    """Answers as tensors."""
    rows = judged or [NOTHING]
    ids_BT, target_BT = padded([one.encoded for one in rows])
    desirable_B = torch.tensor([one.desirable for one in rows])
    return JudgedBatch(ids_BT.to(device), target_BT.to(device), desirable_B.to(device), len(judged))


def padded(encoded: Sequence[Encoded]) -> tuple[Tensor, Tensor]:
    """Inputs and targets, (B, T) each, on the CPU."""
    rows = fill([[one] for one in encoded])
    return torch.from_numpy(rows.ids_RT), torch.from_numpy(rows.target_RT)


def answer_log_probabilities(model: GPT, batch: JudgedBatch) -> Tensor:
    """log p of each answer, the sum over its tokens, (B,)."""
    log_BT, _ = score_hidden(model, model.hidden(batch.ids_BT), batch.target_BT, batch.target_BT != IGNORE)
    return log_BT.sum(1)


def answer_scores(model: GPT, encoded: Sequence[Encoded]) -> Tensor:
    """The same of any number of answers, without a gradient, (N,) on the CPU."""
    ids_NT, target_NT = padded(encoded)
    return score_tokens(model, ids_NT, target_NT, target_NT != IGNORE).sum(1)


class KtoMethod(PreferenceMethod[KtoRun, Judgements]):
    """What is particular to KTO."""

    def examples(self, data: Path, columns: str) -> Judgements:
        """See PreferenceMethod."""
        return read_judgements(data, columns, self.template, self.shape.context)

    def steps(self, settings: KtoRun) -> int:
        """Updates that read every answer so many times."""
        own, train = settings.kto, settings.train
        return self.steps_for(own.epochs, own.held_out, train.batch, train.seed)

    def make(self, settings: KtoRun, world: World) -> tuple[GPT, Kto]:
        """The base's weights twice, to train and as the reference, and the objective."""
        seen, held_out = self.divided(settings.kto.held_out, settings.train.seed)
        shown = list(dict.fromkeys(select(self.data.questions, held_out)))[:SHOWN]
        objective = Kto(
            answers=select(self.data.answers, seen),
            held_out=select(self.data.answers, subsample_indices(held_out)),
            prompts=shown,
            reference=self.load().eval().requires_grad_(False).to(world.device),
            template=self.template,
            sampling=settings.sampling.changed(samples=1),
            settings=settings.kto,
            batch=settings.train.batch,
            seed=settings.train.seed,
            world=world,
            micro_batch=settings.train.micro_batch,
        )
        return parallelize(self.load(), world), objective

    def measure(self, settings: KtoRun, which: str | int) -> dict[str, Any]:
        """The figures of held-out answers, answers of its own, and what became of the text it was pretrained on."""
        _, objective = self.make(settings, CPU)
        _, held_out = self.divided(settings.kto.held_out, settings.train.seed)
        objective = replace(objective, held_out=select(self.data.answers, held_out))
        before, after = load_model(self.base)[0], load_model(self.run, which)[0]
        return {
            **objective.evaluate(after),
            "samples": answers(after, self.template, objective.prompts, objective.sampling),
            **drift(self.base, before, after, self.template.tokenizer),
        }


METHOD = KtoMethod
