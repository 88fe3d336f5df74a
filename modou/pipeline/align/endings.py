"""Real verse whose even lines end as a model would have ended them that had read no other couplet: all but those
characters is the poet's.

A model's own poems differ from real ones in so many ways that a judge taught on them hardly hears the rhyme, and a
character from elsewhere betrays itself by its sense. One that fits its own couplet, and knows of no other, leaves
little but rhyme. (Had the model read them all, it would have rhymed two times in three.) Nothing rhymes as well as a
word with itself: sometimes an even line ends as another does, or the judge would take that for the best rhyme of all.
"""

import random
from collections.abc import Sequence

import torch

from modou.model.gpt import GPT
from modou.tasks import poems
from modou.text.conversation import Template
from modou.train.rollouts import Answer, Task, assemble, places_of_tokens

ECHOES = 1 / 3
"""Of the changed last characters."""


@torch.inference_mode()
def own_endings(
    model: GPT, template: Template, tasks: Sequence[Task], count: int, dice: random.Random
) -> list[list[str]]:
    """Each task's true answer up to `count` times, some of its even lines with a last character drawn from the model,
    which has read the question and the couplet up to there."""
    couplets = [_couplets(template, task) for task in tasks]
    whole = [couplet for some in couplets for couplet in some]
    x_NTD = model.hidden(assemble(whole)["ids_NT"].to(model.embedding.weight.device))
    columns = [_column(template, couplet) for couplet in whole]
    chances_NV = model.logits(x_NTD[range(len(whole)), columns]).float().softmax(-1).cpu()
    generator = torch.Generator().manual_seed(dice.getrandbits(63))
    drawn_NK = torch.multinomial(chances_NV, count, replacement=True, generator=generator)
    drawn = iter([[template.answer([token]) for token in row] for row in drawn_NK.tolist()])
    return [
        _changed(str(task.facts["answer"]), [next(drawn) for _ in some], dice)
        for task, some in zip(tasks, couplets, strict=True)
    ]


def _couplets(template: Template, task: Task) -> list[Answer]:
    """The couplets of a task's true answer, each as if it had been the first to be written."""
    lines = poems.lines_of(str(task.facts["answer"]))
    texts = [poems.verse(lines[place : place + 2]) for place in range(0, len(lines) - 1, 2)]
    return [Answer(task, text, tuple(template.tokenizer.encode(text)), ended=True) for text in texts]


def _column(template: Template, couplet: Answer) -> int:
    """Where the model says what comes at its last character; the end mark, if that is no token by itself."""
    end = poems.spans_of(couplet.text)[1][1] - 1
    places = places_of_tokens(template, couplet)
    return len(couplet.task.ids) - 1 + (places.index(end) if end in places else len(places) - 1)


def _changed(text: str, drawn: Sequence[Sequence[str]], dice: random.Random) -> list[str]:
    """Versions of `text`; `drawn`: of each even line, what may come at its end, each time another. Some get the last
    character of another even line."""
    ends = [end - 1 for _, end in poems.spans_of(text)[1::2]]
    made = dict[str, None]()
    for characters in zip(*drawn, strict=True):
        new = text
        for place in [place for place in range(len(ends)) if dice.random() < 0.5] or [dice.randrange(len(ends))]:
            others = [text[end] for end in ends if end != ends[place]]
            character = dice.choice(others) if others and dice.random() < ECHOES else characters[place]
            if len(character) == 1 and poems.is_line(character):
                new = new[: ends[place]] + character + new[ends[place] + 1 :]
        made[new] = None
    return [new for new in made if new != text]
