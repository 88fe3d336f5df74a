"""Verse whose even lines end as a model would have ended them that could not know the rhyme: all but those characters
is the poet's, or the model's own.

A model's own poems differ from real ones in so many ways that a judge taught on them hardly hears the rhyme, and a
character from elsewhere betrays itself by its sense. One that the model thinks fitting leaves little but rhyme, if it
was not told what to rhyme with. So first it ends every couplet as if that were a whole poem; then it reads the poem
with those ends in place of the poet's, and ends each even line again, now knowing all the rest. (Had it read the poet's
ends, it would have rhymed two times in three; had it read only the couplet, the sense of the poem would give it away.)

In real verse the model knows the rhyme nearly as well as a judge can. In its own, where it will have to, it is less
sure, but what makes it surer can be heard: a character that it expects where it has read the ends of the lines before,
and does not where it has read others, is there for the rhyme. So its own verse is first ended by such characters
(`rhymed`), and is then preferred to the same with other ends.

Nothing rhymes as well as a word with itself, and one in six of the verses that such a model writes repeats an end. So
some of the versions differ in nothing else, or a judge would take that for the best rhyme of all.
"""

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from modou.data.conversation import Template
from modou.data.examples import Question
from modou.model.gpt import GPT
from modou.tasks.poems import verse as poems
from modou.tasks.poems.settings import SETTINGS, PoemSettings
from modou.train.rollouts import Answer, assemble, places_of_tokens

Verses = Sequence[tuple[Question, str]]
"""Questions, and a poem for each."""


def own_endings(
    model: GPT,
    template: Template,
    verses: Verses,
    count: int,
    dice: random.Random,
    settings: PoemSettings = SETTINGS,
) -> list[list[str]]:
    """Each verse up to `count` times, some of its even lines with a last character drawn from the model, which has read
    the question and the poem up to there, but with other ends; or one with that of another even line."""
    generator = torch.Generator().manual_seed(dice.getrandbits(63))
    made: list[list[str]] = []
    for (_, text), logs_EV in zip(verses, _unaware(model, template, verses, generator), strict=True):
        drawn_EK = _drawn(template, logs_EV, count, generator)
        made.append(_changed(text, drawn_EK, settings.echoes, dice))
    return made


def rhymed(
    model: GPT, template: Template, verses: Verses, dice: random.Random, settings: PoemSettings = SETTINGS
) -> list[str]:
    """Each verse, its even lines after the first ended by that of some characters drawn from the model which the
    ends before it made likeliest: how likely it is after them over how likely it is after others. No end comes twice.
    """
    generator = torch.Generator().manual_seed(dice.getrandbits(63))
    unaware = _unaware(model, template, verses, generator)
    texts = [text for _, text in verses]
    for line in range(1, max((len(_ends(text)) for text in texts), default=0)):
        rows = [row for row, text in enumerate(texts) if line < len(_ends(text))]
        aware = _end_logs(model, template, [_answer(template, verses[row][0], texts[row]) for row in rows])
        for row, logs_EV in zip(rows, aware, strict=True):
            chances_V = logs_EV[line].exp()
            tokens_K = torch.multinomial(chances_V, settings.candidates, replacement=True, generator=generator)
            gains_K = (logs_EV - unaware[row])[line, tokens_K]
            ends = _ends(texts[row])
            best_first = [template.answer([int(token)]) for token in tokens_K[gains_K.argsort(descending=True)]]
            before = {texts[row][end] for end in ends[:line]}
            fitting = (one for one in best_first if _is_character(one) and one not in before)
            texts[row] = _with_end(texts[row], ends[line], next(fitting, texts[row][ends[line]]))
    return texts


def _unaware(model: GPT, template: Template, verses: Verses, generator: torch.Generator) -> list[Tensor]:
    """What the model expects at the end of each even line, (E, V) log-probabilities a verse, where all ends before are
    such as it gives each couplet by itself."""
    couplets = [_couplets(text) for _, text in verses]
    alone = [
        _answer(template, question, one) for (question, _), some in zip(verses, couplets, strict=True) for one in some
    ]
    guessed = iter([_drawn(template, logs_EV, 1, generator)[0][0] for logs_EV in _end_logs(model, template, alone)])
    disguised: list[Answer] = []
    for (question, text), some in zip(verses, couplets, strict=True):
        for end, character in zip(_ends(text), [next(guessed) for _ in some], strict=True):
            text = _with_end(text, end, character)
        disguised.append(_answer(template, question, text))
    return _end_logs(model, template, disguised)


@torch.inference_mode()
def _end_logs(model: GPT, template: Template, answers: Sequence[Answer]) -> list[Tensor]:
    """What the model expects at the end of each even line of each answer, (E, V) log-probabilities on the CPU."""
    if not answers:
        return []
    x_NTD = model.hidden(assemble(answers)["ids_NT"].to(model.embedding.weight.device))
    found: list[Tensor] = []
    for row, answer in enumerate(answers):
        places, first = places_of_tokens(template, answer), len(answer.question.ids) - 1
        # the end mark's, if the character is no token by itself
        columns = [first + (places.index(end) if end in places else len(places) - 1) for end in _ends(answer.text)]
        found.append(model.logits(x_NTD[row, columns]).float().log_softmax(-1).cpu())
    return found


def _drawn(template: Template, logs_EV: Tensor, count: int, generator: torch.Generator) -> list[list[str]]:
    """For each end `count` tokens that the model would have written there."""
    drawn_EK = torch.multinomial(logs_EV.exp(), count, replacement=True, generator=generator)
    return [[template.answer([token]) for token in tokens] for tokens in drawn_EK.tolist()]


def _couplets(text: str) -> list[str]:
    lines = poems.lines_of(text)
    return [poems.verse(lines[place : place + 2]) for place in range(0, len(lines) - 1, 2)]


def _answer(template: Template, question: Question, text: str) -> Answer:
    return Answer(question, text, tuple(template.tokenizer.encode(text)), ended=True)


def _ends(text: str) -> list[int]:
    """Where the even lines' last characters stand."""
    return [end - 1 for _, end in poems.spans_of(text)[1::2]]


def _with_end(text: str, end: int, character: str) -> str:
    """The text with the character at that end, if it is one."""
    return text[:end] + character + text[end + 1 :] if _is_character(character) else text


def _is_character(text: str) -> bool:
    return len(text) == 1 and poems.is_line(text)


def _changed(text: str, drawn: Sequence[Sequence[str]], echoes: float, dice: random.Random) -> list[str]:
    """Versions of `text`; `drawn`: of each even line, what may come at its end, each time another."""
    ends = _ends(text)
    made = dict[str, None]()
    for characters in zip(*drawn, strict=True):
        new = text
        if len(ends) > 1 and dice.random() < echoes:
            place, again = dice.sample(ends, 2)
            new = _with_end(new, place, text[again])
        else:
            for place in [place for place in range(len(ends)) if dice.random() < 0.5] or [dice.randrange(len(ends))]:
                new = _with_end(new, ends[place], characters[place])
        made[new] = None
    return [new for new in made if new != text]
