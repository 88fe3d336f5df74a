"""Load the tokenizer of a folder, of whichever kind it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, Strict

from modou.messages import UserError
from modou.storage import is_missing, parse_form, read_bytes, read_json
from modou.tokenizer import byte_level, sentencepiece
from modou.tokenizer.byte_level import ByteLevelTokenizer, SpecialTokens
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.tokenizer import UNSEEN_NAME, Tokenizer


def load_tokenizer(folder: Path, extend: bool = False) -> Tokenizer:
    """The tokenizer saved in `folder`: tokenizer.model if that is there, else tokenizer.json. `extend`: see
    `Tokenizer.extended`.

    UserError: missing, damaged, or lacks tokens that modou needs.
    """
    path = folder / byte_level.FILE_NAME
    if (folder / sentencepiece.FILE_NAME).exists() or not path.exists():
        path = folder / sentencepiece.FILE_NAME
    try:
        data = read_bytes(path)
    except UserError as error:
        raise UserError("tokens.model_missing", path=path) if is_missing(error) else error from None
    unseen = _unseen(folder / UNSEEN_NAME)
    if path.name == sentencepiece.FILE_NAME:
        tokenizer = SentencePieceTokenizer(data, source=str(path), unseen=unseen)
    else:
        special = SpecialTokens.read(folder / byte_level.SPECIAL_NAME)
        tokenizer = ByteLevelTokenizer(data, special, source=str(path), unseen=unseen)
    if max(unseen, default=0) >= tokenizer.vocabulary:
        raise UserError("storage.bad_json", path=folder / UNSEEN_NAME, reason=f"> {tokenizer.vocabulary - 1}")
    return tokenizer.extended() if extend else tokenizer


def _unseen(path: Path) -> Sequence[int]:
    """Read the ids of an unseen.json; none if there is no file. UserError: not a list of ids."""
    if not path.exists():
        return []
    try:
        return parse_form(list[Annotated[int, Strict(), Field(ge=0)]], read_json(path))
    except UserError:
        raise
    except ValueError:
        raise UserError("storage.bad_json", path=path, reason="[id, …]") from None
