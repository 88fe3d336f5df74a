"""Encodings: how often the detection of modou and that of charset-normalizer give back the text that was encoded.

    python benchmarks/detection.py [--lengths 200 600 1500] [--places 4] [--failures] [--json FILE]

Stretches of the paragraphs in `tests/text/languages.toml`, at `--places` places each, in every encoding of their
language and in UTF-16 without a byte-order mark. Silent: wrong, and no rival is named. charset-normalizer
(`from_bytes(...).best()`) names none."""

import io
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from common import parser, print_table, write_json

from modou.messages import UserError
from modou.text.readers.encoding import detect

PARAGRAPHS = Path(__file__).parents[1] / "tests" / "text" / "languages.toml"
WIDE = ("utf-16-le", "utf-16-be")
_PLAIN = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "’": "'", "‘": "'", "–": "-", "—": "-"})

_TONES = "\u0300\u0301\u0303\u0309\u0323"


@dataclass(frozen=True)
class Sample:
    """A text and the encoding it is written in."""

    language: str
    codec: str
    text: str

    @property
    def data(self) -> bytes:
        """The encoded text."""
        return self.text.encode(self.codec)


def samples(lengths: tuple[int, ...] = (200, 600, 1500), places: int = 4) -> Iterator[Sample]:
    """Stretches of all texts that are not ASCII, in all encodings of their language."""
    for language, entry in tomllib.loads(PARAGRAPHS.read_text(encoding="utf-8")).items():
        for codec in (*entry["codecs"], *WIDE):
            text = writable(entry["text"].strip() + "\n", codec)
            for length in lengths:
                starts = {place * max(0, len(text) - length) // max(1, places - 1) for place in range(places)}
                for start in sorted(starts):
                    stretch = text[start : start + length]
                    if not stretch.isascii():
                        yield Sample(language, codec, stretch)


def writable(text: str, codec: str) -> str:
    """The text in characters that an encoding has: plain quotes and dashes, tone marks apart, else a question mark."""
    if _fits(text, codec):
        return text
    return "".join(char if _fits(char, codec) else _replaced(char, codec) for char in text)


def _replaced(char: str, codec: str) -> str:
    parts = unicodedata.normalize("NFD", char)
    tones = "".join(part for part in parts if part in _TONES)
    apart = unicodedata.normalize("NFC", "".join(part for part in parts if part not in _TONES)) + tones
    return next((written for written in (apart, char.translate(_PLAIN)) if _fits(written, codec)), "?")


def _fits(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def ours(data: bytes) -> tuple[str | None, tuple[str, ...]]:
    """The codec that modou finds, and the rivals it names."""
    try:
        found = detect(lambda: io.BytesIO(data), "sample")
    except UserError:
        return None, ()
    return found.codec, found.rivals


def theirs(data: bytes) -> tuple[str | None, tuple[str, ...]]:
    """The codec that charset-normalizer finds."""
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    return (best and best.encoding), ()


def main() -> None:
    """Print one row a length and detector."""
    options = parser(__doc__)
    options.add_argument("--lengths", type=int, nargs="+", default=[200, 600, 1500])
    options.add_argument("--places", type=int, default=4)
    options.add_argument("--failures", action="store_true", help="print what was read wrong")
    chosen = options.parse_args()
    rows: list[dict[str, object]] = []
    for length in chosen.lengths:
        made = list(samples((length,), chosen.places))
        for name, detector in (("modou", ours), ("charset-normalizer", theirs)):
            count: Counter[str] = Counter()
            began = perf_counter()
            for sample in made:
                codec, rivals = detector(sample.data)
                right = codec is not None and sample.data.decode(codec, "replace") == sample.text
                count["right"] += right
                count["named"] += bool(rivals)
                count["silent"] += not right and not rivals
                if not right and chosen.failures:
                    print(name, length, sample.language, sample.codec, "->", codec, rivals, repr(sample.text[:60]))
            rows.append(
                {
                    "characters": length,
                    "detector": name,
                    "samples": len(made),
                    "right": f"{100 * count['right'] / len(made):.1f} %",
                    "silent": count["silent"],
                    "rivals": count["named"],
                    "ms": f"{1000 * (perf_counter() - began) / len(made):.0f}",
                }
            )
    print_table(rows)
    write_json(chosen.json, rows)


if __name__ == "__main__":
    main()
