"""A SentencePiece tokenizer of ours as the tokenizer.json of the library tokenizers.

BPE and char give the same ids for every text. Unigram does where one cut is clearly the likeliest: SentencePiece adds
log-probabilities in 32 bits, so that its rounding decides between cuts that differ by a millionth of their sum.
A space is a space in the vocabulary (▁ is no piece and falls to its bytes, as in `Tokenizer.encode`), and nothing is
normalised. Merges are all splits of every piece into two, in the order of the pieces' scores: SentencePiece merges by
the score of the result, whichever its parts.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modou.storage import write_bytes_atomically, write_json_atomically
from modou.tokenizer.byte_level import FILE_NAME
from modou.tokenizer.model import model_kind
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.tokenizer import Tokenizer
from modou.tokenizer.training import NEWLINE, SPACE

_BYTE = "0x[0-9A-F]{2}>"


def write_tokenizer_json(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes tokenizer.json; a tokenizer that came as one goes out as it came. UserError: disk full, no permission."""
    if isinstance(tokenizer, SentencePieceTokenizer):
        write_json_atomically(folder / FILE_NAME, tokenizer_json(tokenizer))
    else:
        write_bytes_atomically(folder / FILE_NAME, tokenizer.files[FILE_NAME])


def tokenizer_json(tokenizer: SentencePieceTokenizer) -> dict[str, Any]:
    """The contents of tokenizer.json; it puts bos before a text."""
    names = [name.replace(SPACE, " ") for name in tokenizer.pieces()]
    marks = {token: name for token, name in enumerate(names) if token == tokenizer.unk or tokenizer.is_control(token)}
    bos, is_unigram = names[tokenizer.bos], model_kind(tokenizer.model) == "unigram"
    first = {"SpecialToken": {"id": bos, "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(token, name) for token, name in marks.items()],
        "normalizer": None,
        "pre_tokenizer": _guard(marks.values()) if is_unigram else None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [first, _sequence("A", 0)],
            "pair": [first, _sequence("A", 0), _sequence("B", 1)],
            "special_tokens": {bos: {"id": bos, "ids": [tokenizer.bos], "tokens": [bos]}},
        },
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": _unigram(tokenizer, names) if is_unigram else _bpe(tokenizer, names, marks),
    }


def _added(token: int, name: str) -> dict[str, Any]:
    off = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": token, "content": name, **off, "special": True}


def _sequence(name: str, type_id: int) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": type_id}}


def _bpe(tokenizer: SentencePieceTokenizer, names: Sequence[str], marks: Collection[int]) -> dict[str, Any]:
    scores = {
        name: tokenizer.score(token)
        for token, name in enumerate(names)
        if token not in marks and not tokenizer.is_byte(token) and name != NEWLINE
    }
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": names[tokenizer.unk or 0],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": True,
        "ignore_merges": False,
        "vocab": {name: token for token, name in enumerate(names)},
        "merges": [list(pair) for pair in _merges(scores)],
    }


def _merges(scores: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Every split of every normal piece into two normal pieces, by score, the best first."""
    for name in sorted(scores, key=lambda name: -scores[name]):
        for cut in range(1, len(name)):
            if name[:cut] in scores and name[cut:] in scores:
                yield name[:cut], name[cut:]


def _unigram(tokenizer: SentencePieceTokenizer, names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "Unigram",
        "unk_id": tokenizer.unk,
        "vocab": [[name, tokenizer.score(token)] for token, name in enumerate(names)],
        "byte_fallback": True,
    }


def _guard(marks: Iterable[str]) -> dict[str, Any]:
    """Cuts a `<` off where the name of a mark or a byte follows, which the library's unigram would match in a text."""
    pattern = {"Regex": f"<(?={'|'.join([*(re.escape(name[1:]) for name in marks), _BYTE])})"}
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
