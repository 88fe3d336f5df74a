"""Settings of cleaning and of the tokenizer; the registry of cleaning rules."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from modou.messages import UserError
from modou.settings.base import Settings

TokenizerKind = Literal["bpe", "unigram", "char"]
Place = Literal["lines", "document", "sentence", "chapters", "training"]
Layout = Literal["prose", "lines", "exact"]

# -- the registry of cleaning rules; the code of a rule is modou.text.rules.NAME --

RULES: dict[str, Place] = {
    "pages": "lines",
    "control": "lines",
    "aozora": "lines",
    "frame": "lines",
    "notices": "lines",
    "furniture": "lines",
    "page_numbers": "document",
    "contents": "document",
    "headings": "document",
    "author_notes": "document",
    "unwrap": "document",
    "spaces": "sentence",
    "simplify": "sentence",
    "duplicates": "chapters",
    "private_use": "training",
    "punctuation": "training",
}
"""The cleaning rules in order of application, each with the place where it applies (see modou.text.rules)."""

PROSE = ("author_notes", "unwrap", "spaces")
"""The rules that apply only where a text is prose; where lines are units they and their white space stay."""


def _known(name: str) -> str:
    if name not in RULES:
        raise UserError("settings.not_a_choice", option="--clean.skip", value=name, wanted=", ".join(RULES))
    return name


def _pattern(given: str) -> str:
    try:
        re.compile(given)
    except re.error as error:
        raise UserError("settings.not_a_pattern", option="--clean.keep", value=given, reason=error) from None
    return given


def columns_of(given: str) -> dict[str, str]:
    """The columns named by "text=NAME,title=NAME". UserError: it is written otherwise."""
    found: dict[str, str] = {}
    for part in filter(str.strip, given.replace("，", ",").split(",")):
        key, _, name = (piece.strip() for piece in part.partition("="))
        if key not in ("text", "title") or not name:
            raise UserError("settings.not_columns", option="--clean.columns", value=given[:60])
        found[key] = name
    return found


def _columns(given: str) -> str:
    columns_of(given)
    return given


class CleanSettings(Settings):
    """Cleaning: every rule applies, except those in `skip`."""

    encoding: str = "auto"
    """Encoding of the input; auto = detected and reported."""
    columns: Annotated[str, AfterValidator(_columns)] = ""
    """Which columns of a table or of JSON rows hold the text and the titles, such as text=story,title=name; else they
    are guessed and told."""
    skip: tuple[Annotated[str, AfterValidator(_known)], ...] = ()
    """Cleaning rules not to apply; --no-clean.RULE leaves out one."""
    keep: Annotated[str, AfterValidator(_pattern)] = ""
    """Regular expression: a line in which it is found is never removed as a heading, notice or page number."""
    layout: Literal["auto", "prose", "lines", "exact"] = "auto"
    """prose = paragraphs are cut into sentences; lines = each line is a unit (verse, plays, chats, lists); exact =
    every character stays (source code); auto = decided for each file, and told."""
    simplify: bool = False
    """Convert traditional to simplified characters (pip install 'modou[chinese]')."""

    def rules(self, place: Place, layout: Layout = "prose") -> list[str]:
        """The enabled rules of a place, in order."""
        if layout == "exact":
            return []
        off = (*self.skip, *(() if self.simplify else ("simplify",)), *(PROSE if layout == "lines" else ()))
        return [name for name, its_place in RULES.items() if its_place == place and name not in off]


class TokenizerSettings(Settings):
    """The SentencePiece tokenizer."""

    kind: TokenizerKind = "bpe"
    """bpe = byte-pair encoding, unigram = unigram language model, char = one token per character."""
    vocabulary: Annotated[int, Field(ge=300, le=200_000)] = 4096
    """Vocabulary size, including 256 byte tokens and the control tokens."""
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    """Threads for training the tokenizer."""
