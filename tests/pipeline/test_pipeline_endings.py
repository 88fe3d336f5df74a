"""Verse ended by a model: nothing but last characters of even lines changes, and those as the model would."""

import random
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from train_helpers import model_settings, sentences, tokenizer

from modou.model.gpt import GPT
from modou.pipeline.align.endings import own_endings
from modou.tasks.poems import is_line, spans_of, verse
from modou.text.conversation import Message, Template
from modou.train.rollouts import Task

TOKENIZER = tokenizer()
TEMPLATE = Template(TOKENIZER)
CHARACTERS = sorted({one for one in sentences(60, 1) if is_line(one) and len(TOKENIZER.encode(one)) == 1})
VERSE = verse(["".join(random.Random(place).choices(CHARACTERS, k=5)) for place in range(4)])
VERSES = [(Task(TEMPLATE.prompt([Message("user", ask)]), ask), VERSE) for ask in ("五绝", "请写一首五绝吧")]
ENDS = [end - 1 for _, end in spans_of(VERSE)[1::2]]
SHAPE = model_settings(context=96, vocabulary=TOKENIZER.vocabulary)


class Always(GPT):
    """Writes one token, whatever it has read."""

    def __init__(self, text: str) -> None:
        super().__init__(SHAPE)
        self.token = TOKENIZER.encode(text)[-1]

    def logits(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.new_zeros(*x_BTD.shape[:-1], SHAPE.vocabulary).index_fill(-1, torch.tensor(self.token), 50.0)


class Recording(Always):
    """Remembers what it has read."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.read: list[str] = []

    def hidden(self, ids_BT: Tensor, *more: Any, **named: Any) -> Tensor:
        self.read += [TOKENIZER.decode(row) for row in ids_BT.tolist()]
        return super().hidden(ids_BT, *more, **named)


def changed(text: str) -> list[int]:
    assert len(text) == len(VERSE)
    return [place for place, (mine, true) in enumerate(zip(text, VERSE, strict=True)) if mine != true]


def test_only_the_ends_of_even_lines_change() -> None:
    torch.manual_seed(3)
    model = GPT(SHAPE).eval()
    found = own_endings(model, TEMPLATE, VERSES, 60, random.Random(1))
    assert found == own_endings(model, TEMPLATE, VERSES, 60, random.Random(1))
    every = [changed(text) for text in chain(*found)]
    assert every and all(places and set(places) <= set(ENDS) for places in every)
    assert set(chain(*every)) == set(ENDS)
    assert all(len(set(texts)) == len(texts) <= 60 for texts in found)
    assert own_endings(model, TEMPLATE, [], 60, random.Random(1)) == []


def ends_drawn(model: GPT) -> set[str]:
    """What stands at the changed ends of many versions."""
    found = chain(*own_endings(model, TEMPLATE, VERSES, 200, random.Random(1)))
    return {text[place] for text in found for place in changed(text)}


def test_they_end_as_the_model_would_have_ended_them_or_as_another_line_does() -> None:
    echoes = {VERSE[end] for end in ENDS}
    assert len(echoes) == 2
    loved = next(one for one in CHARACTERS if one not in echoes)
    assert ends_drawn(Always(loved)) == echoes | {loved}
    assert ends_drawn(Always("。")) == echoes, "a mark is no character"


def test_it_has_read_no_end_of_an_even_line_that_is_the_poets() -> None:
    """First couplet by couplet; then the whole poem, whose even lines end as it would have ended those couplets."""
    model = Recording(next(one for one in CHARACTERS if one not in VERSE))
    own_endings(model, TEMPLATE, VERSES, 8, random.Random(1))
    couplets = VERSE.split("\n")
    alone, whole = model.read[: len(VERSES) * len(couplets)], model.read[len(VERSES) * len(couplets) :]
    assert all(sum(couplet[:-2] in read for couplet in couplets) == 1 for read in alone)
    assert len(whole) == len(VERSES) and all(couplet[:-2] in read for couplet in couplets for read in whole)
    assert all(couplet not in read for couplet in couplets for read in whole)
