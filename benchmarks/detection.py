"""Encodings: how often the detection of modou and that of charset-normalizer give back the text that was encoded.

    python benchmarks/detection.py [--lengths 200 600 1500] [--places 2] [--languages sv ja] [--failures]
                                   [--messages /usr/share/locale] [--json FILE]

Stretches of the paragraphs in `tests/text/languages.toml`, or with `--messages` of the translations of programs, at
`--places` places each, in every encoding of their language and in UTF-16 without a byte-order mark. Silent: wrong, and
no rival is named. charset-normalizer (`from_bytes(...).best()`) names none."""

import gettext
import io
import random
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
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


def samples(
    lengths: Sequence[int], places: int, languages: Sequence[str] = (), messages: Path | None = None
) -> Iterator[Sample]:
    """Stretches that are not ASCII of texts in all languages, or in those named, in all encodings of their language."""
    entries = tomllib.loads(PARAGRAPHS.read_text(encoding="utf-8"))
    for language in languages or entries:
        text = translations(messages, language) if messages else entries[language]["text"].strip() + "\n"
        for codec in (*entries[language]["codecs"], *WIDE):
            written = writable(text, codec)
            for length in lengths:
                starts = {place * max(0, len(written) - length) // max(1, places - 1) for place in range(places)}
                stretches = [written[start : start + length] for start in sorted(starts)]
                yield from (Sample(language, codec, stretch) for stretch in stretches if not stretch.isascii())


def translations(folder: Path, language: str) -> str:
    """The longer messages of the programs whose translations lie in a folder such as /usr/share/locale."""
    name = {"zh-Hans": "zh_CN", "zh-Hant": "zh_TW", "no": "nb", "en": "en_GB"}.get(language, language)
    found: list[str] = []
    for path in sorted((folder / name / "LC_MESSAGES").glob("*.mo")):
        # Some have names of translators in another encoding than they state.
        with path.open("rb") as stream, suppress(UnicodeDecodeError):
            catalog = vars(gettext.GNUTranslations(stream))["_catalog"]
            found += (text for key, text in catalog.items() if key and text != key and len(text) > 45)
    random.Random(1).shuffle(found)
    return "\n".join(found)[:40_000]


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


Detector = Callable[[bytes], tuple[str | None, tuple[str, ...]]]
DETECTORS: dict[str, Detector] = {"modou": ours, "charset-normalizer": theirs}
KEYS = ("silent", "rivals", "milliseconds")


def measure(made: list[Sample], detector: Detector, failures: bool) -> dict[str, float]:
    """How many samples a detector reads right, reads wrong without a rival, and names rivals of."""
    count: Counter[str] = Counter()
    began = perf_counter()
    for sample in made:
        codec, rivals = detector(sample.data)
        right = codec is not None and sample.data.decode(codec, "replace") == sample.text
        count.update({"right": right, "silent": not right and not rivals, "rivals": bool(rivals)})
        if failures and not right:
            print(detector.__name__, sample.language, sample.codec, "->", codec, rivals, repr(sample.text[:60]))
    seconds = perf_counter() - began
    return {"samples": len(made), **count, "milliseconds": 1000 * seconds / len(made)}


def main() -> None:
    """Print one row a length and detector."""
    options = parser(__doc__)
    options.add_argument("--lengths", type=int, nargs="+", default=[200, 600, 1500])
    options.add_argument("--places", type=int, default=2)
    options.add_argument("--languages", nargs="+", default=[])
    options.add_argument("--messages", type=Path, metavar="FOLDER", help="take texts from translations of programs")
    options.add_argument("--failures", action="store_true", help="print what was read wrong")
    asked = options.parse_args()
    numbers: dict[str, dict[str, dict[str, float]]] = {}
    for length in asked.lengths:
        made = list(samples((length,), asked.places, asked.languages, asked.messages))
        numbers[str(length)] = {name: measure(made, detect_, asked.failures) for name, detect_ in DETECTORS.items()}
    print_table(
        ("characters", "detector", "samples", "right", "wrong and silent", "rivals named", "ms a sample"),
        [
            (length, name, row["samples"], row["right"] / row["samples"], *(row[key] for key in KEYS))
            for length, rows in numbers.items()
            for name, row in rows.items()
        ],
    )
    write_json(asked.json, {"encodings": numbers})


if __name__ == "__main__":
    main()
