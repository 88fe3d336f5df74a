"""The training methods: their options, and the registry of their properties."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from modou.messages import UserError
from modou.settings.base import Settings, merge
from modou.settings.origin import ImportRun
from modou.settings.run import RunSettings
from modou.settings.train import BatchedSettings, LoraSettings, OptimizerSettings, Rate, Share, Trained, TrainSettings


class ReplaySettings(Settings):
    """Replay of the pretraining text, against forgetting."""

    rows: Annotated[int, Field(ge=0)] = 4
    """Rows of pretraining text, each one context long, per update; 0 = none."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of KL(base ‖ model) per token of that text; base = the model as it was at the start."""


class Writing(Trained):
    """The groups common to all methods that fine-tune a generating model."""

    replay: ReplaySettings = Field(default_factory=ReplaySettings)
    """Replay."""


class SftSettings(Settings):
    """Supervised fine-tuning."""

    epochs: Annotated[float, Field(gt=0)] = 3.0
    """Passes over the conversations (unless --train.steps is given)."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the conversations held out for evaluation, at most 500."""
    unlikelihood: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the unlikelihood loss on tokens already in the answer (Welleck et al. 2020): less repetition."""
    packed: bool = True
    """Pack several conversations into one row; each attends to itself only."""


class RewardSettings(Settings):
    """The reward model."""

    kind: Literal["scalar", "implicit"] = "scalar"
    """scalar = a linear head on the last hidden state; implicit = beta log(p / p_reference), trained at DPO's rates."""
    epochs: Annotated[float, Field(gt=0)] = 2.0
    """Passes over the pairs (unless --train.steps is given)."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the pairs held out for evaluation, at most 500."""
    beginnings: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the pair loss averaged over all prefixes of the two answers; 0 = whole answers only."""
    centre: Annotated[float, Field(ge=0)] = 0.05
    """Weight of (r_chosen + r_rejected)^2, which keeps rewards near 0; 0 where kind is implicit, unless given."""
    beta: Annotated[float, Field(gt=0)] = 0.3
    """Implicit: reward per nat of log(p / p_reference). The larger, the nearer the model stays to the reference."""
    reference: str = ""
    """Implicit: the run of p_reference, the one that wrote the answers; empty = the run that training starts from."""
    sft_weight: Annotated[float, Field(ge=0)] = 0.0
    """Implicit: weight of the SFT loss on the chosen answer (the pair loss determines reward differences only)."""

    @model_validator(mode="after")
    def _belongs_to_its_kind(self) -> Self:
        if self.kind == "scalar":
            for name in _IMPLICIT:
                if getattr(self, name) != RewardSettings.model_fields[name].default:
                    raise UserError("settings.only_implicit", option=f"--reward.{name}")
        return self


_IMPLICIT = ("beta", "reference", "sft_weight")
"""Options of the implicit reward only."""


class DpoSettings(Settings):
    """Direct preference optimisation."""

    epochs: Annotated[float, Field(gt=0)] = 1.0
    """Passes over the pairs (unless --train.steps is given)."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the pairs held out for evaluation, at most 500."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """Factor of log(p / p_reference) in the loss: the larger, the nearer the model stays to the reference."""


class KtoSettings(Settings):
    """Kahneman-Tversky optimisation."""

    epochs: Annotated[float, Field(gt=0)] = 1.0
    """Passes over the answers (unless --train.steps is given)."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the questions held out for evaluation, with all their answers, at most 500."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """Factor of log(p / p_reference) in the loss: the larger, the nearer the model stays to the reference."""
    desirable_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of a desirable answer. With unequal counts, weights x counts should be about equal."""
    undesirable_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of an undesirable answer."""


class RolloutSettings(Settings):
    """Rollouts: rounds of sampled answers for reinforcement learning."""

    rounds: Annotated[int, Field(ge=1)] = 50
    """Rounds of answers in all (unless --train.steps is given)."""
    prompts: Annotated[int, Field(ge=1)] = 32
    """Questions per round."""
    group: Annotated[int, Field(ge=1)] = 4
    """Answers per question."""
    tokens: Annotated[int, Field(ge=1)] = 96
    """Maximum tokens per answer."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Sampling temperature of the answers, without top-k or top-p; log-probabilities are taken at the same one."""
    epochs: Annotated[int, Field(ge=1)] = 1
    """Passes over the answers of a round."""
    minibatches: Annotated[int, Field(ge=1)] = 2
    """Updates per pass."""
    held_out: Annotated[int, Field(ge=1)] = 64
    """Questions held out for evaluation."""
    unfinished_penalty: Annotated[float, Field(ge=0)] = 1.0
    """Subtracted from the reward of an answer cut off at the token limit."""


class PpoSettings(Settings):
    """Proximal policy optimisation (PPO)."""

    kl_weight: Annotated[float, Field(ge=0)] = 0.05
    """Weight of the KL penalty against the reference, per nat, at the start."""
    target_kl: Annotated[float, Field(ge=0)] = 0.0
    """KL per answer, in nats, towards which kl_weight is adapted; 0 = kl_weight stays constant."""
    gamma: Share = 1.0
    """Discount of later rewards."""
    gae_lambda: Share = 0.95
    """Lambda of generalised advantage estimation (GAE)."""
    clip_low: Annotated[float, Field(gt=0)] = 0.2
    """The probability ratio is clipped below 1 - this."""
    clip_high: Annotated[float, Field(gt=0)] = 0.2
    """The probability ratio is clipped above 1 + this."""
    value_clip: Annotated[float, Field(gt=0)] = 0.2
    """Largest change of a token's value per round."""
    value_weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the value loss."""
    dense_reward: bool = True
    """With a reward model as judge: reward each token by the change of the score there; off = all at the last token."""


class GrpoSettings(Settings):
    """Group-relative policy optimisation (GRPO)."""

    kl_weight: Annotated[float, Field(ge=0)] = 0.02
    """Weight of the KL term against the reference in the loss, per nat."""
    scale: bool = True
    """Divide advantages by the group's standard deviation; off = Dr. GRPO."""
    token_credit: bool = True
    """If a rule of the judge marks the characters that satisfy or violate it, its advantage goes to their tokens only;
    off = to the whole answer."""
    clip_low: Annotated[float, Field(gt=0)] = 0.2
    """The probability ratio is clipped below 1 - this."""
    clip_high: Annotated[float, Field(gt=0)] = 0.28
    """The probability ratio is clipped above 1 + this; above clip_low it is DAPO's clip-higher."""


class FineOptimizer(OptimizerSettings):
    """The optimizer of fine-tuning: smaller rates than in pretraining."""

    matrix_lr: Rate = 0.005
    """Peak learning rate of the block matrices (about 0.005 with muon, 0.0003 with adamw)."""
    embedding_lr: Rate = 0.001
    """Peak learning rate of embeddings and output head (always AdamW)."""
    norm_lr: Rate = 0.001
    """Peak learning rate of norms, biases and the reward or value head (always AdamW)."""
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Decoupled weight decay of the block matrices, times the current rate."""


class PairTraining(BatchedSettings):
    """The loop over preference pairs."""

    batch: Annotated[int, Field(ge=1)] = 16
    """Pairs per update, over all processes."""
    micro_batch: Annotated[int, Field(ge=0)] = 16
    """Pairs per forward pass; 0 = a process's whole share. The result does not depend on it."""


class JudgedTraining(BatchedSettings):
    """The loop over labelled answers."""

    batch: Annotated[int, Field(ge=1)] = 32
    """Answers per update, over all processes; the reference point z0 is a mean over them."""
    micro_batch: Annotated[int, Field(ge=0)] = 16
    """Answers per forward pass; 0 = a process's whole share. The result does not depend on it."""


class AnswerTraining(TrainSettings):
    """The loop over rounds of answers."""

    micro_batch: Annotated[int, Field(ge=0)] = 16
    """Answers per forward pass; 0 = a process's whole share. The result does not depend on it."""


class SftRun(Writing):
    """All settings of `modou sft`."""

    train: BatchedSettings = Field(default_factory=BatchedSettings)  # pyright: ignore[reportIncompatibleVariableOverride] (it is frozen)
    """Training loop."""
    sft: SftSettings = Field(default_factory=SftSettings)
    """Supervised fine-tuning."""
    lora: LoraSettings = Field(default_factory=LoraSettings)
    """Low-rank adapters."""
    optimizer: FineOptimizer = Field(default_factory=FineOptimizer)  # pyright: ignore[reportIncompatibleVariableOverride] (it is frozen)
    """Optimizer."""

    @model_validator(mode="before")
    @classmethod
    def _adapters_have_their_group(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Runs of 0.1 have [sft] lora_rank in place of [lora] rank."""
        own = dict(values.get("sft", {}))
        moved = {name: own.pop(f"lora_{name}") for name in LoraSettings.model_fields if f"lora_{name}" in own}
        return merge(values | {"sft": own}, {"lora": moved}) if moved else values


class RewardRun(Trained):
    """All settings of `modou reward`."""

    train: PairTraining = Field(default_factory=PairTraining)  # pyright: ignore[reportIncompatibleVariableOverride]
    """Training loop."""
    reward: RewardSettings = Field(default_factory=RewardSettings)
    """Reward model."""
    optimizer: FineOptimizer = Field(default_factory=FineOptimizer)  # pyright: ignore[reportIncompatibleVariableOverride] (it is frozen)
    """Optimizer."""


class PreferenceOptimizer(FineOptimizer):
    """The optimizer of preference learning: smaller rates than in SFT."""

    matrix_lr: Rate = 0.001
    """Peak learning rate of the block matrices (about 0.001 with muon, 0.0001 with adamw)."""
    embedding_lr: Rate = 0.0002
    """Peak learning rate of embeddings and output head (always AdamW)."""
    norm_lr: Rate = 0.0002
    """Peak learning rate of norms, biases and the reward or value head (always AdamW)."""


class DpoRun(Writing):
    """All settings of `modou dpo`."""

    train: PairTraining = Field(default_factory=PairTraining)  # pyright: ignore[reportIncompatibleVariableOverride]
    """Training loop."""
    dpo: DpoSettings = Field(default_factory=DpoSettings)
    """Direct preference optimisation."""
    optimizer: PreferenceOptimizer = Field(default_factory=PreferenceOptimizer)  # pyright: ignore[reportIncompatibleVariableOverride]
    """Optimizer."""


class KtoRun(Writing):
    """All settings of `modou kto`."""

    train: JudgedTraining = Field(default_factory=JudgedTraining)  # pyright: ignore[reportIncompatibleVariableOverride]
    """Training loop."""
    kto: KtoSettings = Field(default_factory=KtoSettings)
    """Kahneman-Tversky optimisation."""
    optimizer: PreferenceOptimizer = Field(default_factory=PreferenceOptimizer)  # pyright: ignore[reportIncompatibleVariableOverride]
    """Optimizer."""


class AnswerOptimizer(PreferenceOptimizer):
    """The optimizer of reinforcement learning. Its gradients are noisy: over the few parameters of the norms the noise
    averages out, so their rate is larger; an embedding row gets gradient from few tokens, so its rate is smaller."""

    embedding_lr: Rate = 0.00001
    """Peak learning rate of embeddings and output head (always AdamW)."""
    norm_lr: Rate = 0.001
    """Peak learning rate of norms, biases and the reward or value head (always AdamW)."""


class PpoRun(Writing):
    """All settings of `modou ppo`."""

    train: AnswerTraining = Field(default_factory=AnswerTraining)  # pyright: ignore[reportIncompatibleVariableOverride]
    """Training loop."""
    ppo: PpoSettings = Field(default_factory=PpoSettings)
    """Proximal policy optimisation."""
    rollout: RolloutSettings = Field(default_factory=RolloutSettings)
    """Rounds of answers."""
    optimizer: AnswerOptimizer = Field(default_factory=AnswerOptimizer)  # pyright: ignore[reportIncompatibleVariableOverride]
    """Optimizer."""


class GroupRollouts(RolloutSettings):
    """Rollouts of GRPO: few questions with many answers each."""

    prompts: Annotated[int, Field(ge=1)] = 16
    """Questions per round."""
    group: Annotated[int, Field(ge=2)] = 8
    """Answers per question; their mean reward is the baseline."""


class GrpoRun(Writing):
    """All settings of `modou grpo`."""

    train: AnswerTraining = Field(default_factory=AnswerTraining)  # pyright: ignore[reportIncompatibleVariableOverride]
    """Training loop."""
    grpo: GrpoSettings = Field(default_factory=GrpoSettings)
    """Group-relative policy optimisation."""
    rollout: GroupRollouts = Field(default_factory=GroupRollouts)
    """Rounds of answers."""
    optimizer: AnswerOptimizer = Field(default_factory=AnswerOptimizer)  # pyright: ignore[reportIncompatibleVariableOverride]
    """Optimizer."""


# -- the registry, which other packages read without importing torch --

Network = Literal["plain", "adapted", "scored", "implicit"]
"""The network in a run's checkpoints: plain = a GPT; adapted = with LoRA adapters; scored = with a scalar head at every
position; implicit = a GPT whose reward is beta log(p / p_reference) (see modou.model.scored)."""


@dataclass(frozen=True)
class MethodInfo:
    """A training method, whose code is modou.methods.NAME; other packages depend on these properties only."""

    name: str
    settings: type[Trained]
    """All its options."""
    inputs: tuple[str, ...] = ("base", "data")
    """Its inputs, in the order of the command's arguments; a judge is given with --judge."""
    answers: bool | None = True
    """Whether its model answers questions; else it continues a text, or only scores. None: the settings of each run say
    so (`Record.answers`)."""
    scores: bool = False
    """Whether its model is a reward model."""
    copies: Literal["", "book", "answers", "chosen"] = ""
    """The part of its data that the model is trained to reproduce; answers are checked for copies of it."""
    duration: str = ""
    """Its own option for the length of training, besides --minutes: "sft.epochs"."""
    network: Callable[[Any], Network] = lambda settings: "plain"
    """The kind of network, by its settings."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Its option groups, those of the method itself first."""
        order = ("clean", "tokenizer", "model", "lora", "train", "optimizer", "schedule", "sampling", "evaluate")
        own = [name for name in self.settings.model_fields if name not in order]
        return (*own, *(name for name in order if name in self.settings.model_fields and name not in self.unused))

    unused: tuple[str, ...] = ()
    """Option groups that have no effect."""


def _adapted(settings: Any) -> Network:
    return "adapted" if settings.lora.rank else "plain"


IMPORT = MethodInfo("import", ImportRun, ("source",), answers=None, unused=tuple(Trained.model_fields))
"""The model of another program: it was not trained here, but may be trained further."""
METHODS = {
    method.name: method
    for method in (
        MethodInfo("pretrain", RunSettings, ("book",), answers=False, copies="book", network=_adapted),
        MethodInfo(
            "sft",
            SftRun,
            copies="answers",
            duration="sft.epochs",
            network=_adapted,
        ),
        MethodInfo(
            "reward",
            RewardRun,
            answers=False,
            scores=True,
            duration="reward.epochs",
            network=lambda settings: "implicit" if settings.reward.kind == "implicit" else "scored",
            unused=("sampling",),
        ),
        MethodInfo("dpo", DpoRun, copies="chosen", duration="dpo.epochs"),
        MethodInfo("kto", KtoRun, copies="chosen", duration="kto.epochs"),
        MethodInfo(
            "ppo",
            PpoRun,
            ("base", "data", "judge"),
            duration="rollout.rounds",
            network=lambda settings: "scored",
            unused=("sampling",),
        ),
        MethodInfo("grpo", GrpoRun, ("base", "data", "judge"), duration="rollout.rounds", unused=("sampling",)),
        IMPORT,
    )
}
