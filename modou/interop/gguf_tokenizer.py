"""A tokenizer in the terms of a GGUF file, from which llama.cpp encodes every text to the same ids.

The file has no way to say that U+2581 is a character of its own, which becomes a space where the tokenizer is a
SentencePiece, or that a text is normalised first.
"""

import json
from typing import Any

from modou.interop.chat_template import CHAT_TEMPLATE
from modou.interop.gguf_model import Value
from modou.interop.portable import Portable
from modou.messages import UserError
from modou.tokenizer.byte_level import FILE_NAME
from modou.tokenizer.definition import parts, read_object
from modou.tokenizer.model import model_kind
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.tokenizer import Tokenizer
from modou.tokenizer.training import NEWLINE

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Types of a token: `llama_token_type`."""
_QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA = _QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|")
CUTS: dict[tuple[tuple[Any, ...], ...], str] = {
    (("ByteLevel", True),): "gpt-2",
    (("Digits", True), ("ByteLevel", True)): "smollm",
    (("Split", _QWEN, "Isolated", False), ("ByteLevel", False)): "qwen2",
    (("Split", _LLAMA, "Isolated", False), ("ByteLevel", False)): "llama-bpe",
}
"""llama.cpp's name for each way to cut a text before byte-level BPE."""
_IGNORES_MERGES = "llama-bpe"
_SHOWN = 80


def tokenizer_keys(model: Portable) -> dict[str, Value]:
    """All keys of `tokenizer.`. UserError: a tokenizer that llama.cpp would read otherwise."""
    own = model.tokenizer
    keys: dict[str, Value] = {
        **(_sentencepiece(own) if isinstance(own, SentencePieceTokenizer) else _byte_level(own)),
        "tokens": model.names,
        "bos_token_id": own.bos,
        "eos_token_id": own.eos,
        "padding_token_id": own.pad,
        "add_bos_token": True,
        "add_eos_token": False,
        "add_space_prefix": False,
    }
    if own.unk is not None:
        keys["unknown_token_id"] = own.unk
    if barred := sorted(own.unseen.difference(model.ends)):
        keys["suppress_tokens"] = barred
    found: dict[str, Value] = {f"tokenizer.ggml.{key}": value for key, value in keys.items()}
    if model.answers:
        found |= {"tokenizer.ggml.eot_token_id": own.end, "tokenizer.chat_template": CHAT_TEMPLATE}
    return found


def _sentencepiece(own: SentencePieceTokenizer) -> dict[str, Value]:
    if model_kind(own.model) == "unigram":
        raise UserError("interop.gguf_unigram")
    return {
        "model": "llama",
        "pre": "default",
        "scores": [own.score(token) for token in range(own.vocabulary)],
        "token_type": [_type(own, token, name) for token, name in enumerate(own.pieces())],
        "remove_extra_whitespaces": False,
    }


def _type(own: Tokenizer, token: int, name: str) -> int:
    if token == own.unk:
        return UNKNOWN
    if own.is_control(token):
        return CONTROL
    if own.is_byte(token):
        return BYTE
    return USER_DEFINED if name == NEWLINE else NORMAL


def _byte_level(own: Tokenizer) -> dict[str, Value]:
    file = read_object(own.files[FILE_NAME], own.source)
    added = {token["content"] for token in file.get("added_tokens", ())}

    def type_of(token: int, name: str) -> int:
        if not name:
            return UNUSED
        if own.is_control(token):
            return CONTROL
        return USER_DEFINED if name in added else NORMAL

    return {
        "model": "gpt2",
        "pre": _cut_name(file),
        "token_type": [type_of(token, name) for token, name in enumerate(own.pieces())],
        "merges": [merge if isinstance(merge, str) else " ".join(merge) for merge in file["model"]["merges"]],
    }


def _cut_name(file: dict[str, Any]) -> str:
    """llama.cpp's name for how the text is cut. UserError: it has none."""
    cuts = parts(file, "pre_tokenizer")
    name = CUTS.get(tuple(map(_cut, cuts)))
    if name is None or [part["type"] for part in parts(file, "decoder")] != ["ByteLevel"]:
        raise _refusal("pre_tokenizer", file.get("pre_tokenizer"))
    if bool(file["model"].get("ignore_merges")) != (name == _IGNORES_MERGES):
        raise _refusal("model.ignore_merges", file["model"].get("ignore_merges"))
    for token in file.get("added_tokens", ()):
        if token.get("single_word") and not token["special"]:
            raise _refusal("added_tokens.single_word", token["content"])
    if any(part["type"] != "NFC" for part in parts(file, "normalizer")):
        raise _refusal("normalizer", file["normalizer"])
    return name


def _cut(part: dict[str, Any]) -> tuple[Any, ...]:
    """What decides of a pre-tokenizer."""
    match part["type"]:
        case "ByteLevel":
            return "ByteLevel", part.get("use_regex", True)
        case "Digits":
            return "Digits", part.get("individual_digits", False)
        case "Split":
            return "Split", part["pattern"].get("Regex"), part["behavior"], part.get("invert", False)
        case other:
            return (other,)


def _refusal(part: str, value: object) -> UserError:
    return UserError("interop.gguf_tokenizer", part=part, value=json.dumps(value, ensure_ascii=False)[:_SHOWN])


def is_normalised(own: Tokenizer) -> bool:
    """Whether the tokenizer changes a text first."""
    return not isinstance(own, SentencePieceTokenizer) and bool(
        parts(read_object(own.files[FILE_NAME], own.source), "normalizer")
    )
