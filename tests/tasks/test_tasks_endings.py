"""Verse ended by a model: nothing but last characters of even lines changes, and those as the model would."""

import random
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from train_helpers import model_settings, sentences, tokenizer

from modou.data.conversation import Message, Template
from modou.data.examples import Question
from modou.model.gpt import GPT
from modou.tasks.poems.endings import own_endings, rhymed
from modou.tasks.poems.verse import is_line, spans_of, verse

TOKENIZER = tokenizer()
TEMPLATE = Template(TOKENIZER)
CHARACTERS = sorted({one for one in sentences(60, 1) if is_line(one) and len(TOKENIZER.encode(one)) == 1})
CHOSEN = random.Random(1).sample(CHARACTERS, 22)
VERSE, REST = verse(["".join(CHOSEN[place : place + 5]) for place in range(0, 20, 5)]), CHOSEN[20:]
VERSES = [(Question(TEMPLATE.prompt([Message("user", ask)]), ask), VERSE) for ask in ("五绝", "请写一首五绝吧")]
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


class Rhyming(GPT):
    """Likes one character best, always; having read the end of the verse's first even line, that and another, too."""

    def __init__(self, likely: str, rhyme: str) -> None:
        super().__init__(SHAPE)
        self.first, self.likely, self.rhyme = (TOKENIZER.encode(one)[-1] for one in (VERSE[ENDS[0]], likely, rhyme))

    def hidden(self, ids_BT: Tensor, *_: Any, **__: Any) -> Tensor:
        return (ids_BT == self.first).cumsum(1)[..., None]

    def logits(self, x_BTD: Tensor) -> Tensor:
        has_read = x_BTD[..., 0] > 0
        chances = torch.full((*has_read.shape, SHAPE.vocabulary), 1e-9)
        chances[..., self.likely] = 0.55
        chances[..., self.rhyme] = torch.where(has_read, 0.4, 0.01)
        chances[..., self.first] = torch.where(has_read, 0.05, 1e-9)
        return chances.log()


def test_own_verse_is_ended_for_the_sake_of_the_ends_before() -> None:
    """Not by what is likeliest anyhow; and not by the same word, which the end before makes likelier still."""
    likely, rhyme = REST
    model = Rhyming(likely, rhyme)
    found = [text for seed in range(20) for text in rhymed(model, TEMPLATE, VERSES, random.Random(seed))]
    assert all(changed(text) == ENDS[1:] for text in found), "the first end is left: others rhyme with it"
    assert sum(text[ENDS[1]] == rhyme for text in found) > 35 > 3 > sum(text[ENDS[1]] == likely for text in found)
    assert found[:2] == rhymed(model, TEMPLATE, VERSES, random.Random(0))
    assert rhymed(model, TEMPLATE, [], random.Random(1)) == []
