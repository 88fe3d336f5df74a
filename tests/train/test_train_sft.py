"""Supervised fine-tuning: packed as unpacked, the end is learned, stopped and resumed to the bit, two ranks as one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rank_helpers import record_gradients, start_two, world_of_two
from train_helpers import (
    DOES,
    WHAT,
    WHO,
    assert_close,
    assert_same_run,
    model_settings,
    run,
    tensors,
    tokenizer,
    trainer,
)

from modou.data.conversation import Message, Template
from modou.data.packing import Packing
from modou.methods.pretrain import Pretrain
from modou.methods.sft import Sft, packed_batch
from modou.model.gpt import GPT
from modou.model.lora import AdaptedGPT, Adapters
from modou.settings.model import ModelSettings
from modou.settings.sampling import SamplingSettings
from modou.train.loop import Trainer

CONTEXT, STEPS = 96, 6
TEMPLATE = Template(tokenizer())
MESSAGES = [
    (Message("user", f"{who}？"), Message("assistant", f"{does}{what}。"))
    for who, does, what in zip(WHO * 2, DOES + DOES[::-1], WHAT * 2, strict=True)
]
ENCODED = [TEMPLATE.encode(messages) for messages in MESSAGES]
KINDS: dict[str, Callable[[ModelSettings], GPT]] = {
    "whole": GPT,
    "lora": lambda shape: AdaptedGPT(shape, Adapters(2, 4.0, 0.1)),
    "unlikely": GPT,
}
"""The last with a weight on repetition."""


def objective(made: Pretrain, batch: int, packed: bool = True, unlikelihood: float = 0.0) -> Sft:
    """A few conversations about the invented people."""
    return Sft(
        conversations=Packing(ENCODED, CONTEXT, batch, packed, seed=4),
        held_out=ENCODED[:3],
        prompts=[messages[:-1] for messages in MESSAGES[:2]],
        template=TEMPLATE,
        sampling=SamplingSettings(tokens=4, seed=2),
        device=made.device,
        micro_batch=made.micro_batch,
        unlikelihood=unlikelihood,
    )


def sft(folder: Path, kind: str = "whole", dropout: float = 0.1, layout: str = "modern", **more: Any) -> Trainer:
    """A training on `folder`: uneven micro-batches."""
    train = {"steps": STEPS, "batch": 5, "micro_batch": 2, "evaluate_every": 2}
    name = "adamw" if kind == "lora" else "muon"
    return trainer(
        folder,
        model=model_settings(layout, context=CONTEXT, dropout=dropout),
        train=train,
        optimizer={"name": name, "matrix_lr": 0.003, "clip": 0},
        change=lambda made: objective(made, train["batch"], unlikelihood=0.5 if kind == "unlikely" else 0),
        make=KINDS[kind],
        **more,
    )


def test_the_conversations_are_packed() -> None:
    rows = Packing(ENCODED, CONTEXT, 4, packed=True, seed=4)
    assert rows.rows_per_epoch < len(ENCODED)


@pytest.mark.parametrize("layout", ["modern", "rope", "learned"])
def test_packed_loss_equals_unpacked_loss(layout: str) -> None:
    torch.manual_seed(0)
    model = GPT(model_settings(layout, context=CONTEXT)).double().eval()
    rows = Packing(ENCODED, CONTEXT, 50, packed=True, seed=4)
    cpu = torch.device("cpu")
    packed = packed_batch(rows.rows(0, 0, 1)[: rows.rows_per_epoch], cpu)
    alone = [packed_batch([[one]], cpu) for one in ENCODED]
    assert packed.count == sum(batch.count for batch in alone)
    with torch.no_grad():
        together = model.loss(packed.ids_BT, packed.target_BT, packed.start_BT) / packed.count
        apart = sum(model.loss(batch.ids_BT, batch.target_BT, batch.start_BT) for batch in alone) / packed.count
    assert together.item() == pytest.approx(float(apart), rel=1e-6)  # other rows of the float32 table of positions


def test_what_an_answer_has_had_costs_on_top(tmp_path: Path) -> None:
    made = sft(tmp_path, "unlikely", dropout=0)
    assert isinstance(made.objective, Sft)
    model = made.model.double().eval()
    batch = packed_batch([ENCODED[:2], ENCODED[2:4]], torch.device("cpu"))
    loss, found = made.objective.loss(model, batch)
    by_hand = 0.0
    for one in ENCODED[:4]:
        log_TV = model.logits(model.hidden(torch.tensor([one.ids])))[0].log_softmax(-1)
        answer = [at for at, trained in enumerate(one.trained) if trained]
        for number, at in enumerate(answer):
            had = {one.ids[earlier] for earlier in answer[:number]} - {one.ids[at]}
            by_hand -= sum(torch.log1p(-log_TV[at - 1, token].exp()).item() for token in had)
    assert by_hand > 0
    assert found["repetition"].item() == pytest.approx(by_hand, rel=1e-6)
    plain = model.loss(batch.ids_BT, batch.target_BT, batch.start_BT).item()
    assert loss.item() == pytest.approx(plain + 0.5 * by_hand, rel=1e-6)
    assert made.objective.evaluate(model) == sft(tmp_path / "plain", dropout=0).objective.evaluate(model)


def test_the_end_of_an_answer_is_learned_and_a_question_is_not() -> None:
    batch = packed_batch([[ENCODED[0]]], torch.device("cpu"))
    learned = batch.target_BT[batch.target_BT >= 0].tolist()
    assert learned == [*tokenizer().encode(MESSAGES[0][1].content), tokenizer().end]


def test_training_teaches_the_answers_and_to_stop(tmp_path: Path) -> None:
    made = trainer(
        tmp_path,
        model=model_settings(context=CONTEXT, width=32),
        train={"steps": 150, "batch": 4, "evaluate_every": 150, "average": 0},
        optimizer={"name": "muon", "matrix_lr": 0.02, "embedding_lr": 0.01, "norm_lr": 0.01},
        change=lambda made: objective(made, 4),
    )
    before = made.objective.evaluate(made.model).loss
    run(made)
    after = made.objective.evaluate(made.model).loss
    assert after < 0.1 < 3 < before
    assert isinstance(made.objective, Sft)
    written = Sft(**{**vars(made.objective), "sampling": SamplingSettings(tokens=60, temperature=0)}).sample(made.model)
    for one in written:  # a question that is asked twice has two right answers
        assert one.text in {answer.content for question, answer in MESSAGES if question.content == one.prompt}


@pytest.mark.parametrize("kind", KINDS)
def test_resume_at_every_step_is_bit_identical(tmp_path: Path, kind: str) -> None:
    run(sft(tmp_path / "whole", kind))
    for step in range(1, STEPS):
        folder = tmp_path / f"stopped-{step}"
        run(sft(folder, kind), stop_after=step)
        run(sft(folder, kind))
        assert_same_run(folder, tmp_path / "whole")


def test_adapters_leave_the_rest_as_it_was(tmp_path: Path) -> None:
    made = sft(tmp_path, "lora")
    before = {name: p.detach().clone() for name, p in made.model.named_parameters()}
    run(made)
    for name, parameter in made.model.named_parameters():
        assert torch.equal(parameter, before[name]) == ("lora_" not in name)
    moments = {name.split("/")[1] for name in tensors(tmp_path) if name.startswith("optimizer/")}
    assert moments and all("lora_" in name for name in moments)


# -- two processes --


def work(rank: int, folder: Path) -> None:
    for strategy in ("ddp", "fsdp"):
        for kind in KINDS:
            made = sft(folder / strategy / kind, kind, dropout=0, world=world_of_two(rank, strategy))
            if kind == "lora":
                for module in made.model.modules():
                    if hasattr(module, "lora_a"):
                        module.dropout = 0.0
            gradients = record_gradients(made)
            run(made)
            if rank == 0:
                torch.save(gradients, folder / strategy / kind / "gradients.pt")


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    start_two(work, folder)
    return folder


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("kind", KINDS)
def test_two_ranks_train_what_one_does(two_ranks: Path, tmp_path: Path, strategy: str, kind: str) -> None:
    made = sft(tmp_path / "one", kind, dropout=0)
    for module in made.model.modules():
        if hasattr(module, "lora_a"):
            module.dropout = 0.0
    gradients = record_gradients(made)
    run(made)
    found = torch.load(two_ranks / strategy / kind / "gradients.pt")
    assert len(found) == len(gradients) == STEPS
    for one, two in zip(gradients, found, strict=True):
        assert_close(one, two, 1e-5)
    assert_close(tensors(tmp_path / "one"), tensors(two_ranks / strategy / kind), 1e-5)
