"""Tokenizers of other people's models: byte-level BPE, or BPE with byte fallback, in the `tokenizers` library's format.

Its ids are those of that library without special tokens (`encode_special_tokens`: a special token's name in a text is
text). What the model was trained with beyond the file stands in special.json, see SpecialTokens.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, Strict

from modou.messages import UserError
from modou.storage import json_text, parse_form, parse_written, read_json
from modou.tokenizer.definition import MOST_PIECES, read_definition, read_object
from modou.tokenizer.tokenizer import Tokenizer
from modou.tokenizer.training import CONTROLS

if TYPE_CHECKING:
    import tokenizers

FILE_NAME = "tokenizer.json"
SPECIAL_NAME = "special.json"
_BLOCK = 1 << 16
"""Characters per call of the library, whose memory grows with its input; more where nothing allows a cut."""
_WORD_END = re.compile(r"(?<=[^\W\d_])(?=[^\w\s]|\n)")
"""Between a letter and punctuation or a line end. Not at white space: what it belongs to depends on what follows."""
_AROUND = 200
"""Characters before and after a cut by which it is judged."""

_Id = Annotated[int, Strict(), Field(ge=0, lt=MOST_PIECES)]


@dataclass(frozen=True)
class SpecialTokens:
    """special.json: ids of the special tokens, and the rows of the model's embedding.

    Without bos a document begins with eos, which is what separates documents in the training of such models (GPT-2,
    Qwen); without pad rows are filled with eos. There may be more rows than tokens: they belong to no token.
    """

    bos: _Id | None
    eos: _Id | None
    pad: _Id | None
    unk: _Id | None
    rows: Annotated[int, Strict(), Field(ge=1, le=MOST_PIECES)]

    @classmethod
    def read(cls, path: Path) -> Self:
        """UserError: missing, or damaged."""
        return parse_written(cls, read_json(path), path)

    @classmethod
    def named(cls, data: bytes, names: Mapping[str, str | None], rows: int, source: str) -> Self:
        """By the names of the tokens "bos", "eos", "pad", "unk" in a tokenizer.json (`data`): absent or None, there is
        none. UserError: `data` is unusable, or has no token of that name."""
        ids = read_definition(data, source).ids
        for name in filter(None, names.values()):
            if name not in ids:
                raise UserError("tokens.no_such_token", path=source, token=name[:60])
        found = {kind: ids[name] if (name := names.get(kind)) else None for kind in ("bos", "eos", "pad", "unk")}
        try:
            return parse_form(cls, {**found, "rows": rows})
        except ValueError:
            raise UserError("tokens.bad_rows", path=source, rows=str(rows)[:20]) from None


class ByteLevelTokenizer(Tokenizer):
    """See Tokenizer and the module's docstring."""

    def __init__(
        self, data: bytes, special: SpecialTokens, source: str = "tokenizer.json", unseen: Iterable[int] = ()
    ) -> None:
        """`data`: a tokenizer.json. UserError names `source`: damaged, not lossless, or `special` does not fit it; or
        the library is not installed."""
        read = read_definition(data, source)
        tokens = len(read.pieces)
        if tokens > special.rows:
            raise UserError("tokens.fewer_rows", path=source, tokens=tokens, rows=special.rows)
        if special.eos is None:
            raise UserError("tokens.no_eos", path=source)
        self.special = special
        self.eos = special.eos
        self.bos = self.eos if special.bos is None else special.bos
        self.pad = self.eos if special.pad is None else special.pad
        self.unk = special.unk
        self._data, self._definition = data, read
        self._special = read.special | {self.bos, self.eos}
        self._library = _opened(data, source)
        self._normalizer, self._library.normalizer = self._library.normalizer, None  # `normalise` comes first
        self._words = self._library.pre_tokenizer if read.cuts else None
        self.begins = self._library.encode("").ids[:1] == [self.bos]
        names = [*read.pieces, *[""] * (special.rows - tokens)]
        files = {FILE_NAME: data, SPECIAL_NAME: json_text(asdict(special)).encode()}
        super().__init__(files, names, {*unseen, *range(tokens, special.rows)}, source)
        self._require_special()

    def _require_special(self) -> None:
        """UserError where bos, eos, pad or unk is no token, or text is encoded as bos or eos; or where the library
        counts the ids in another way than the file."""
        pieces = self._definition.pieces
        for id in (self.bos, self.eos, self.pad, self.eos if self.unk is None else self.unk):
            if id >= len(pieces):
                raise UserError("tokens.no_such_token", path=self.source, token=id)
        for id in {self.bos, self.eos} - self._definition.special:
            if self._library.encode(pieces[id], add_special_tokens=False).ids == [id]:
                raise UserError("tokens.special_is_text", path=self.source, token=pieces[id][:60])
        for id in self._definition.special:
            if self._library.token_to_id(pieces[id]) != id:
                raise UserError("tokens.json_damaged", path=self.source, reason=f"added_tokens {id}")

    def _bytes_of(self, token: int) -> bytes:
        found = self._definition.piece_bytes
        return b"" if token in self._special or token >= len(found) else found[token]

    def extended(self) -> Self:
        """See Tokenizer. The new ids are the first rows without a token, if the model has any, else rows to add."""
        if len(self.controls) == len(CONTROLS):
            return self
        value, known = read_object(self._data, self.source), self._definition.ids
        ids = known | {name: len(known) + number for number, name in enumerate(self.lacking)}
        others: list[dict[str, Any]] = [one for one in value.get("added_tokens", ()) if one["content"] not in CONTROLS]
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        added = [{"id": ids[name], "content": name, **flags} for name in CONTROLS]
        value["added_tokens"] = sorted([*others, *added], key=lambda one: one["id"])
        data = json.dumps(value, ensure_ascii=False).encode()
        rows = max(self.special.rows, len(known) + len(self.lacking))
        special = replace(self.special, rows=rows)
        return type(self)(data, special, self.source, self.unseen.union(ids[name] for name in self.lacking))

    def with_unseen(self, ids: Iterable[int]) -> Self:
        """See Tokenizer; the rows without a token are always among them."""
        return type(self)(self._data, self.special, self.source, ids)

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes get the file.
        return type(self), (self._data, self.special, self.source, self.unseen)

    def normalise(self, text: str) -> str:
        """See Tokenizer: with the file's normalizer, such as NFC."""
        text = super().normalise(text)
        return text if self._normalizer is None else self._normalizer.normalize_str(text)

    def encode_parts(self, text: str) -> Iterator[list[int]]:
        """See Tokenizer."""
        for block in self._blocks(self.normalise(text)):
            ids = self._library.encode(block, add_special_tokens=False).ids
            yield ids if self._special.isdisjoint(ids) else list(chain.from_iterable(map(self._spelled, ids)))

    def _spelled(self, token: int) -> list[int]:
        """The id; but one that merges made of a special token's name becomes the ids of the name's bytes."""
        if token not in self._special:
            return [token]
        return [self._definition.byte_ids[byte] for byte in self._definition.piece_bytes[token]]

    def _blocks(self, text: str) -> Iterator[str]:
        """Cut a long text at ends of words, where the pre-tokenizer cuts as well: no piece crosses them. Where it does
        not cut, a piece might, and the text stays whole."""
        start = 0
        while self._words is not None and len(text) - start > _BLOCK:
            ends = (found.start() for found in _WORD_END.finditer(text, start + _BLOCK))
            end = next((place for place in ends if self._is_cut(text, place)), len(text))
            yield text[start:end]
            start = end
        yield text[start:]

    def _is_cut(self, text: str, place: int) -> bool:
        """Whether both the pre-tokenizer and the added tokens leave a cut there."""
        assert self._words is not None
        first = max(0, place - _AROUND)
        near = text[first : place + _AROUND]
        words = [start for _, (start, _) in self._words.pre_tokenize_str(near)]
        tokens = [start for start, _ in self._library.encode(near, add_special_tokens=False).offsets]
        return place - first in words and place - first in tokens

    def is_byte(self, token: int) -> bool:
        """See Tokenizer: below 0x80 a byte is a character."""
        data = self.piece_bytes[token]
        return len(data) == 1 and data[0] >= 0x80

    def is_control(self, token: int) -> bool:
        """See Tokenizer; also an id without a token."""
        return token in self._special or token >= len(self._definition.pieces)


def _opened(data: bytes, source: str) -> "tokenizers.Tokenizer":
    """The library's tokenizer, which encodes special tokens' names as text. UserError: damaged, or no library."""
    try:
        import tokenizers
    except ImportError:
        raise UserError("tokens.no_library", path=source) from None
    try:
        found = tokenizers.Tokenizer.from_buffer(data)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library raises Exception itself, and a panic of it is no Exception
        raise UserError("tokens.json_damaged", path=source, reason=str(error)[:100]) from None
    found.encode_special_tokens = True
    found.no_truncation()
    found.no_padding()
    return found
