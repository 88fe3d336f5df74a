"""Every method of training: its options, and what the rest of the project must know of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from modou.settings.base import Settings
from modou.settings.run import RunSettings
from modou.settings.train import BatchedSettings, OptimizerSettings, Rate, Share, Trained, TrainSettings


class ReplaySettings(Settings):
    """The base's own text, read along so that it is not forgotten."""

    rows: Annotated[int, Field(ge=0)] = 4
    """Rows of it beside each update, as long as the context; 0 = none."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Price of a nat a token by which predictions on it leave those of the model that was begun with."""


class Writing(Trained):
    """The groups of everything that changes what a model writes."""

    replay: ReplaySettings = ReplaySettings()
    """Replay."""


class SftSettings(Settings):
    """Supervised fine-tuning."""

    epochs: Annotated[float, Field(gt=0)] = 3.0
    """Times every conversation is learned from (where --train.steps does not say how long)."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the conversations that is not trained on but measured, at most 500 of them."""
    unlikelihood: Annotated[float, Field(ge=0)] = 0.0
    """Weight of -log(1 - p) of every token that the answer has had and that does not come next: against repetition."""
    packed: bool = True
    """Put several conversations into one row; each sees only itself."""
    lora_rank: Annotated[int, Field(ge=0, le=1024)] = 0
    """Train adapters of this rank beside frozen matrices; 0 = train everything."""
    lora_alpha: Annotated[float, Field(gt=0)] = 16.0
    """An adapter's output is scaled by alpha / rank."""
    lora_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of an adapter's inputs dropped in training."""


class RewardSettings(Settings):
    """The reward model."""

    epochs: Annotated[float, Field(gt=0)] = 2.0
    """Times every pair is learned from (where --train.steps does not say how long)."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the pairs that is not trained on but measured, at most 500 of them."""
    centre: Annotated[float, Field(ge=0)] = 0.05
    """Weight of (r_chosen + r_rejected)^2, which keeps rewards around 0, of every beginning, too."""
    implicit: bool = False
    """Judge a token by how much likelier it is here than to the model it began from: learns faster, at DPO's rates."""
    writer: str = ""
    """Implicit: the run whose answers are judged; empty = the one it begins from. Better: one that has read less."""
    sft_weight: Annotated[float, Field(ge=0)] = 0.0
    """Implicit: weight of the better answer's loss in nats, as in SFT, so that the judge stays one who could write."""
    beginnings: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the same loss on every beginning of the two answers; 0 = whole answers only."""


class DpoSettings(Settings):
    """Direct preference optimisation."""

    epochs: Annotated[float, Field(gt=0)] = 1.0
    """Times every pair is learned from (where --train.steps does not say how long)."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the pairs that is not trained on but measured, at most 500 of them."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """How firmly the model is held to the one it began as."""
    smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Share of the labels believed wrong."""


class KtoSettings(Settings):
    """Kahneman-Tversky optimisation."""

    epochs: Annotated[float, Field(gt=0)] = 1.0
    """Times every answer is learned from (where --train.steps does not say how long)."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the questions whose answers are not trained on but measured, at most 500 of them."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """How firmly the model is held to the one it began as."""
    desirable_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of a desirable answer. Where there are fewer of them, weights x counts should be about equal."""
    undesirable_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of an undesirable answer."""


class RolloutSettings(Settings):
    """Rounds of answers that reinforcement learning learns from."""

    rounds: Annotated[int, Field(ge=1)] = 50
    """Rounds in all (where --train.steps does not say how long)."""
    prompts: Annotated[int, Field(ge=1)] = 32
    """Different questions in a round."""
    group: Annotated[int, Field(ge=1)] = 4
    """Answers to each question (GRPO compares them: at least 2)."""
    tokens: Annotated[int, Field(ge=1)] = 96
    """Most tokens of an answer."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Of the answers, over the whole vocabulary; scores are taken at the same temperature."""
    epochs: Annotated[int, Field(ge=1)] = 1
    """Times a round is learned from."""
    minibatches: Annotated[int, Field(ge=1)] = 2
    """Updates in each of these times."""
    held_out: Annotated[int, Field(ge=1)] = 64
    """Questions that are not trained on but answered at every evaluation."""
    unfinished_penalty: Annotated[float, Field(ge=0)] = 1.0
    """Taken off the reward of an answer that ran into the limit instead of ending."""


class PpoSettings(Settings):
    """Proximal policy optimisation."""

    kl_weight: Annotated[float, Field(ge=0)] = 0.05
    """Price of a nat of distance from the reference, at the start."""
    target_kl: Annotated[float, Field(ge=0)] = 0.0
    """Distance an answer may have, in nats: the price follows it; 0 = the price is fixed."""
    gamma: Share = 1.0
    """Discount of later rewards."""
    gae_lambda: Share = 0.95
    """lambda of GAE."""
    clip_low: Annotated[float, Field(gt=0)] = 0.2
    """Largest fall of a token's probability ratio that still counts."""
    clip_high: Annotated[float, Field(gt=0)] = 0.2
    """Largest rise."""
    value_clip: Annotated[float, Field(gt=0)] = 0.2
    """How far a value may move in one round."""
    value_weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the value's loss."""
    dense_reward: bool = True
    """Where the judge is a reward model, pay each token what it added to the score; else all is paid at the end."""


class GrpoSettings(Settings):
    """Group-relative policy optimisation."""

    kl_weight: Annotated[float, Field(ge=0)] = 0.02
    """Price of the distance from the reference, in the loss."""
    scale: bool = True
    """Divide advantages by the group's standard deviation."""
    token_credit: bool = True
    """Where the judge's rules point at characters (poem), give their tokens the credit; else the whole answer."""
    clip_low: Annotated[float, Field(gt=0)] = 0.2
    """Largest fall of a token's probability ratio that still counts."""
    clip_high: Annotated[float, Field(gt=0)] = 0.28
    """Largest rise (clip higher: DAPO)."""


class FineOptimizer(OptimizerSettings):
    """The update rule where a trained model is trained on: smaller rates, so that it keeps what it knows."""

    matrix_lr: Rate = 0.005
    """Peak learning rate of the matrices in the blocks (about 0.005 for muon, 0.0003 for adamw)."""
    embedding_lr: Rate = 0.001
    """Peak learning rate of embeddings and head (always AdamW)."""
    norm_lr: Rate = 0.001
    """Peak learning rate of norms, biases and a reward's or value's output (always AdamW)."""
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Decay of the block matrices: each step takes off this share x the current rate."""


class PairTraining(BatchedSettings):
    """The loop over preference pairs."""

    micro_batch: Annotated[int, Field(ge=0)] = 16
    """Pairs a forward pass, of like length; 0 = the whole share of a process. The result stays the same."""


class JudgedTraining(BatchedSettings):
    """The loop over judged answers."""

    batch: Annotated[int, Field(ge=1)] = 32
    """Answers an update, over all processes; the reference point z0 is a mean over them."""
    micro_batch: Annotated[int, Field(ge=0)] = 16
    """Answers a forward pass, of like length; 0 = the whole share of a process. The result stays the same."""


class AnswerTraining(TrainSettings):
    """The loop over rounds of answers."""

    micro_batch: Annotated[int, Field(ge=0)] = 16
    """Answers a forward pass, of like length; 0 = the whole share of a process. The result stays the same."""


class SftRun(Writing):
    """All settings of `modou sft`."""

    train: BatchedSettings = BatchedSettings()  # pyright: ignore[reportIncompatibleVariableOverride] (it is frozen)
    """Training loop."""
    sft: SftSettings = SftSettings()
    """Supervised fine-tuning."""
    optimizer: FineOptimizer = FineOptimizer()  # pyright: ignore[reportIncompatibleVariableOverride] (it is frozen)
    """Optimizer."""


class RewardRun(Trained):
    """All settings of `modou reward`."""

    train: PairTraining = PairTraining()  # pyright: ignore[reportIncompatibleVariableOverride]
    """Training loop."""
    reward: RewardSettings = RewardSettings()
    """Reward model."""
    optimizer: FineOptimizer = FineOptimizer()  # pyright: ignore[reportIncompatibleVariableOverride] (it is frozen)
    """Optimizer."""


class PreferenceOptimizer(FineOptimizer):
    """Smaller rates still: a preference is a nudge."""

    matrix_lr: Rate = 0.001
    """Peak learning rate of the matrices in the blocks (about 0.001 for muon, 0.0001 for adamw)."""
    embedding_lr: Rate = 0.0002
    """Peak learning rate of embeddings and head (always AdamW)."""
    norm_lr: Rate = 0.0002
    """Peak learning rate of norms, biases and a reward's or value's output (always AdamW)."""


class DpoRun(Writing):
    """All settings of `modou dpo`."""

    train: PairTraining = PairTraining()  # pyright: ignore[reportIncompatibleVariableOverride]
    """Training loop."""
    dpo: DpoSettings = DpoSettings()
    """Direct preference optimisation."""
    optimizer: PreferenceOptimizer = PreferenceOptimizer()  # pyright: ignore[reportIncompatibleVariableOverride]
    """Optimizer."""


class KtoRun(Writing):
    """All settings of `modou kto`."""

    train: JudgedTraining = JudgedTraining()  # pyright: ignore[reportIncompatibleVariableOverride]
    """Training loop."""
    kto: KtoSettings = KtoSettings()
    """Kahneman-Tversky optimisation."""
    optimizer: PreferenceOptimizer = PreferenceOptimizer()  # pyright: ignore[reportIncompatibleVariableOverride]
    """Optimizer."""


class AnswerOptimizer(PreferenceOptimizer):
    """Rewards say little and are mostly chance: norms, few numbers, hear them best; tables hear only noise."""

    embedding_lr: Rate = 0.00001
    """Peak learning rate of embeddings and head (always AdamW)."""
    norm_lr: Rate = 0.001
    """Peak learning rate of norms, biases and a reward's or value's output (always AdamW)."""


class PpoRun(Writing):
    """All settings of `modou ppo`."""

    train: AnswerTraining = AnswerTraining()  # pyright: ignore[reportIncompatibleVariableOverride]
    """Training loop."""
    ppo: PpoSettings = PpoSettings()
    """Proximal policy optimisation."""
    rollout: RolloutSettings = RolloutSettings()
    """Rounds of answers."""
    optimizer: AnswerOptimizer = AnswerOptimizer()  # pyright: ignore[reportIncompatibleVariableOverride]
    """Optimizer."""


class GroupRollouts(RolloutSettings):
    """Few questions, many answers to each: they are compared with one another."""

    prompts: Annotated[int, Field(ge=1)] = 16
    """Different questions in a round."""
    group: Annotated[int, Field(ge=2)] = 8
    """Answers to each question, which are compared."""


class GrpoRun(Writing):
    """All settings of `modou grpo`."""

    train: AnswerTraining = AnswerTraining()  # pyright: ignore[reportIncompatibleVariableOverride]
    """Training loop."""
    grpo: GrpoSettings = GrpoSettings()
    """Group-relative policy optimisation."""
    rollout: GroupRollouts = GroupRollouts()
    """Rounds of answers."""
    optimizer: AnswerOptimizer = AnswerOptimizer()  # pyright: ignore[reportIncompatibleVariableOverride]
    """Optimizer."""


# -- the registry: what the rest of the project asks of a method, without importing torch --

Network = Literal["plain", "adapted", "scored", "implicit"]
"""What a run's checkpoints hold: a GPT; one with adapters (LoRA); one with a score at every position; one whose score
lies in its predictions (see modou.model.scored)."""


@dataclass(frozen=True)
class MethodInfo:
    """A method of training. Its code is modou.methods.NAME; everything else that must be known of it stands here."""

    name: str
    settings: type[Trained]
    """All its options."""
    inputs: tuple[str, ...] = ("base", "data")
    """What it is given, in the order of the command's words; a judge is given with --judge."""
    answers: bool = True
    """Whether its model answers a question; else it continues a text, or only scores."""
    copies: Literal["", "book", "answers", "chosen"] = ""
    """What of its data is learned word by word, so that a copy of it in an answer is no invention."""
    duration: str = ""
    """The option of its own that says how long, beside --minutes: "sft.epochs"."""
    network: Callable[[Any], Network] = lambda settings: "plain"
    """The kind of network, by its settings."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Its groups of options, its own first."""
        order = ("clean", "tokenizer", "model", "train", "optimizer", "schedule", "sampling", "evaluate")
        own = [name for name in self.settings.model_fields if name not in order]
        return (*own, *(name for name in order if name in self.settings.model_fields and name not in self.unused))

    unused: tuple[str, ...] = ()
    """Groups without effect on it."""


METHODS = {
    method.name: method
    for method in (
        MethodInfo("pretrain", RunSettings, ("book",), answers=False, copies="book"),
        MethodInfo(
            "sft",
            SftRun,
            copies="answers",
            duration="sft.epochs",
            network=lambda settings: "adapted" if settings.sft.lora_rank else "plain",
        ),
        MethodInfo(
            "reward",
            RewardRun,
            answers=False,
            duration="reward.epochs",
            network=lambda settings: "implicit" if settings.reward.implicit else "scored",
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
    )
}
