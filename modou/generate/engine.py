"""Text generation from prompts: `generate` streams pieces, `complete` returns whole texts.

A string prompt is encoded with bos before it, as documents of the training data (unless the tokenizer of another model
does otherwise); token ids are used as they are. Each prompt is continued `samples` times.

Pieces begin with their space, so a space at a prompt's end is followed by what hardly ever follows one. It is therefore
left to the model: the first token is one that begins with a space, which is not part of the generated text.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from modou import messages
from modou.generate.decode import Decoder, Request, Token, window_start
from modou.generate.stops import StopStrings
from modou.messages import UserError
from modou.model.gpt import GPT, evaluation_mode
from modou.settings.sampling import SamplingSettings
from modou.tokenizer.tokenizer import Tokenizer

Finish = Literal["stop", "length", "end"]
Prompt = str | Sequence[int]

ROWS = 64
"""Maximum batch size, which bounds the memory of the cache."""
SPREAD = 32
"""Maximum difference of the prompts' lengths in a batch, in tokens: see modou.generate.decode."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One generated token of one text.

    text: what can be shown now, empty while a character or a possible stop string is incomplete. finish: set on the
    last piece of a text; "stop": a stop string (not part of the text), "end": an end token, "length": the maximum
    number of tokens. log_probability: in nats, under softmax(logits / temperature) over the whole vocabulary.
    """

    prompt: int
    sample: int
    text: str
    id: int
    log_probability: float
    finish: Finish | None = None


@dataclass(frozen=True, slots=True)
class GenerationNotice:
    """A message for the user about a prompt; str() gives it in the current language."""

    prompt: int
    key: str
    values: dict[str, int]

    def __str__(self) -> str:
        return messages.text(self.key, **self.values)


@dataclass(slots=True)
class Generation:
    """A whole text. The ids include the end token or the tokens of the stop string, the text does not."""

    prompt: int
    sample: int
    text: str = ""
    ids: list[int] = field(default_factory=list[int])
    log_probabilities: list[float] = field(default_factory=list[float])
    finish: Finish = "length"


def generate(
    model: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[Prompt],
    settings: SamplingSettings,
    *,
    ends: Collection[int] | None = None,
    keys: Sequence[tuple[int, ...]] | None = None,
) -> Iterator[Piece | GenerationNotice]:
    """Continues every prompt `settings.samples` times; yields notices first.

    ends: ids that end a text; default: the tokenizer's eos. keys: for each prompt, one or two numbers which, with the
    seed and the sample's number, determine its random numbers; default: its index in `prompts`. UserError: the
    vocabularies of model and tokenizer differ, or a prompt has an id outside it.
    """
    if model.settings.vocabulary != tokenizer.vocabulary:
        values = {"model": model.settings.vocabulary, "tokenizer": tokenizer.vocabulary}
        raise UserError("generate.vocabularies_differ", **values)
    left = [leaves_space(prompt, tokenizer) for prompt in prompts]
    given = [prompt[:-1] if leaves else prompt for prompt, leaves in zip(prompts, left, strict=True)]
    encoded = [encode(prompt, tokenizer, model.settings.vocabulary) for prompt in given]
    for index, ids in enumerate(encoded):
        start, context = window_start(len(ids), model.settings.context), model.settings.context
        if start:
            values = {"length": len(ids), "context": context, "kept": len(ids) - start}
            yield GenerationNotice(index, "generate.prompt_too_long", values)
    ends = frozenset([tokenizer.eos]) if ends is None else frozenset(ends)
    texts = [
        _Text(prompt, sample, tokenizer, settings, ends, left[prompt])
        for prompt in range(len(prompts))
        for sample in range(settings.samples)
    ]
    with evaluation_mode(model):
        for group in _groups(texts, encoded):
            requests = [
                Request(
                    encoded[text.prompt],
                    (*(keys[text.prompt] if keys else (text.prompt,)), text.sample),
                    tokenizer.spaced if left[text.prompt] else (),
                )
                for text in group
            ]
            yield from _decode(Decoder(model, requests, settings, tokenizer.unseen - ends), group)


def complete(
    model: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[Prompt],
    settings: SamplingSettings,
    *,
    ends: Collection[int] | None = None,
    keys: Sequence[tuple[int, ...]] | None = None,
) -> list[Generation]:
    """The whole texts of `generate`: prompt by prompt, the samples of each in order."""
    results = [[Generation(prompt, sample) for sample in range(settings.samples)] for prompt in range(len(prompts))]
    for event in generate(model, tokenizer, prompts, settings, ends=ends, keys=keys):
        if isinstance(event, Piece):
            result = results[event.prompt][event.sample]
            result.text += event.text
            result.ids.append(event.id)
            result.log_probabilities.append(event.log_probability)
            result.finish = event.finish or result.finish
    return [result for samples in results for result in samples]


def leaves_space(prompt: Prompt, tokenizer: Tokenizer) -> bool:
    """Whether the space at a prompt's end is left to the model."""
    return isinstance(prompt, str) and prompt.endswith(" ") and bool(tokenizer.spaced)


def encode(prompt: Prompt, tokenizer: Tokenizer, vocabulary: int) -> list[int]:
    """The ids of a prompt; before a string stands bos, if the tokenizer puts it there. UserError: an id outside the
    model's vocabulary."""
    if isinstance(prompt, str):
        ids = [*([tokenizer.bos] if tokenizer.begins else []), *tokenizer.encode(prompt)]
    else:
        ids = list(prompt)
    for id in ids:
        if not 0 <= id < vocabulary:
            raise UserError("generate.token_out_of_vocabulary", id=id, largest=vocabulary - 1)
    return ids or [tokenizer.bos]


class _Text:
    """A text being generated: tokens to pieces."""

    def __init__(
        self,
        prompt: int,
        sample: int,
        tokenizer: Tokenizer,
        settings: SamplingSettings,
        ends: frozenset[int],
        spaced: bool,
    ) -> None:
        """`spaced`: the text begins with a space that the prompt has shown."""
        self.prompt, self.sample = prompt, sample
        self._shown = " " if spaced else ""
        self._characters = tokenizer.stream()
        self._stops = StopStrings(settings.stop)
        self._ends, self._left = ends, settings.tokens

    def push(self, token: Token) -> Piece:
        self._left -= 1
        ended = token.id in self._ends
        new = "" if ended else self._characters.push(token.id)
        new, self._shown = new.removeprefix(self._shown), ""
        text, stopped = self._stops.push(new)
        if not stopped and (ended or not self._left):
            tail, stopped = self._stops.push(self._characters.end())
            text += tail if stopped else tail + self._stops.rest()
        finish: Finish | None = "stop" if stopped else "end" if ended else None if self._left else "length"
        return Piece(self.prompt, self.sample, text, token.id, token.log_probability, finish)


def _groups(texts: Sequence[_Text], encoded: Sequence[Sequence[int]]) -> Iterator[list[_Text]]:
    """Batches of texts with prompts of similar length."""
    group: list[_Text] = []
    shortest = 0
    for text in sorted(texts, key=lambda text: len(encoded[text.prompt])):
        length = len(encoded[text.prompt])
        if group and (len(group) == ROWS or length > shortest + SPREAD):
            yield group
            group = []
        shortest = shortest if group else length
        group.append(text)
    if group:
        yield group


def _decode(decoder: Decoder, texts: Sequence[_Text]) -> Iterator[Piece]:
    while decoder.open:
        for token in decoder.step():
            piece = texts[token.request].push(token)
            if piece.finish:
                decoder.finish(token.request)
            yield piece
