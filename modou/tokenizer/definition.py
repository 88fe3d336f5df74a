"""Read a tokenizer.json, the format of the `tokenizers` library, and refuse what is damaged or not lossless.

Two kinds of BPE are lossless: byte-level (Radford et al. 2019: GPT-2, GPT-NeoX, Qwen, Llama 3), whose pieces spell
bytes by a table of 256 characters, and BPE with byte fallback, which has pieces `<0x00>` to `<0xFF>` for characters
without a piece. The text must reach them unchanged, but for Unicode normalisation.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Annotated, Any, cast

from pydantic import Field, Strict

from modou.messages import UserError
from modou.storage import parse_form, parse_json

MOST_PIECES = 1 << 22
"""Maximum number of ids."""
_BYTE = re.compile("<0x([0-9A-F]{2})>")
_NORMALIZERS = {"NFC", "NFD", "NFKC", "NFKD"}
_CUTTERS = {"ByteLevel", "Split", "Digits", "Punctuation", "UnicodeScripts"}
"""Pre-tokenizers that only cut."""

_Id = Annotated[int, Strict(), Field(ge=0, lt=MOST_PIECES)]
_Flag = Annotated[bool, Strict()]
_Text = Annotated[str, Strict(), Field(min_length=1)]


@dataclass(frozen=True)
class _Added:
    """An entry of "added_tokens": found in the text before everything else, unless it is special."""

    id: _Id
    content: _Text
    special: _Flag = False
    lstrip: _Flag = False
    rstrip: _Flag = False


@dataclass(frozen=True)
class _Model:
    vocab: dict[_Text, _Id]


@dataclass(frozen=True)
class _Json:
    """What is read of the file; the library reads the rest of it itself."""

    model: _Model
    added_tokens: list[_Added]


@dataclass(frozen=True)
class Definition:
    """The tokens of a tokenizer.json."""

    pieces: list[str]
    """The raw name of each id."""
    piece_bytes: list[bytes]
    """The bytes of each id, special tokens included."""
    special: frozenset[int]
    """Ids of the special tokens."""
    ids: dict[str, int]
    """Id of each raw name."""
    byte_ids: list[int]
    """The id of each of the 256 bytes."""
    cuts: bool
    """Whether the text is cut into words before it is encoded."""


def byte_characters() -> list[str]:
    """The character that stands for each byte in byte-level pieces: the byte's own in Latin-1 where that is visible,
    the others' in order from U+0100."""
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = count(0x100)
    return [chr(byte if byte in visible else next(others)) for byte in range(256)]


def read_object(data: bytes, source: str) -> dict[str, Any]:
    """A tokenizer.json as nested dictionaries. UserError: no JSON object."""
    try:
        value = parse_json(data)
    except ValueError as error:
        raise UserError("tokens.json_damaged", path=source, reason=str(error)[:100]) from None
    if not isinstance(value, dict):
        raise UserError("tokens.json_damaged", path=source, reason="{…}")
    return cast(dict[str, Any], value)


def read_definition(data: bytes, source: str) -> Definition:
    """The tokens of a tokenizer.json. UserError: damaged, or of a kind that is not lossless, with the part that is."""
    value = read_object(data, source)
    try:
        for part, what in _refused(value):
            raise UserError("tokens.json_refused", path=source, part=part, value=str(what)[:60])
        read = parse_form(_Json, {"added_tokens": [], **value})
        return _definition(read, _kinds(value, "decoder") == ["ByteLevel"], source, _cuts(value))
    except UserError:
        raise
    except ValueError as error:  # the first line of pydantic's names the field, the second the reason
        reason = " ".join(line.strip() for line in str(error).split("\n")[1:3])[:160]
        raise UserError("tokens.json_damaged", path=source, reason=reason or str(error)[:100]) from None


def _definition(read: _Json, byte_level: bool, source: str, cuts: bool) -> Definition:
    vocab = read.model.vocab
    ids = vocab | {token.content: token.id for token in read.added_tokens}
    pieces = sorted(ids, key=ids.__getitem__)
    if [ids[piece] for piece in pieces] != list(range(len(pieces))) or any(
        vocab.get(token.content, token.id) != token.id for token in read.added_tokens
    ):
        raise ValueError("ids ≠ 0 … n - 1")
    added = {token.id: token for token in read.added_tokens}
    for token in added.values():
        if not token.special and (token.lstrip or token.rstrip):
            raise UserError("tokens.json_refused", path=source, part="added_tokens.strip", value=token.content[:60])
    spelled = _by_table if byte_level else _by_fallback
    piece_bytes = [piece.encode() if id in added else spelled(piece) for id, piece in enumerate(pieces)]
    names = byte_characters() if byte_level else [f"<0x{byte:02X}>" for byte in range(256)]
    for name in names:
        if name not in vocab:
            raise UserError("tokens.json_refused", path=source, part="vocab", value=f"∌ {name}")
    special = frozenset(id for id, token in added.items() if token.special)
    return Definition(pieces, piece_bytes, special, ids, [ids[name] for name in names], cuts)


_OUTSIDE = 0xFFFF
_TABLE = dict.fromkeys(range(256), _OUTSIDE) | {ord(name): byte for byte, name in enumerate(byte_characters())}


def _by_table(piece: str) -> bytes:
    """The bytes of a byte-level piece; one with a character outside the table is text, as in the library."""
    try:
        return piece.translate(_TABLE).encode("latin-1")
    except UnicodeEncodeError:
        return piece.encode()


def _by_fallback(piece: str) -> bytes:
    byte = _BYTE.fullmatch(piece)
    return bytes([int(byte[1], 16)]) if byte else piece.encode()


def _refused(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each part of the file that would change a text, or that nothing here can read: its key and its value."""
    model = value.get("model")
    model = cast(dict[str, Any], model) if isinstance(model, dict) else {}
    if model.get("type", "BPE") != "BPE":
        yield "model.type", model["type"]
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            yield f"model.{key}", model[key]
    for kind in _kinds(value, "normalizer"):
        if kind not in _NORMALIZERS:
            yield "normalizer", kind
    yield from _refused_cuts(value)
    decoder = _kinds(value, "decoder")
    by_bytes = decoder == ["ByteLevel"] and "ByteLevel" in _kinds(value, "pre_tokenizer")
    falls_back = decoder == ["ByteFallback", "Fuse"] and model.get("byte_fallback") and not model.get("ignore_merges")
    if not by_bytes and not falls_back:
        yield "decoder", decoder


def _refused_cuts(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for part in parts(value, "pre_tokenizer"):
        if part["type"] not in _CUTTERS:
            yield "pre_tokenizer", part["type"]
        if part.get("behavior") == "Removed":
            yield "pre_tokenizer.behavior", "Removed"
        if part.get("add_prefix_space"):
            yield "pre_tokenizer.add_prefix_space", True


def _kinds(value: dict[str, Any], key: str) -> list[str]:
    return [part["type"] for part in parts(value, key)]


def _cuts(value: dict[str, Any]) -> bool:
    """Whether a pre-tokenizer cuts at all: a ByteLevel without its regular expression does not."""
    found = parts(value, "pre_tokenizer")
    return any(part["type"] != "ByteLevel" or part.get("use_regex", True) for part in found)


def parts(value: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The components of a normalizer, pre-tokenizer or decoder, those of sequences in their place."""
    found: list[dict[str, Any]] = []
    waiting = [value.get(key)]
    while waiting:
        part = waiting.pop()
        if part is None:
            continue
        if not isinstance(part, dict) or not isinstance(cast(dict[str, Any], part).get("type"), str):
            raise ValueError(key)
        part = cast(dict[str, Any], part)
        if part["type"] == "Sequence":
            inner = part.get(key.replace("pre_tokenizer", "pretokenizer") + "s")
            if not isinstance(inner, list):
                raise ValueError(key)
            waiting += cast(list[Any], inner)[::-1]
        else:
            found.append(part)
    return found
