"""`modou data check`: counts and errors of a file of examples, and which of its tokens would be trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from modou.data.conversation import Message, Segment, Template, segments
from modou.data.formats.columns import Columns
from modou.data.formats.example import Example
from modou.data.formats.reading import Examples, read_examples
from modou.methods.sft import with_control_tokens
from modou.runs.folder import RunFolder

SHOWN = 2
"""Number of examples shown with their loss mask."""


@dataclass(frozen=True)
class Shown:
    """One example with its loss mask: text (one segment per token where a tokenizer is known) and role marks."""

    place: str
    kind: str
    pieces: tuple[Segment, ...]


@dataclass(frozen=True)
class FileFacts:
    """A file of examples."""

    file: str
    """Its path."""
    rows: int
    """Rows."""
    kinds: dict[str, int]
    """Examples of each kind."""
    bad: int
    """Rows that cannot be used."""
    complaints: list[str]
    """Their errors, each as "file:line: reason"."""
    notes: list[str]
    """What was assumed in reading the others, each with its number and first place."""
    tokens: dict[str, int] | None = None
    """Tokens of the "shortest", "median" and "longest" conversation; this and the next two are absent where no run is
    named."""
    context: int | None = None
    """Context of that run's model, in tokens."""
    too_long: int | None = None
    """Conversations that exceed it."""


@dataclass(frozen=True)
class Checked:
    """The result."""

    facts: FileFacts
    examples: Examples
    shown: tuple[Shown, ...]


def check(path: Path, columns: str = "", base: Path | None = None) -> Checked:
    """Reads the whole file; with the run `base`, also tokenizes it. UserError: no such file or run, no text."""
    examples = read_examples(path, Columns(columns))
    bad = examples.complaints
    facts = FileFacts(str(path), examples.rows, examples.counts, len(bad), bad, examples.notes)
    if base is None:
        return Checked(facts, examples, tuple(_shown(examples, None)))
    folder = RunFolder(base)
    folder.require()
    tokenizer, shape, _ = with_control_tokens(folder)
    template, context = Template(tokenizer), shape.context
    lengths = sorted(
        len(template.encode(messages)) for placed in examples.placed for messages in conversations(placed.example)
    )
    # The last token of a conversation is only a target; that of a preference pair is an input, too.
    longest = context + (1 if set(examples.counts) <= {"conversation"} else 0)
    too_long = sum(length > longest for length in lengths)
    if lengths:
        tokens = {"shortest": lengths[0], "median": lengths[len(lengths) // 2], "longest": lengths[-1]}
        facts = replace(facts, tokens=tokens, context=context, too_long=too_long)
    return Checked(facts, examples, tuple(_shown(examples, template)))


def conversations(example: Example) -> Iterator[tuple[Message, ...]]:
    """The conversations of an example: one per answer; none for a plain text or a bare question."""
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
