"""The tokenizer of a Hugging Face directory: modou's own, which an export of modou keeps beside, or tokenizer.json."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from modou import storage
from modou.interop.directory import ModelDirectory, read_strict
from modou.interop.exports.hf import OURS, SETTINGS
from modou.messages import UserError
from modou.settings.base import read_toml
from modou.tokenizer.byte_level import FILE_NAME, ByteLevelTokenizer, SpecialTokens
from modou.tokenizer.loading import load_tokenizer
from modou.tokenizer.tokenizer import Tokenizer
from modou.tokenizer.training import SPACE

_TOLD = ("tokenizer_config.json", "special_tokens_map.json")
"""Files that name special tokens; the first that is there is taken."""
_RESTORED = "  ab  c\n\n\tﬁ　Ａ。哈哈哈e\u0301 "
"""A text that tokenizers which change white space or characters do not restore."""
_SPECIAL = ("bos", "eos", "pad", "unk")


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer, and what the model was trained to do with it."""

    tokenizer: Tokenizer
    answers: bool = False
    """Whether it answers conversations that are written as modou writes them."""


@dataclass(frozen=True)
class _Added:
    id: int
    content: str


@dataclass(frozen=True)
class _Model:
    vocab: dict[str, int] | list[tuple[str, float]]


@dataclass(frozen=True)
class _Names:
    """What a tokenizer.json says of names."""

    model: _Model
    added_tokens: list[_Added]

    def by_id(self) -> dict[int, str]:
        vocab = self.model.vocab
        names = ((name, id) for name, id in vocab.items()) if isinstance(vocab, dict) else _numbered(vocab)
        return {id: name for name, id in names} | {token.id: token.content for token in self.added_tokens}


def _numbered(vocab: list[tuple[str, float]]) -> list[tuple[str, int]]:
    return [(name, id) for id, (name, _) in enumerate(vocab)]


def vocabulary_of(directory: ModelDirectory, rows: int) -> Vocabulary:
    """The tokenizer of a model with `rows` tokens. UserError: it is missing, damaged, not of a lossless kind;
    it has more tokens."""
    path = directory.path / FILE_NAME
    try:
        data = storage.read_bytes(path)
    except UserError as error:
        raise UserError("interop.no_tokenizer", path=directory.path) if storage.is_missing(error) else error from None
    if (own := _own(directory.path / OURS, data, rows)) is not None:
        return own
    special = SpecialTokens.named(data, _special_names(directory, data), rows, str(path))
    return Vocabulary(ByteLevelTokenizer(data, special, str(path)))


def _own(folder: Path, data: bytes, rows: int) -> Vocabulary | None:
    """modou's own tokenizer, if it is there and means the same ids as the tokenizer.json (`data`)."""
    if not (folder / SETTINGS).is_file():
        return None
    tokenizer = load_tokenizer(folder)
    pieces = tokenizer.pieces()
    while pieces and not pieces[-1]:  # rows without a token
        pieces.pop()
    names = list(_names(data).values())
    if tokenizer.vocabulary != rows or names not in (pieces, [piece.replace(SPACE, " ") for piece in pieces]):
        return None
    if tokenizer.decode(tokenizer.encode(_RESTORED)) != tokenizer.normalise(_RESTORED):
        return None  # not as modou trains them
    run = read_toml(folder / SETTINGS).get("run")
    answers = isinstance(run, dict) and cast(dict[str, Any], run).get("answers") is True
    return Vocabulary(tokenizer, answers and not tokenizer.lacking)


def _names(data: bytes) -> dict[int, str]:
    """The name of every id in a tokenizer.json, in order; empty where it has another form."""
    try:
        return dict(
            sorted(storage.parse_form(_Names, {"added_tokens": [], **storage.parse_json(data)}).by_id().items())
        )
    except (ValueError, TypeError):
        return {}


def _special_names(directory: ModelDirectory, data: bytes) -> dict[str, str | None]:
    """The names of bos, eos, pad and unk by tokenizer_config.json; where it is silent, by the ids in config.json."""
    told: dict[str, Any] = {}
    for file in reversed(_TOLD):
        if (directory.path / file).is_file():
            told |= read_strict(directory.path / file, storage.SMALL)
    names = _names(data)
    found: dict[str, str | None] = {}
    for kind in _SPECIAL:
        name = told.get(f"{kind}_token")
        name = cast(dict[str, Any], name).get("content") if isinstance(name, dict) else name
        if f"{kind}_token" not in told:
            id = directory.config.get(f"{kind}_token_id")
            name = names.get(id) if isinstance(id, int) else None
        is_known = name in names.values() or kind in ("bos", "eos")  # the others are not needed
        found[kind] = name if isinstance(name, str) and is_known else None
    return found
