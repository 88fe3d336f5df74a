"""`modou data check`: what a file of examples holds, what is wrong with it, and which of its text would be learned."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modou.data.conversation import Message, Segment, Template, segments
from modou.data.formats.columns import Columns
from modou.data.formats.example import Example
from modou.data.formats.reading import Examples, read_examples
from modou.methods.sft import with_control_tokens
from modou.runs.folder import RunFolder

SHOWN = 2
"""Examples of which the trained text is shown."""


@dataclass(frozen=True)
class Shown:
    """One example, as it would be trained on: pieces of text (tokens, where a tokenizer is known) and marks."""

    place: str
    kind: str
    pieces: tuple[Segment, ...]


@dataclass(frozen=True)
class Checked:
    """What was found. `lengths`: tokens of the shortest, the middle and the longest conversation; `too_long`: how many
    do not fit the model's context."""

    path: Path
    examples: Examples
    shown: tuple[Shown, ...]
    lengths: tuple[int, int, int] | None = None
    context: int | None = None
    too_long: int = 0

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        values: dict[str, Any] = {
            "file": str(self.path),
            "rows": len(self.examples.placed) + len(self.examples.complaints),
            "kinds": self.examples.counts,
            "bad": len(self.examples.complaints),
            "complaints": self.examples.complaints,
        }
        if self.lengths is not None:
            shortest, middle, longest = self.lengths
            values["tokens"] = {"shortest": shortest, "median": middle, "longest": longest}
            values |= {"context": self.context, "too_long": self.too_long}
        return values


def check(path: Path, columns: str = "", base: Path | None = None) -> Checked:
    """Reads the whole file; with a run, as its tokenizer cuts it. UserError: no such file or run, no text."""
    examples = read_examples(path, Columns(columns))
    if base is None:
        return Checked(path, examples, tuple(_shown(examples, None)))
    folder = RunFolder(base)
    folder.require()
    tokenizer, shape, _ = with_control_tokens(folder)
    template, context = Template(tokenizer), shape.context
    lengths = sorted(
        len(template.encode(messages)) for placed in examples.placed for messages in conversations(placed.example)
    )
    middle = (lengths[0], lengths[len(lengths) // 2], lengths[-1]) if lengths else None
    most = context + (1 if set(examples.counts) <= {"conversation"} else 0)  # of a pair the end is an input, too
    too_long = sum(length > most for length in lengths)
    return Checked(path, examples, tuple(_shown(examples, template)), middle, context, too_long)


def conversations(example: Example) -> Iterator[tuple[Message, ...]]:
    """The conversations that an example is made of; a text or a bare question is none."""
    match example.kind:
        case "conversation" | "unpaired":
            yield example.messages
        case "preference":
            for answer in (example.chosen, example.rejected):
                yield (*example.messages, Message("assistant", answer))
        case _:
            pass


def _shown(examples: Examples, template: Template | None) -> Iterator[Shown]:
    for placed in examples.placed[:SHOWN]:
        for messages in conversations(placed.example):
            yield Shown(placed.place, placed.example.kind, tuple(_pieces(messages, template)))


def _pieces(messages: Sequence[Message], template: Template | None) -> Iterator[Segment]:
    for segment in segments(messages):
        if segment.mark or template is None:
            yield segment
        else:
            tokenizer = template.tokenizer
            for token in tokenizer.encode(segment.text):
                yield Segment(None, tokenizer.piece(token), segment.trained)
