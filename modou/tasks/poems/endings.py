"""Rejected poems that differ from the chosen one in rhyme only: last characters of even lines are replaced by samples
from a model that cannot know the rhyme.

Samples of whole poems differ from real ones in so many ways that a reward model hardly learns rhyme, and random
characters are recognised by their sense. So the replacements are sampled in two passes: first the model ends every
couplet as if it were a whole poem; then it samples the end of each even line given the poem with those ends instead of
the poet's. (Given the poet's ends, it would rhyme two times in three; given only the couplet, the sense would not fit.)

The model's own poems rhyme less reliably. There `rhymed` first replaces the ends by characters whose likelihood given
the real earlier ends is highest relative to that given other ends, which are those that rhyme; the result is preferred
to the same poem with replaced ends.

Some versions differ only in repeating an end of another line: identical characters are no rhyme, but a reward model
would take them for the best one, and a sixth of the model's poems have them.
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
from modou.train.rollouts import Answer, pad_answers, token_offsets

Verses = Sequence[tuple[Question, str]]
"""Questions with a poem for each."""


def own_endings(
    model: GPT,
    template: Template,
    verses: Verses,
    count: int,
    dice: random.Random,
    settings: PoemSettings = SETTINGS,
) -> list[list[str]]:
    """Up to `count` versions of each poem, in which some even lines end with characters sampled as described above, or
    one with the end of another even line."""
    generator = torch.Generator().manual_seed(dice.getrandbits(63))
    made: list[list[str]] = []
    for (_, text), logs_EV in zip(verses, _end_logs_without_rhyme(model, template, verses, generator), strict=True):
        drawn_EK = _drawn(template, logs_EV, count, generator)
        made.append(_changed(text, drawn_EK, settings.echoes, dice))
    return made


def rhymed(
    model: GPT, template: Template, verses: Verses, dice: random.Random, settings: PoemSettings = SETTINGS
) -> list[str]:
    """Each poem with even lines after the first that rhyme: of `settings.candidates` sampled characters, the one with
    the largest ratio of its likelihood given the earlier ends to that given other ends, and not yet an end.
    """
    generator = torch.Generator().manual_seed(dice.getrandbits(63))
    unaware = _end_logs_without_rhyme(model, template, verses, generator)
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


def _end_logs_without_rhyme(model: GPT, template: Template, verses: Verses, generator: torch.Generator) -> list[Tensor]:
    """As `_end_logs`, with the earlier ends replaced by samples for each couplet by itself."""
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
    """For each answer, log-probabilities of the token at the end of each even line, (E, V) on the CPU."""
    if not answers:
        return []
    x_NTD = model.hidden(pad_answers(answers)["ids_NT"].to(model.embedding.weight.device))
    found: list[Tensor] = []
    for row, answer in enumerate(answers):
        offsets, first = token_offsets(template, answer), len(answer.question.ids) - 1
        # the end mark's position, if the character is not a token by itself
        columns = [first + (offsets.index(end) if end in offsets else len(offsets) - 1) for end in _ends(answer.text)]
        found.append(model.logits(x_NTD[row, columns]).float().log_softmax(-1).cpu())
    return found


def _drawn(template: Template, logs_EV: Tensor, count: int, generator: torch.Generator) -> list[list[str]]:
    """`count` sampled tokens for each end, as text."""
    drawn_EK = torch.multinomial(logs_EV.exp(), count, replacement=True, generator=generator)
    return [[template.answer([token]) for token in tokens] for tokens in drawn_EK.tolist()]


def _couplets(text: str) -> list[str]:
    lines = poems.lines_of(text)
    return [poems.verse(lines[place : place + 2]) for place in range(0, len(lines) - 1, 2)]


def _answer(template: Template, question: Question, text: str) -> Answer:
    return Answer(question, text, tuple(template.tokenizer.encode(text)), ended=True)


def _ends(text: str) -> list[int]:
    """Offsets of the even lines' last characters."""
    return [end - 1 for _, end in poems.spans_of(text)[1::2]]


def _with_end(text: str, end: int, character: str) -> str:
    """The text with another character at that offset; unchanged if it is not a single Chinese character."""
    return text[:end] + character + text[end + 1 :] if _is_character(character) else text


def _is_character(text: str) -> bool:
    return len(text) == 1 and poems.is_line(text)


def _changed(text: str, drawn: Sequence[Sequence[str]], echoes: float, dice: random.Random) -> list[str]:
    """Versions of `text`. drawn: the sampled ends of each even line, one for each version."""
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
