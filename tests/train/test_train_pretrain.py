"""The pretraining objective and its figure, against the formula worked out one position at a time."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from closeness import EXACT, ROUNDING
from train_helpers import batches, metrics, model_settings, objective, run, sentences, tokenizer, trainer

from modou.data.packing import Documents, Packing
from modou.data.shards import IGNORE, write_shards
from modou.methods.likelihood import bits_per_character
from modou.methods.pretrain import TokenBatch
from modou.model.gpt import GPT

LAYOUTS = ("modern", "rope", "learned")


def model(layout: str = "modern", context: int = 16, seed: int = 0) -> GPT:
    torch.manual_seed(seed)
    gpt = GPT(model_settings(layout, context=context))
    with torch.no_grad():
        for parameter in gpt.parameters():
            if parameter.ndim == 2:
                parameter.mul_(3)
    return gpt.double().eval()


def uniform() -> GPT:
    gpt = model()
    with torch.no_grad():
        gpt.embedding.weight.zero_()
    return gpt


def by_hand(gpt: GPT, text: str, context: int) -> list[float]:
    """Bits of each token of [bos] text [eos], each from a forward pass of its own, with the context that the
    half-a-window stride gives it."""
    ids = [tokenizer().bos, *tokenizer().encode(text), tokenizer().eos]
    half, bits = context // 2, []
    for target in range(1, len(ids)):
        # Windows start at multiples of half a context; the first that reaches the target scores it.
        start = 0 if target <= context else math.ceil((target - context) / half) * half
        seen = torch.tensor([ids[start:target]])
        with torch.no_grad():
            log_probabilities = gpt(seen)[0, -1].log_softmax(-1)
        bits.append(-float(log_probabilities[ids[target]]) / math.log(2))
    return bits


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_text_within_the_window_is_scored_as_one_product(layout: str) -> None:
    gpt, text = model(layout, context=256), sentences(3, 7)
    found = bits_per_character(gpt, tokenizer(), [text])
    assert found.bits == pytest.approx(sum(by_hand(gpt, text, 256)), rel=1e-5)
    assert found.characters == sum(character != "\n" for character in text)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("context", [4, 7, 16])
def test_a_longer_text_is_scored_once_with_half_a_window_before_it(layout: str, context: int) -> None:
    gpt, texts = model(layout, context=context), [sentences(2, 7), "豆", sentences(4, 8)]
    expected = [by_hand(gpt, text, context) for text in texts]
    found = bits_per_character(gpt, tokenizer(), texts)
    assert found.bits == pytest.approx(sum(map(sum, expected)), rel=1e-5)


def test_every_token_costs_the_same_under_a_uniform_model() -> None:
    """So the bits count the tokens: each once, the end mark too, the beginning never."""
    for count in (1, 2, 5, 20):
        text = sentences(count, count)
        found = bits_per_character(uniform(), tokenizer(), [text, text])
        tokens = 2 * (len(tokenizer().encode(text)) + 1)
        assert found.bits == pytest.approx(tokens * math.log2(330), rel=1e-6)


def test_the_loss_of_a_uniform_model_is_the_logarithm_of_the_vocabulary() -> None:
    (batch,) = objective(4).micro_batches(0, 0, 1)
    nats, extra = objective(4).loss(uniform(), batch)
    assert nats.item() / batch.count == pytest.approx(math.log(330), rel=1e-6)
    assert extra["bits_per_char"].item() / batch.count == pytest.approx(math.log2(330) / 1.7, rel=1e-6)


def test_the_loss_is_the_sum_over_targets_that_count() -> None:
    gpt, made = model(), objective(4)
    (batch,) = made.micro_batches(0, 0, 1)
    target_BT = batch.target_BT.clone()
    target_BT[1] = IGNORE
    target_BT[2, ::2] = IGNORE
    kept_BT = target_BT != IGNORE
    log_BTV = gpt(batch.ids_BT).log_softmax(-1)
    expected = -log_BTV.gather(-1, target_BT.where(kept_BT, 0)[..., None])[..., 0][kept_BT].sum()
    nats, _ = made.loss(gpt, TokenBatch(batch.ids_BT, target_BT, int(kept_BT.sum())))
    torch.testing.assert_close(nats, expected, rtol=EXACT, atol=0)


@pytest.mark.parametrize("micro", [0, 1, 3, 4, 9])
@pytest.mark.parametrize("world", [1, 2, 3, 6])
def test_micro_batches_of_all_processes_are_the_batch(micro: int, world: int) -> None:
    made = objective(4, micro)
    inputs_BT, targets_BT = batches(16, 4).rows(2)
    shares = [made.micro_batches(2, rank, world) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1, "every process makes as many passes"
    ids, targets = [], []
    for share in shares:
        for batch in share:
            assert batch.count == int((batch.target_BT != IGNORE).sum())
            assert len(batch.ids_BT) <= (micro or 4) and len(batch.ids_BT) > 0
            real_B = (batch.target_BT != IGNORE).any(1)
            ids.append(batch.ids_BT[real_B].numpy())
            targets.append(batch.target_BT[real_B].numpy())
    assert np.array_equal(np.concatenate(ids), inputs_BT)
    assert np.array_equal(np.concatenate(targets), targets_BT)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("micro", "world"), [(0, 1), (3, 1), (0, 3), (2, 6)])
def test_documents_kept_apart_cost_what_each_costs_by_itself(
    tmp_path: Path, layout: str, micro: int, world: int
) -> None:
    texts = [sentences(1, seed) for seed in range(7)] + [sentences(3, 9)]
    context = 2 * max(len(tokenizer().encode(text)) for text in texts[:7])
    documents = Documents(write_shards(texts, tokenizer(), tmp_path, workers=1), context)
    rows = Packing(documents, context, batch=4, packed=True, seed=2)
    assert rows.rows_per_epoch <= 4 < len(documents), "one step reads them all, several in a row"
    made, gpt = replace(objective(4, micro), batches=rows), model(layout, context=context)
    shares = [made.micro_batches(0, rank, world) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1, "every process makes as many passes"
    found = sum(made.loss(gpt, batch)[0].item() for share in shares for batch in share)
    read = [one.ids for row in rows.rows(0, 0, 1) for one in row]
    expected = sum(gpt.loss(torch.tensor([ids[:-1]]), torch.tensor([ids[1:]])).item() for ids in read)
    assert found == pytest.approx(expected, rel=1e-5)
    assert sum(batch.count for share in shares for batch in share) == sum(len(ids) - 1 for ids in read)


def test_the_first_loss_and_the_tokens_are_what_the_log_says(tmp_path: Path) -> None:
    made = trainer(tmp_path, train={"steps": 1, "average": 0.0})
    (batch,) = made.objective.micro_batches(0, 0, 1)
    with torch.no_grad():
        expected = float(made.model.loss(batch.ids_BT, batch.target_BT)) / batch.count
    run(made)
    line = metrics(tmp_path)[0]
    assert line["metrics"]["loss"] == pytest.approx(expected, rel=ROUNDING)
    assert line["tokens"] == batch.count
    assert line["metrics"]["bits_per_char"] == pytest.approx(expected / math.log(2) / 1.7, rel=ROUNDING)
