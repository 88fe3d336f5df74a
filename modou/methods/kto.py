"""Kahneman-Tversky optimisation, KTO, from answers each labelled desirable or undesirable (Ethayarajh et al. 2024).

    loss = sum over answers of w (1 - sigmoid(+-beta (r - z0)))     + desirable, - undesirable

r = log p/q of a whole answer; p: the policy's probability, q: that of the frozen reference model. z0, the reference
point, estimates KL(p || q): the mean of log p/q over the whole batch of the step, each question paired with the answer
to another, and at least 0. No gradient flows through it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from modou.data.conversation import Encoded, Message, Template
from modou.data.examples import Judged, Judgements, read_judgements, select, subsample_indices
from modou.data.order import example_at
from modou.data.packing import fill
from modou.data.shards import IGNORE, PADDING
from modou.methods.base import SHOWN, answers
from modou.methods.preferences import PreferenceMethod
from modou.model.gpt import GPT, evaluation_mode
from modou.model.scoring import score_hidden, score_tokens
from modou.settings.methods import KtoRun, KtoSettings
from modou.settings.sampling import SamplingSettings
from modou.train import policy
from modou.train.events import Sample
from modou.train.objective import StatelessObjective
from modou.train.parallel import World, parallelize, replica

NOTHING = Judged(Encoded((PADDING,) * 2, (False,) * 2), False)
"""A row without loss, for a process without answers: every process must make the same number of passes."""


@dataclass(frozen=True)
class JudgedBatch:
    """Whole conversations, padded on the right. `count`: answers, one a row; 0 for a placeholder row."""

    ids_BT: Tensor
    target_BT: Tensor
    """The next token if it belongs to the answer (its end mark included), else -100."""
    desirable_B: Tensor
    count: int


@dataclass(frozen=True)
class KtoFigures:
    """Figures on held-out labelled answers (kto)."""

    loss: float
    """Mean loss of an answer."""
    accuracy: float
    """Share of answers whose reward is on their side of β z0."""
    z0: float
    """Reference point, in nats."""
    reward_desirable: float | None = None
    """Mean implied reward β log p/q of the desirable answers; absent without any."""
    reward_undesirable: float | None = None
    """The same of the undesirable answers."""


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
    measure: str = "loss"
    z0: float = field(init=False, default=0.0)
    """The reference point of the current step, in nats. Computed anew at each step: checkpoints do not need it."""

    def prepare(self, model: GPT, step: int) -> None:
        """Computes z0 from the whole batch, so that it is the same in all processes and micro-batches."""
        self.z0 = self.reference_point(replica(model, self.world), self.step_answers(step), self.world)

    def step_answers(self, step: int) -> list[Judged]:
        """The step's batch, of all processes."""
        positions = range(step * self.batch, (step + 1) * self.batch)
        return [self.answers[example_at(position, len(self.answers), self.seed)] for position in positions]

    def reference_point(self, model: GPT, labelled: Sequence[Judged], world: World) -> float:
        """z0 of these answers; every process scores its share. 0 if no question can be paired with another's answer."""
        pairs = mismatched([one.encoded for one in labelled], self.reference.settings.context)
        mine, total = pairs[world.rank :: world.size], 0.0
        if mine:
            ratio_N = answer_scores(model, mine) - answer_scores(self.reference, mine)
            total = ratio_N.double().sum().item()
        return max(0.0, world.sum(total) / max(1, len(pairs)))

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[JudgedBatch]:
        """This process's share of the step's batch, sorted by length to save padding."""
        first, last = (self.batch * part // world for part in (rank, rank + 1))
        mine = sorted(self.step_answers(step)[first:last], key=lambda one: len(one.encoded))
        share = -(-self.batch // world)
        size = self.micro_batch or share
        return [judged_batch(mine[start : start + size], self.world.device) for start in range(0, share, size)]

    def loss(self, model: GPT, batch: JudgedBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss summed over answers; sums of the correctly classified ones and of z0."""
        log_B = answer_log_probabilities(model, batch)
        with torch.no_grad():
            reference_B = answer_log_probabilities(self.reference, batch)
        loss_B, reward_B = self.losses(log_B, reference_B, batch.desirable_B, self.z0)
        weight = float(batch.count > 0)
        correct = self.correct(reward_B, batch.desirable_B, self.z0).float().sum() * weight
        return loss_B.sum() * weight, {"accuracy": correct, "z0": torch.tensor(self.z0 * batch.count)}

    def losses(self, log_B: Tensor, reference_B: Tensor, desirable_B: Tensor, z0: float) -> tuple[Tensor, Tensor]:
        """The loss and the implied reward beta log p/q of each answer, (B,)."""
        own = self.settings
        return policy.kahneman_tversky_loss(
            log_B, reference_B, desirable_B, z0, own.beta, own.desirable_weight, own.undesirable_weight
        )

    def correct(self, reward_B: Tensor, desirable_B: Tensor, z0: float) -> Tensor:
        """Whether the reward is above beta z0 for a desirable answer, below it for an undesirable one, (B,)."""
        point = self.settings.beta * z0
        return torch.where(desirable_B, reward_B > point, reward_B < point)

    @torch.inference_mode()
    def evaluate(self, model: GPT) -> KtoFigures:
        """Mean loss and accuracy on the held-out answers, their z0, and the mean reward of each label among them."""
        encoded = [one.encoded for one in self.held_out]
        desirable_N = torch.tensor([one.desirable for one in self.held_out])
        with evaluation_mode(model):
            log_N, reference_N = (answer_scores(one, encoded) for one in (model, self.reference))
            z0 = self.reference_point(model, self.held_out, World(self.world.device))
        loss_N, reward_N = self.losses(log_N, reference_N, desirable_N, z0)
        accuracy = self.correct(reward_N, desirable_N, z0).float().mean().item()
        means = (
            reward_K.mean().item() if len(reward_K) else None
            for reward_K in (reward_N[desirable_N], reward_N[~desirable_N])
        )
        return KtoFigures(loss_N.mean().item(), accuracy, z0, *means)

    def sample(self, model: GPT) -> Sequence[Sample]:
        """An answer to each of `prompts`."""
        return answers(model, self.template, self.prompts, self.sampling)


def mismatched(encoded: Sequence[Encoded], context: int) -> list[Encoded]:
    """Each question with the answer of the next example whose question is another, if both fit the context together. A
    question without such an example is left out."""
    begins = [one.trained.index(True) for one in encoded]
    questions = [one.ids[:begin] for one, begin in zip(encoded, begins, strict=True)]
    found: list[Encoded] = []
    for number, (one, begin, first) in enumerate(zip(encoded, begins, distances(questions), strict=True)):
        for step in range(first, len(encoded)):
            index = (number + step) % len(encoded)
            other, start = encoded[index], begins[index]
            if questions[number] != questions[index] and begin + len(other) - start <= context:
                ids, trained = (*one.ids[:begin], *other.ids[start:]), (*one.trained[:begin], *other.trained[start:])
                found.append(Encoded(ids, trained))
                break
    return found


def distances(items: Sequence[object]) -> list[int]:
    """How far the next item that differs is from each, round the end; their number where all are equal."""
    count = len(items)
    found = [count] * count
    if any(item != items[0] for item in items):
        for place in range(2 * count - 2, -1, -1):
            here, after = place % count, (place + 1) % count
            found[here] = 1 if items[here] != items[after] else found[after] + 1
    return found


def judged_batch(judged: Sequence[Judged], device: torch.device) -> JudgedBatch:
    """Answers as tensors; none at all becomes a row without loss."""
    rows = judged or [NOTHING]
    ids_BT, target_BT = padded([one.encoded for one in rows])
    desirable_B = torch.tensor([one.desirable for one in rows])
    return JudgedBatch(ids_BT.to(device), target_BT.to(device), desirable_B.to(device), len(judged))


def padded(encoded: Sequence[Encoded]) -> tuple[Tensor, Tensor]:
    """Inputs and targets of conversations, one a row, (B, T) each, on the CPU."""
    ids_NT, target_NT, _ = fill([[one] for one in encoded])
    return torch.from_numpy(ids_NT), torch.from_numpy(target_NT)


def answer_log_probabilities(model: GPT, batch: JudgedBatch) -> Tensor:
    """log p of each whole answer in nats, (B,)."""
    log_BT, _ = score_hidden(model, model.hidden(batch.ids_BT), batch.target_BT, batch.target_BT != IGNORE)
    return log_BT.sum(1)


def answer_scores(model: GPT, encoded: Sequence[Encoded]) -> Tensor:
    """The same for any number of answers, without gradients, (N,) on the CPU."""
    ids_NT, target_NT = padded(encoded)
    return score_tokens(model, ids_NT, target_NT, target_NT != IGNORE).sum(1)


class KtoMethod(PreferenceMethod[KtoRun, Judgements]):
    """See the module's docstring."""

    def examples(self, data: Path, columns: str) -> Judgements:
        """See PreferenceMethod."""
        return read_judgements(data, columns, self.template, self.shape.context)

    def network(self, settings: KtoRun, world: World) -> GPT:
        """See Alignment."""
        return parallelize(self.load_base(), world)

    def objective(self, settings: KtoRun, world: World, in_training: bool = True) -> Kto:
        """See Alignment."""
        train, held_out = self.split(settings)
        return Kto(
            answers=select(self.data.answers, train),
            held_out=select(self.data.answers, subsample_indices(held_out) if in_training else held_out),
            prompts=list(dict.fromkeys(select(self.data.questions, held_out)))[:SHOWN],
            reference=self.load_base().eval().requires_grad_(False).to(world.device),
            template=self.template,
            sampling=settings.sampling.changed(samples=1),
            settings=settings.kto,
            batch=settings.train.batch,
            seed=settings.train.seed,
            world=world,
            micro_batch=settings.train.micro_batch,
        )


METHOD = KtoMethod
