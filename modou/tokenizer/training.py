"""Train a SentencePiece model in memory: sample the text, choose the characters with a piece of their own."""

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import sentencepiece

from modou.messages import UserError
from modou.settings.text import TokenizerKind, TokenizerSettings
from modou.storage import without_surrogates

CONTROLS = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
NEWLINE = "\n"
SPACE = "▁"
"""U+2581, which represents a space in SentencePiece pieces."""
RESERVED = 4 + len(CONTROLS) + 1 + 256
"""unk, bos, eos, pad, the control tokens, the newline and the byte pieces."""
MOST_CHARACTERS = 5_000_000
"""Maximum sample of text for the trainer: BPE needs about 70 bytes of memory per character (measured)."""
LONGEST_LINE = 1000
"""Maximum characters of a training line: the trainer would silently skip lines over 4192 bytes."""
CHARACTER_SHARE = 0.75
"""Maximum share of the free vocabulary for single characters; the rest is for longer pieces."""

# Newline is a token of its own; a literal U+2581 would be taken for a space; the trainer refuses NUL.
_NEVER_INSIDE_PIECES = re.compile("[\n\0▁]+")


@dataclass(frozen=True)
class Training:
    """How a tokenizer was trained."""

    kind: TokenizerKind
    """Algorithm."""
    requested: int
    """Vocabulary size in the settings; a small corpus gives fewer pieces."""
    characters: int
    """Characters of the training text."""
    fed: int
    """Characters of the even sample of it that was used."""
    distinct_characters: int
    """Distinct characters in the sample, without the space."""
    own_piece: int
    """How many of them, the most frequent, have a piece of their own."""


def lines(text: str) -> Iterator[str]:
    """Cut `text` into non-empty training lines of at most LONGEST_LINE characters."""
    for line in _NEVER_INSIDE_PIECES.split(without_surrogates(text)):
        for start in range(0, len(line), LONGEST_LINE):
            yield line[start : start + LONGEST_LINE]


def sample_evenly(texts: Iterable[str], most: int = MOST_CHARACTERS) -> tuple[list[str], int]:
    """Return every n-th line of `texts`, about `most` characters at most, and the number of characters of all lines.

    n starts at 1 and doubles whenever the sample exceeds `most`: one pass, bounded memory, deterministic.
    """
    kept: list[str] = []
    kept_characters = offered = 0
    every = 1
    for number, line in enumerate(line for text in texts for line in lines(text)):
        offered += len(line)
        if number % every:
            continue
        kept.append(line)
        kept_characters += len(line)
        while kept_characters > most and len(kept) > 1:
            kept = kept[::2]
            kept_characters = sum(map(len, kept))
            every *= 2
    return kept, offered


def without_rare(sample: Iterable[str], kept: Iterable[str], counts: Iterable[str]) -> Iterator[str]:
    """Cut the lines at every character of `counts` that is not in `kept`; such characters are encoded as bytes.

    SentencePiece's character_coverage would do the same, but only for values of at least 0.98.
    """
    rare = dict.fromkeys(map(ord, set(counts) - set(kept)), "\n")
    for line in sample:
        yield from filter(None, line.translate(rare).split("\n")) if rare else (line,)


def train_model(texts: Iterable[str], settings: TokenizerSettings) -> tuple[bytes, Training]:
    """Train a SentencePiece model of at most `settings.vocabulary` pieces; return its bytes and how it was trained.

    Deterministic for the same texts, settings and threads. A small corpus gives fewer pieces.
    UserError: no text, or SentencePiece refuses.
    """
    sample, offered = sample_evenly(texts)
    counts = Counter(chain.from_iterable(sample))
    del counts[" "]
    if not counts:
        raise UserError("tokens.no_text")
    free = settings.vocabulary - RESERVED - 1  # 1 for the space
    assert free > 0, "TokenizerSettings bounds the vocabulary from below"
    room = free if settings.kind == "char" else int(free * CHARACTER_SHARE)
    own_piece = [character for character, _ in counts.most_common(room)] + [" "]
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=without_rare(sample, own_piece, counts),
            model_writer=model,
            model_type=settings.kind,
            vocab_size=settings.vocabulary,
            hard_vocab_limit=False,
            character_coverage=1.0,
            required_chars=SPACE,
            byte_fallback=True,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            split_digits=True,
            unk_id=0,
            bos_id=1,
            eos_id=2,
            pad_id=3,
            control_symbols=list(CONTROLS),
            user_defined_symbols=[NEWLINE],
            max_sentence_length=LONGEST_LINE * 8,
            num_threads=settings.threads,
            minloglevel=3,
        )
    except RuntimeError as error:
        raise UserError("tokens.training_failed", reason=error) from error
    used = sum(map(len, sample))
    return model.getvalue(), Training(
        settings.kind, settings.vocabulary, offered, used, len(counts), len(own_piece) - 1
    )
