"""A loaded run: generation, chat, and log-probabilities. Used by `modou.load` and the commands generate, chat,
prefer."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, Unpack

import numpy as np
import torch

from modou import messages as catalogue
from modou.data.conversation import Message, Template
from modou.data.formats.example import BadExample
from modou.data.formats.turns import check, in_order, messages_of
from modou.generate import engine
from modou.generate.engine import GenerationNotice, Piece, Prompt
from modou.messages import UserError
from modou.model.device import choose_device
from modou.model.gpt import GPT
from modou.model.windows import score_texts
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import load_model
from modou.settings.methods import METHODS
from modou.settings.sampling import SamplingOptions, SamplingSettings, with_options
from modou.tokenizer.tokenizer import Tokenizer

Turns = Sequence[Mapping[str, Any]]
"""A conversation as `{"role": ..., "content": ...}` objects, or in any other format of turns that `modou sft` reads."""


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """One token of a scored text.

    text: source[start:end], the characters whose last UTF-8 byte the token contains; empty if it only contains first
    bytes of a character, and for eos. log_probability: in nats, given all earlier tokens.
    """

    text: str
    start: int
    end: int
    log_probability: float


@dataclass(frozen=True, eq=False)
class Session:
    """A model with its tokenizer, loaded from the checkpoint of `step` in the run folder `path`.

    A base model (template is None) continues a prompt. A model of `modou sft` or a later method answers: a string
    prompt is the user's turn of a conversation, formatted by `template`. Token ids are used as they are.
    """

    model: GPT = field(repr=False)
    tokenizer: Tokenizer = field(repr=False)
    template: Template | None = field(repr=False)
    step: int
    path: Path

    @classmethod
    def load(cls, path: str | Path, checkpoint: str | int = "best", device: str = "auto") -> Self:
        """Loads the model of the run folder `path`.

        checkpoint: "best", "latest", or the number of a step. device: "auto", "cpu", "cuda" or "mps".
        UserError (a ValueError): no run, no such checkpoint or device, or a reward model.
        """
        chosen = choose_device(device)
        if not isinstance(checkpoint, int) and checkpoint not in ("best", "latest"):
            raise UserError("generate.bad_checkpoint", which=str(checkpoint)[:60])
        run = RunFolder(Path(path))
        record = Record[Any].read(run)
        if METHODS[record.method].scores:
            raise UserError("generate.only_scores", path=path)
        model, tokenizer, step = load_model(run, checkpoint)
        return cls(model.to(chosen), tokenizer, Template(tokenizer) if record.answers else None, step, run.path)

    @property
    def device(self) -> torch.device:
        """The model's device."""
        return self.model.embedding.weight.device

    def write(self, prompt: Prompt, sampling: SamplingSettings) -> Iterator[Piece | GenerationNotice]:
        """Streams `sampling.samples` texts token by token, see `engine.generate`. UserError: an id outside the
        vocabulary."""
        if isinstance(prompt, str) and self.template is not None:
            prompt = self.template.prompt([Message("user", prompt)])
        ends = None if self.template is None else self.template.ends
        return engine.generate(self.model, self.tokenizer, [prompt], sampling, ends=ends)

    def answer(self, messages: Sequence[Message], sampling: SamplingSettings) -> Iterator[Piece | GenerationNotice]:
        """Streams an answer to a conversation that ends with the user's turn, token by token; notices come first.

        If a conversation leaves no room for the answer, its oldest pairs of turns are left out, but not the system
        message, and a notice says so. UserError: a base model.
        """
        if self.template is None:
            raise UserError("align.no_answers", path=self.path)
        kept = self._kept(self.template, messages, sampling.tokens)
        events = self.write(self.template.prompt(kept), sampling)
        return events if len(kept) == len(messages) else self._after_notice(len(messages) - len(kept), events)

    def texts(self, prompt: Prompt, sampling: SamplingSettings) -> list[str]:
        """`sampling.samples` whole texts. UserError: as `write`."""
        texts = [""] * sampling.samples
        for event in self.write(prompt, sampling):
            if isinstance(event, Piece):
                texts[event.sample] += event.text
        return texts

    def stream(self, prompt: Prompt, **options: Unpack[SamplingOptions]) -> Iterator[str]:
        """As `generate`, but yields the text piece by piece."""
        return _shown(self.write(prompt, with_options(SamplingSettings(), options)))

    def generate(self, prompt: Prompt, **options: Unpack[SamplingOptions]) -> str:
        """Generates text after `prompt` and returns it without the prompt, as `modou generate` shows it.

        options: the fields of SamplingSettings (tokens, temperature, top_k, top_p, min_p, repetition_penalty,
        no_repeat_ngram, stop, seed). The result is deterministic. Warns if the prompt is longer than the context.
        ValueError: an unknown option, a value out of bounds.
        """
        return "".join(self.stream(prompt, **options))

    def stream_chat(self, messages: Turns, **options: Unpack[SamplingOptions]) -> Iterator[str]:
        """As `chat`, but yields the text piece by piece."""
        return _shown(self.answer(_conversation(messages), with_options(SamplingSettings(), options)))

    def chat(self, messages: Turns, **options: Unpack[SamplingOptions]) -> str:
        """The model's answer to a conversation, for example `[{"role": "user", "content": "Who are you?"}]`.

        It must end with a turn of the user; a system message may come first. options: as for `generate`. Warns if turns
        had to be left out. ValueError: a base model, no valid conversation, a wrong option.
        """
        return "".join(self.stream_chat(messages, **options))

    def score(self, text: str) -> list[ScoredToken]:
        """The log-probability of every token of `text` and of eos after it.

        Computed as in evaluation, with `text` as a document and a sliding window, so that the sum is what `modou
        evaluate` reports (in bits). The tokens' texts concatenated are `text` as the tokenizer normalises it, which the
        offsets refer to.
        """
        text = self.tokenizer.normalise(text)
        ids = [self.tokenizer.bos, *self.tokenizer.encode(text), self.tokenizer.eos]
        (log,) = score_texts(self.model, [ids])
        bytes_of_tokens = [len(self.tokenizer.piece_bytes[id]) for id in ids[1:]]
        bytes_of_characters = [len(character.encode()) for character in text]
        reached = np.cumsum(bytes_of_tokens)
        places = np.searchsorted(np.cumsum(bytes_of_characters, dtype=np.int64), reached, side="right").tolist()
        assert places[-1] == len(text), "the tokenizer restores every text"
        return [
            ScoredToken(text[start:end], start, end, value)
            for start, end, value in zip([0, *places], places, log.tolist(), strict=False)
        ]

    def _kept(self, template: Template, messages: Sequence[Message], tokens: int) -> Sequence[Message]:
        """The messages without the oldest pairs of turns, as few as leave room for an answer of `tokens` or half a
        context. The last message is always kept."""
        context = self.model.settings.context
        room = context - min(tokens, context // 2)
        lengths = [len(template.encode([message])) - 1 for message in messages]
        total = 2 + sum(lengths)
        first = end = int(messages[0].role == "system")
        while total > room and end + 2 < len(messages):
            total -= sum(lengths[end : end + 2])
            end += 2
        return [*messages[:first], *messages[end:]]

    def _after_notice(
        self, left_out: int, events: Iterable[Piece | GenerationNotice]
    ) -> Iterator[Piece | GenerationNotice]:
        values = {"turns": left_out, "context": self.model.settings.context}
        yield GenerationNotice(0, "generate.turns_left_out", values)
        yield from events


def _shown(events: Iterable[Piece | GenerationNotice]) -> Iterator[str]:
    """The texts of the pieces; notices are issued as warnings."""
    for event in events:
        if isinstance(event, GenerationNotice):
            warnings.warn(str(event), stacklevel=2)
        elif event.text:
            yield event.text


def _conversation(turns: Turns) -> tuple[Message, ...]:
    """Validated messages that end with the user's turn. UserError names the first error."""
    try:
        messages, _ = in_order(messages_of(turns if isinstance(turns, str) else list(turns)))
        check(messages, "user")
        return messages
    except BadExample as bad:
        reason = catalogue.text(bad.key, **bad.values)
        raise UserError("generate.no_conversation", reason=reason) from None
