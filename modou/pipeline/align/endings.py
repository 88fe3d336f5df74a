"""Verse whose even lines end as a model would have ended them that could not know the rhyme: all but those characters
is the poet's, or the model's own.

A model's own poems differ from real ones in so many ways that a judge taught on them hardly hears the rhyme, and a
character from elsewhere betrays itself by its sense. One that the model thinks fitting leaves little but rhyme, if it
was not told what to rhyme with. So first it ends every couplet as if that were a whole poem; then it reads the poem
with those ends in place of the poet's, and ends each even line again, now knowing all the rest. (Had it read the poet's
ends, it would have rhymed two times in three; had it read only the couplet, the sense of the poem would give it away.)

In real verse the model knows the rhyme nearly as well as a judge can. In its own, where it will have to, it is less
sure: so its own verse is ended anew as well, and what it wrote when it could see the rhyme is preferred.

Nothing rhymes as well as a word with itself: now and then an even line ends as another does, or the judge would take
that for the best rhyme of all. Seldom, since all of these rhyme: the more, the less is left that tells a rhyme to be
good.
"""

import random
from collections.abc import Sequence

import torch

from modou.model.gpt import GPT
from modou.tasks import poems
from modou.text.conversation import Template
from modou.train.rollouts import Answer, Task, assemble, places_of_tokens

ECHOES = 1 / 16
"""Of the changed last characters."""


def own_endings(
    model: GPT, template: Template, verses: Sequence[tuple[Task, str]], count: int, dice: random.Random
) -> list[list[str]]:
    """Each verse up to `count` times, some of its even lines with a last character drawn from the model, which has read
    the question and the poem up to there, but with other ends."""
    generator = torch.Generator().manual_seed(dice.getrandbits(63))
    couplets = [[_answer(template, task, couplet) for couplet in _couplets(text)] for task, text in verses]
    guessed = iter(_drawn(model, template, [one for some in couplets for one in some], count, generator))
    disguised = [
        _answer(template, task, _ended(text, [next(guessed)[0] for _ in some]))
        for (task, text), some in zip(verses, couplets, strict=True)
    ]
    drawn = _drawn(model, template, disguised, count, generator)
    return [_changed(text, some, dice) for (_, text), some in zip(verses, drawn, strict=True)]


def _couplets(text: str) -> list[str]:
    lines = poems.lines_of(text)
    return [poems.verse(lines[place : place + 2]) for place in range(0, len(lines) - 1, 2)]


def _answer(template: Template, task: Task, text: str) -> Answer:
    return Answer(task, text, tuple(template.tokenizer.encode(text)), ended=True)


def _ends(text: str) -> list[int]:
    """Where the even lines' last characters stand."""
    return [end - 1 for _, end in poems.spans_of(text)[1::2]]


@torch.inference_mode()
def _drawn(
    model: GPT, template: Template, answers: Sequence[Answer], count: int, generator: torch.Generator
) -> list[list[list[str]]]:
    """Of each answer, for each of its even lines, `count` tokens that the model would have written at its end."""
    if not answers:
        return []
    x_NTD = model.hidden(assemble(answers)["ids_NT"].to(model.embedding.weight.device))
    rows, columns = [], []
    for row, answer in enumerate(answers):
        places = places_of_tokens(template, answer)
        for end in _ends(answer.text):  # the end mark, if the character is no token by itself
            rows.append(row)
            columns.append(len(answer.task.ids) - 1 + (places.index(end) if end in places else len(places) - 1))
    chances_EV = model.logits(x_NTD[rows, columns]).float().softmax(-1).cpu()
    drawn_EK = torch.multinomial(chances_EV, count, replacement=True, generator=generator).tolist()
    found: list[list[list[str]]] = [[] for _ in answers]
    for row, tokens in zip(rows, drawn_EK, strict=True):
        found[row].append([template.answer([token]) for token in tokens])
    return found


def _ended(text: str, drawn: Sequence[Sequence[str]]) -> str:
    """The text with the first of each even line's `drawn` that is a character at its end."""
    for end, some in zip(_ends(text), drawn, strict=True):
        character = next((one for one in some if _is_character(one)), text[end])
        text = text[:end] + character + text[end + 1 :]
    return text


def _is_character(text: str) -> bool:
    return len(text) == 1 and poems.is_line(text)


def _changed(text: str, drawn: Sequence[Sequence[str]], dice: random.Random) -> list[str]:
    """Versions of `text`; `drawn`: of each even line, what may come at its end, each time another. Some get the last
    character of another even line."""
    ends = _ends(text)
    made = dict[str, None]()
    for characters in zip(*drawn, strict=True):
        new = text
        for place in [place for place in range(len(ends)) if dice.random() < 0.5] or [dice.randrange(len(ends))]:
            others = [text[end] for end in ends if end != ends[place]]
            character = dice.choice(others) if others and dice.random() < ECHOES else characters[place]
            if _is_character(character):
                new = new[: ends[place]] + character + new[ends[place] + 1 :]
        made[new] = None
    return [new for new in made if new != text]
