"""Real verse whose even lines end as a model would have ended them: all but those characters is the poet's.

A model's own poems differ from real ones in so many ways that a judge taught on them hardly hears the rhyme, and a
character from elsewhere betrays itself by its sense. One that the model itself thought fitting leaves little but rhyme.
"""

import random
from collections.abc import Sequence

import torch

from modou.model.gpt import GPT
from modou.tasks import poems
from modou.text.conversation import Template
from modou.train.rollouts import Answer, Task, assemble, places_of_tokens


@torch.inference_mode()
def own_endings(
    model: GPT, template: Template, tasks: Sequence[Task], count: int, dice: random.Random
) -> list[list[str]]:
    """Each task's true answer up to `count` times, some of its even lines with a last character drawn from the model,
    which has read the real verse up to there."""
    truths = [_true_answer(template, task) for task in tasks]
    x_NTD = model.hidden(assemble(truths)["ids_NT"].to(model.embedding.weight.device))
    generator = torch.Generator().manual_seed(dice.getrandbits(63))
    return [_changed(model, template, answer, x_NTD[row], count, dice, generator) for row, answer in enumerate(truths)]


def _true_answer(template: Template, task: Task) -> Answer:
    """The answer that stands in the data, as if it had been written."""
    text = str(task.facts["answer"])
    return Answer(task, text, tuple(template.tokenizer.encode(text)), ended=True)


def _changed(
    model: GPT,
    template: Template,
    answer: Answer,
    x_TD: torch.Tensor,
    count: int,
    dice: random.Random,
    generator: torch.Generator,
) -> list[str]:
    places, text = places_of_tokens(template, answer), answer.text
    ends = [end - 1 for _, end in poems.spans_of(text)[1::2]]
    # Where a token begins at the character; one that holds more than it is not drawn anew.
    columns = {end: len(answer.task.ids) - 1 + places.index(end) for end in ends if end in places}
    made = dict[str, None]()
    for _ in range(count if columns else 0):
        drawn = text
        for end in [end for end in columns if dice.random() < 0.5] or [dice.choice(list(columns))]:
            chances_V = model.logits(x_TD[columns[end]]).float().softmax(-1).cpu()
            character = template.answer([int(torch.multinomial(chances_V, 1, generator=generator))])
            if len(character) == 1 and poems.is_line(character):
                drawn = drawn[:end] + character + drawn[end + 1 :]
        made[drawn] = None
    return [drawn for drawn in made if drawn != text]
