"""Train a SentencePiece model in memory: what it is fed, and which characters get their own piece."""

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sentencepiece

from modou.messages import UserError
from modou.settings.text import TokenizerKind, TokenizerSettings
from modou.storage import without_surrogates

CONTROLS = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
NEWLINE = "\n"
SPACE = "▁"
"""SentencePiece writes a space as U+2581 inside its pieces."""
RESERVED = 4 + len(CONTROLS) + 1 + 256
"""unk bos eos pad, the control symbols, the newline and the byte pieces."""
MOST_CHARACTERS = 5_000_000
"""Text fed to the trainer at most; measured: BPE needs about 70 bytes of memory a character."""
LONGEST_PIECE = 1000
"""Characters fed at once: the trainer silently skips lines over 4192 bytes, which chapters exceed."""
CHARACTER_SHARE = 0.75
"""Share of the free vocabulary that single characters may take, so that longer pieces find room."""

# Newline is a symbol of its own; a literal U+2581 would be learnt as a space; NUL is refused by the trainer.
_NEVER_INSIDE_PIECES = re.compile("[\n\0▁]+")


@dataclass(frozen=True)
class Training:
    """What a tokenizer was trained with."""

    kind: TokenizerKind
    """Algorithm."""
    requested: int
    """The vocabulary asked for; a small corpus gives fewer pieces."""
    characters: int
    """Characters of the text offered."""
    fed: int
    """Characters used of these, evenly spread."""
    distinct_characters: int
    """Different characters in the fed text, the space not counted."""
    own_piece: int
    """How many of them (the most frequent ones) have a piece of their own."""


def lines(text: str) -> Iterator[str]:
    """The non-empty stretches of `text` that pieces may be learnt from, each at most LONGEST_PIECE long."""
    for line in _NEVER_INSIDE_PIECES.split(without_surrogates(text)):
        for start in range(0, len(line), LONGEST_PIECE):
            yield line[start : start + LONGEST_PIECE]


def sample_evenly(texts: Iterable[str], most: int = MOST_CHARACTERS) -> tuple[list[str], int]:
    """Every n-th line of `texts` such that at most about `most` characters stay, and how many were offered.

    n starts at 1 and doubles whenever the kept lines outgrow `most`: one pass, bounded memory, no randomness.
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


def without_rare(fed: Iterable[str], kept: Iterable[str], counts: Iterable[str]) -> Iterator[str]:
    """The lines cut at every character of `counts` that is not in `kept`: those are left to the byte pieces.

    (SentencePiece's own character_coverage would do this, but accepts nothing below 0.98.)
    """
    rare = dict.fromkeys(map(ord, set(counts) - set(kept)), "\n")
    for line in fed:
        yield from filter(None, line.translate(rare).split("\n")) if rare else (line,)


def train_model(texts: Iterable[str], settings: TokenizerSettings) -> tuple[bytes, Training]:
    """A serialised SentencePiece model of at most `settings.vocabulary` pieces, and what it was trained with.

    Same texts, settings and threads: same bytes. A small corpus gives fewer pieces than asked for.
    UserError: no text, or SentencePiece refuses.
    """
    fed, offered = sample_evenly(texts)
    counts: Counter[str] = Counter()
    for line in fed:
        counts.update(line)
    del counts[" "]
    if not counts:
        raise UserError("tokens.no_text")
    free = settings.vocabulary - RESERVED - 1  # the 1: the space always has its piece
    assert free > 0, "TokenizerSettings bounds the vocabulary from below"
    room = free if settings.kind == "char" else int(free * CHARACTER_SHARE)
    own_piece = [character for character, _ in counts.most_common(room)] + [" "]
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=without_rare(fed, own_piece, counts),
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
            max_sentence_length=LONGEST_PIECE * 8,
            num_threads=settings.threads,
            minloglevel=3,
        )
    except RuntimeError as error:
        raise UserError("tokens.training_failed", reason=error) from error
    used = sum(map(len, fed))
    return model.getvalue(), Training(
        settings.kind, settings.vocabulary, offered, used, len(counts), len(own_piece) - 1
    )
