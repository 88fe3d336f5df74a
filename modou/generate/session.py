"""A trained run in use: it continues a text, answers a conversation, and scores a text.

One Session serves programs (`modou.load`) and the commands generate, chat and prefer.
"""

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
from modou.data.formats.turns import check, messages_of
from modou.errors import UserError
from modou.generate import engine
from modou.generate.engine import Notice, Piece, Prompt
from modou.model.device import choose_device
from modou.model.gpt import GPT
from modou.model.windows import score_texts
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import load_model
from modou.settings.methods import METHODS
from modou.settings.sampling import SamplingOptions, SamplingSettings, with_options
from modou.tokenizer.tokenizer import Tokenizer
from modou.tokenizer.training import without_surrogates

Turns = Sequence[Mapping[str, Any]]
"""A conversation as `{"role": ..., "content": ...}` objects; every form of turns that `modou sft` reads will do."""


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """One token of a scored text.

    `text` = source[start:end], the characters that this token completes: those whose last UTF-8 byte it holds. So each
    character belongs to one token. A token that holds the first bytes of a character only has an empty `text`, as has
    the end mark. `log_probability` is natural, given all tokens before.
    """

    text: str
    start: int
    end: int
    log_probability: float


@dataclass(frozen=True, eq=False)
class Session:
    """A model, its tokenizer, and how it is asked: the checkpoint of `step` in the run folder `path`.

    A base model (`template` is None) continues the text it is given. A model of `modou sft` or a later method answers:
    a string is the user's turn of a conversation, written as `template` does. Token ids are taken as they are.
    """

    model: GPT = field(repr=False)
    tokenizer: Tokenizer = field(repr=False)
    template: Template | None = field(repr=False)
    step: int
    path: Path

    @classmethod
    def load(cls, path: str | Path, checkpoint: str | int = "best", device: str = "auto") -> Self:
        """The model in the run folder `path`.

        checkpoint: "best", "latest", or the number of a step. device: "auto", "cpu", "cuda" or "mps".
        UserError (a ValueError): no run, no such checkpoint or device, a reward model, which writes nothing.
        """
        chosen = choose_device(device)
        if not isinstance(checkpoint, int) and checkpoint not in ("best", "latest"):
            raise UserError("generate.bad_checkpoint", which=str(checkpoint)[:60])
        run = RunFolder(Path(path))
        method = METHODS[Record[Any].read(run).method]
        if method.scores:
            raise UserError("generate.only_scores", path=path)
        model, tokenizer, step = load_model(run, checkpoint)
        return cls(model.to(chosen), tokenizer, Template(tokenizer) if method.answers else None, step, run.path)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.model.embedding.weight.device

    def write(self, prompt: Prompt, sampling: SamplingSettings) -> Iterator[Piece | Notice]:
        """`sampling.samples` texts, token by token, with ids and log-probabilities; see `engine.generate`.

        UserError: a prompt's id is not in the vocabulary.
        """
        if isinstance(prompt, str) and self.template is not None:
            prompt = self.template.prompt([Message("user", prompt)])
        ends = None if self.template is None else self.template.ends
        return engine.generate(self.model, self.tokenizer, [prompt], sampling, ends=ends)

    def answer(self, messages: Sequence[Message], sampling: SamplingSettings) -> Iterator[Piece | Notice]:
        """An answer to a conversation that ends with the user's turn, token by token; notices come first.

        The oldest pairs of turns of a conversation that leaves the answer no room are left out, and a notice says so;
        the system message stays. UserError: a base model.
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
        """What `generate` returns, piece by piece as it is written."""
        return _shown(self.write(prompt, with_options(SamplingSettings(), options)))

    def generate(self, prompt: Prompt, **options: Unpack[SamplingOptions]) -> str:
        """What the model writes after `prompt` (which is not repeated), as `modou generate` shows it.

        options: the fields of SamplingSettings (tokens, temperature, top_k, top_p, min_p, repetition_penalty,
        no_repeat_ngram, stop, seed). Same options, same text. A warning tells of a prompt that is too long.
        ValueError: an unknown option, a value out of bounds.
        """
        return "".join(self.stream(prompt, **options))

    def stream_chat(self, messages: Turns, **options: Unpack[SamplingOptions]) -> Iterator[str]:
        """What `chat` returns, piece by piece as it is written."""
        return _shown(self.answer(_conversation(messages), with_options(SamplingSettings(), options)))

    def chat(self, messages: Turns, **options: Unpack[SamplingOptions]) -> str:
        """The model's answer to a conversation, for example `[{"role": "user", "content": "Who are you?"}]`.

        It ends with a turn of the user; a system message may come first. options: as `generate`. A warning tells of
        turns that were left out. ValueError: a base model, no conversation, a wrong option.
        """
        return "".join(self.stream_chat(messages, **options))

    def score(self, text: str) -> list[ScoredToken]:
        """The log-probability of every token of `text`, and last of the end mark.

        The text is read as evaluation reads it, as a document of its own through windows of the context, so that the
        sum is what `modou evaluate` counts (in bits). The tokens' texts joined are `text`.
        """
        ids = [self.tokenizer.bos, *self.tokenizer.encode(text), self.tokenizer.eos]
        (log,) = score_texts(self.model, [ids])
        bytes_of_tokens = [len(self.tokenizer.piece_bytes[id]) for id in ids[1:]]
        bytes_of_characters = [len(character.encode()) for character in without_surrogates(text)]
        reached = np.cumsum(bytes_of_tokens)
        places = np.searchsorted(np.cumsum(bytes_of_characters, dtype=np.int64), reached, side="right").tolist()
        assert places[-1] == len(text), "the tokenizer restores every text"
        return [
            ScoredToken(text[start:end], start, end, value)
            for start, end, value in zip([0, *places], places, log.tolist(), strict=False)
        ]

    def _kept(self, template: Template, messages: Sequence[Message], tokens: int) -> Sequence[Message]:
        """The messages without so many of the oldest pairs that the others leave room for an answer of `tokens`, or
        half a context. The last message stays, however long."""
        context = self.model.settings.context
        room = context - min(tokens, context // 2)
        lengths = [len(template.encode([message])) - 1 for message in messages]
        total = 2 + sum(lengths)
        first = end = int(messages[0].role == "system")
        while total > room and end + 2 < len(messages):
            total -= sum(lengths[end : end + 2])
            end += 2
        return [*messages[:first], *messages[end:]]

    def _after_notice(self, left_out: int, events: Iterable[Piece | Notice]) -> Iterator[Piece | Notice]:
        values = {"turns": left_out, "context": self.model.settings.context}
        yield Notice(0, "generate.turns_left_out", values)
        yield from events


def _shown(events: Iterable[Piece | Notice]) -> Iterator[str]:
    """The texts of the pieces; notices become warnings."""
    for event in events:
        if isinstance(event, Notice):
            warnings.warn(str(event), stacklevel=2)
        elif event.text:
            yield event.text


def _conversation(turns: Turns) -> tuple[Message, ...]:
    """Checked messages that end with the user's turn. UserError names the first fault."""
    try:
        return check(messages_of(turns if isinstance(turns, str) else list(turns)), "user")
    except BadExample as bad:
        reason = catalogue.text(bad.key, **bad.values)
        raise UserError("generate.no_conversation", reason=reason) from None
