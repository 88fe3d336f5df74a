"""The likelihood of a text under unigram statistics of languages (languages.toml)."""

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import exp, log
from pathlib import Path
from typing import Literal

WORD = 2.0
"""Log ratio of a frequent word in its own language to other languages."""
CHANGE = -5.0
"""Log-likelihood of a word in another script than the word before it."""

_WORDS = re.compile(r"[^\W\d_]+")
_ASCII_LETTER = re.compile(r"[a-z]")
_AROUND = 20
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# The most that frequent words of ASCII count against another language of Latin script, and of another script.
_BOUND, _FOREIGN = 20 * WORD, 3 * WORD
# Punctuation and signs of all languages: frequency in a thousand characters.
_SIGNS = {
    **dict.fromkeys("’“”—–«»", 3.0),
    **dict.fromkeys("„‘…\xa0", 1.5),
    **dict.fromkeys("‚°§•€£¿¡ºª©·", 0.2),
    **dict.fromkeys("®™½¼¾×±²³´†‹›¢\xad№―☆★→", 0.03),
}
_DASHES = frozenset("–—")
_OPENING, _CLOSING = frozenset("¿¡„‚"), frozenset("…”™®°²³ªº")
# Scripts by the first word of a letter's Unicode name; all others are taken together.
_SCRIPTS = {"LATIN", "CYRILLIC", "GREEK", "HEBREW", "ARABIC", "THAI", "CJK", "HIRAGANA", "KATAKANA", "HANGUL"}
# Log probability of a character that no statistics list, by kind. Letters of cp1252 come before those of rarer pages.
_RARE = {"western": -9.0, "letter": -11.0, "syllable": -14.5, "ideograph": -16.0, "sign": -10.5, "drawing": -13.0}
_NEVER = {"replaced": -16.0, "control": -14.0, "unassigned": -18.0}
_WESTERN = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüßœ")
# A level 1 character of its national standard, and one of level 2.
_LEVELS = (log(4e-5), log(2e-6))


@dataclass(frozen=True)
class Language:
    """Log probabilities of characters outside ASCII and of an ASCII letter, and the most frequent words."""

    name: str
    letters: Mapping[str, float]
    plain: float
    words: frozenset[str]


@dataclass(frozen=True)
class Counts:
    """What the likelihood of a text depends on."""

    characters: int
    """Characters outside ASCII."""
    letters: Mapping[str, int]
    """Each of them, in lower case."""
    plain: int
    """ASCII letters."""
    words: Mapping[str, float]
    """For each language, its frequent words that are not ASCII; those of one letter count half."""
    plain_words: Mapping[str, float]
    """The same of those that are ASCII."""
    pairs: float
    """Log-likelihood of neighbouring characters and of changes of script, whatever the language."""


def count(text: str) -> Counts:
    """Count characters, frequent words and pairs of a text."""
    text = unicodedata.normalize("NFC", text)
    # Python's lower case of İ is two characters.
    lower = text.replace("İ", "ı").lower()
    letters = Counter(_NOT_ASCII.findall(lower))
    spelled = _WORDS.findall(lower)
    words: dict[str, float] = {}
    plain_words: dict[str, float] = {}
    for word, times in Counter(spelled).items():
        for name in _index().get(word, ()):
            known = plain_words if word.isascii() else words
            known[name] = known.get(name, 0) + (times if len(word) > 1 else times / 2)
    scripts = [_script(word[0]) for word in spelled]
    changes = sum(before != after for before, after in zip(scripts, scripts[-1:] + scripts[:-1], strict=True))
    pairs = _pairs(text) + CHANGE * changes
    return Counts(letters.total(), letters, len(_ASCII_LETTER.findall(lower)), words, plain_words, pairs)


def likelihood(found: Counts, among: Iterable[str] = ()) -> float:
    """The greatest log-likelihood (natural) of a text over languages, all of them unless some are named.

    Each character outside ASCII counts with its unigram frequency in the language; pairs that no orthography has
    (scripts mixed in a word, a capital after a small letter, a sign within a word) count against the text, frequent
    words for the language. An ASCII letter counts only as what is none of the language's other letters, since all
    encodings share it.
    """
    kinds = {char: _kind(char) for char in found.letters}
    return found.pairs + max(_in_language(found, kinds, languages()[name]) for name in among or languages())


def _in_language(found: Counts, kinds: Mapping[str, float], language: Language) -> float:
    score = sum(times * language.letters.get(char, kinds[char]) for char, times in found.letters.items())
    score += WORD * found.words.get(language.name, 0)
    most = max(found.plain_words.values(), default=0)
    if not language.plain:
        return score - min(WORD * most, _FOREIGN)
    # Where letters outside ASCII are rare they may be names: the rest of the text tells little of their language.
    score += language.plain * min(found.plain, _AROUND * found.characters)
    return score - min(WORD * (most - found.plain_words.get(language.name, 0)), _BOUND)


@cache
def languages() -> dict[str, Language]:
    """All languages by name."""
    data = tomllib.loads(Path(__file__).with_name("languages.toml").read_text(encoding="utf-8"))
    found: dict[str, Language] = {}
    signs = {char: log(count / 1000) for char, count in _SIGNS.items()}
    for name, entry in data["alphabetic"].items():
        letters = {item[0]: log(float(item[1:]) / 1000) for item in entry["letters"].split()}
        words = frozenset(entry["words"].replace("ş", "ș").replace("ţ", "ț").split() + entry["words"].split())
        plain = log(max(0.5, 1 - sum(map(exp, letters.values()))))
        found[name] = Language(name, signs | letters, plain if any(map(str.isascii, words)) else 0.0, words)
    for name, entry in data["ideographic"].items():
        ranked = {char: chance for group in entry["groups"] for char, chance in _zipf(**group)}
        found[name] = Language(name, signs | _standard(entry["standard"]) | ranked, 0.0, frozenset())
    return found


def _zipf(share: float, ranked: str) -> Iterable[tuple[str, float]]:
    """Log probabilities by rank, after the law of Zipf and Mandelbrot."""
    weights = [1 / (rank + 8) for rank in range(len(ranked))]
    return ((char, log(share * weight / sum(weights))) for char, weight in zip(ranked, weights, strict=True))


def _standard(codec: str) -> dict[str, float]:
    """The characters of a national standard: those of level 1, which are common, and those of level 2."""
    first, last, end = {"gb2312": (0xB0, 0xD7, 0xF7), "big5": (0xA4, 0xC6, 0xF9)}.get(codec, (0xB0, 0xCF, 0xF4))
    if codec == "euc_kr":
        last = 0xC8
    trails = (*range(0x40, 0x7F), *range(0xA1, 0xFF)) if codec == "big5" else range(0xA1, 0xFF)
    return {
        char: _LEVELS[lead > last]
        for lead in range(first, end + 1)
        for trail in trails
        if len(char := bytes((lead, trail)).decode(codec, "ignore")) == 1
    }


@cache
def _index() -> dict[str, tuple[str, ...]]:
    """The languages of each frequent word."""
    found: dict[str, tuple[str, ...]] = {}
    for language in languages().values():
        for word in language.words:
            found[word] = (*found.get(word, ()), language.name)
    return found


@cache
def _kind(char: str) -> float:
    """Log probability of a character outside ASCII in a language that does not use it."""
    category = unicodedata.category(char)
    if char == "\ufffd":
        return _NEVER["replaced"]
    if category == "Cc":
        return _NEVER["control"]
    if category in ("Cn", "Co", "Cs"):
        return _NEVER["unassigned"]
    if category[0] in "LM":
        script = _script(char)
        if script == "CJK":
            return _RARE["ideograph"]
        if script in ("HANGUL", "other"):
            return _RARE["syllable"]
        return _RARE["western" if char in _WESTERN else "letter"]
    return _RARE["drawing" if "\u2500" <= char <= "\u259f" else "sign"]


@cache
def _script(char: str) -> str:
    name = unicodedata.name(char, "").split(" ")[0]
    return name if name in _SCRIPTS else "other"


def _pairs(text: str) -> float:
    """Log-likelihood of neighbours, counted where one is outside ASCII."""
    shapes = [_shape(char) for char in text]
    pairs = Counter(pairwise(shapes))
    return sum(count * _pair(*pair) for pair, count in pairs.items())


@dataclass(frozen=True, eq=False)
class _Shape:
    """What the likelihood of a neighbour depends on. Equal shapes are one object, which makes counting them fast."""

    kind: Literal["upper", "lower", "mark", "digit", "dash", "opening", "closing", "wide", "sign", "other"]
    script: str
    ascii: bool

    @property
    def joins(self) -> bool:
        """Whether the character is part of a word."""
        return self.kind in ("upper", "lower", "mark")

    def beside(self, letter: "_Shape") -> float:
        """Log-likelihood of this character, which is no letter, where it touches a letter."""
        return 0.0 if self.kind == "wide" and letter.script != "LATIN" else _BESIDE.get(self.kind, 0.0)


_BESIDE = {"dash": -1.5, "wide": -5.0, "closing": -3.0, "opening": -3.0, "sign": -3.0, "digit": -2.0}
_one_shape = cache(_Shape)


@cache
def _shape(char: str) -> _Shape:
    category = unicodedata.category(char)
    if category[0] in "LM":
        kind = "mark" if category[0] == "M" else "upper" if char.isupper() else "lower"
    elif char.isascii():
        kind = "digit" if char.isdigit() else "other"
    elif char in _DASHES or char in _CLOSING:
        kind = "dash" if char in _DASHES else "closing"
    elif "\u3000" <= char <= "\u303f" or "\uff00" <= char <= "\uff65":
        kind = "wide"
    elif char in _OPENING or category == "Pi":
        kind = "opening"
    else:
        kind = "sign" if category in ("So", "Sm", "Sc", "Sk", "No") else "other"
    return _one_shape(kind, _script(char), char.isascii())


@cache
def _pair(left: _Shape, right: _Shape) -> float:
    """Log-likelihood of one character after another, by letter case, script and kind alone."""
    if (left.ascii and right.ascii) or not (left.joins or right.joins):
        return 0.0
    if not right.joins:
        return 0.0 if right.kind == "closing" else right.beside(left)
    if not left.joins:
        if right.kind == "mark":
            return -5.0
        return (0.0 if left.kind == "opening" else left.beside(right)) - (right.kind == "upper")
    if left.script != right.script and not {left.script, right.script} <= {"CJK", "HIRAGANA", "KATAKANA"}:
        return -6.0
    if right.kind == "upper":
        return -0.1 if left.kind == "upper" else -5.0
    return 0.0
