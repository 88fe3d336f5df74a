"""Encodings: measured on texts in 36 languages; damage costs its place and never the file."""

import io
import random
from functools import cache
from pathlib import Path

import pytest
from detection import Sample, samples, writable
from hypothesis import given, settings
from hypothesis import strategies as st

from modou.messages import UserError
from modou.text.readers.book import read_book
from modou.text.readers.encoding import SAMPLE, Encoding, detect

FRENCH = "Élodie rangea les clés près de la fenêtre, puis elle écouta la pluie à travers le châssis fêlé.\n"
RUSSIAN = "Пастух гнал коз через мост, и колокольчики звенели до самого вечера.\n"
KOREAN = "등대지기는 저녁마다 바닷가에 앉아 배들이 돌아오기를 기다렸다.\n"
HINDI = "नदी के पार एक पुराना घर था।"
CHINESE = "船夫把缆绳系在柳树上，蹲下来洗手，问我过不过河。\n"


def found(data: bytes) -> Encoding:
    return detect(lambda: io.BytesIO(data), "a.txt")


def text(data: bytes) -> str:
    return data.decode(found(data).codec, "replace")


@cache
def measured(length: int) -> list[tuple[Sample, Encoding]]:
    return [(sample, found(sample.data)) for sample in samples((length,), places=2)]


def right(sample: Sample, encoding: Encoding) -> bool:
    return sample.data.decode(encoding.codec, "replace") == sample.text


@pytest.mark.parametrize("length", [200, pytest.param(700, marks=pytest.mark.slow)])
def test_texts_in_all_languages_and_encodings(length: int) -> None:
    results = measured(length)
    wrong = [(s.language, s.codec, e) for s, e in results if not right(s, e)]
    assert len(results) >= 300
    assert 100 * len(wrong) <= len(results), wrong
    silent = [named for named in wrong if not named[2].rivals]
    assert 300 * len(silent) <= len(results), silent


def test_rivals_are_named_seldom_and_only_where_their_text_differs() -> None:
    results = measured(200)
    named = [(sample, encoding) for sample, encoding in results if encoding.rivals]
    assert 10 * len(named) <= len(results)
    for sample, encoding in named:
        texts = {sample.data.decode(codec, "replace") for codec in (encoding.codec, *encoding.rivals)}
        assert len(texts) > 1 and encoding.codec not in encoding.rivals


def test_what_two_encodings_read_as_words_names_both() -> None:
    # Dragič or Dragiè: nothing else tells.
    encoding = found(b"Dragi\xe8 12, Dragi\xe8 13\n" * 3)
    assert {"cp1250", "cp1252"} <= {encoding.codec, *encoding.rivals}


@pytest.mark.parametrize(
    "line",
    [
        "“I don’t know” – she said… ‘perhaps’ — nobody does.\n",
        "It costs £5, or €7 at 20°, says §4 of the rules © 1999.\n",
        "The café was empty but for a naïve waiter.\n",
        "Han gick hem till ån och såg på båten i åskvädret, men på ön var ingen kvar.\n",
        "Perché uscì così presto? Andò giù in città, là dove c’è il caffè.\n",
        FRENCH,
    ],
)
def test_western_text_is_cp1252(line: str) -> None:
    assert found(line.encode("cp1252")).codec == "cp1252"
    assert text(line.encode("cp1252")) == line


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("line", ["The goat slept.\n", FRENCH, RUSSIAN, KOREAN, CHINESE.strip(), HINDI])
def test_wide_text_without_a_mark(codec: str, line: str) -> None:
    assert text((line * 3).encode(codec)) == line * 3


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-32"])
def test_marks(mark: str) -> None:
    encoding = found(RUSSIAN.encode(mark))
    assert (encoding.codec, encoding.how, encoding.rivals) == (mark, "marked", ())


@pytest.mark.parametrize(
    "damaged",
    [
        b"one\x00 byte",
        b"a\x00",
        "вечер\x00\n".encode(),
        (FRENCH * 9).encode() + bytes(5000),
        b"a line and a mark\x00\n" * 40,
        bytes(600) + (FRENCH * 9).encode(),
        (CHINESE * 9).encode() + bytes(100) + (CHINESE * 9).encode(),
        (FRENCH * 40).encode() + (FRENCH * 2).encode("cp1252") + (FRENCH * 40).encode(),
        (CHINESE * 40).encode() + (CHINESE * 2).encode("gb18030"),
        ("Fine \U0001f600. " * 8).encode() + "\U0001f600".encode()[:2] + b" and more.",
        (KOREAN * 20).encode()[:-2] + b"\xff\xfe\xfd",
    ],
)
def test_damaged_utf8_stays_utf8(damaged: bytes) -> None:
    assert found(damaged).codec == "utf-8"


@pytest.mark.parametrize(
    ("text", "other"), [(CHINESE, "gb18030"), (RUSSIAN, "koi8-r"), (FRENCH, "cp1252"), (KOREAN, "cp949")]
)
def test_a_stretch_in_another_encoding_costs_only_itself(tmp_path: Path, text: str, other: str) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes((text * 40).encode() + (text * 3).encode(other) + (text * 40).encode())
    book = read_book(path)
    lines = [line for document in book.documents() for line in document.lines()]
    assert lines.count(text.strip()) >= 80 and len(lines) == 83
    lost = sum(str(line).count("\ufffd") for line in lines)
    assert lost and f"{lost} characters could not be decoded" in " ".join(map(str, book.notes))


def test_half_of_a_file_in_utf8_is_named() -> None:
    encoding = found((FRENCH * 10).encode("cp1252") + (FRENCH * 8).encode())
    assert {"cp1252", "utf-8"} <= {encoding.codec, *encoding.rivals}


@pytest.mark.parametrize("codec", ["utf-16-le", "cp949", "gb18030", "cp1251"])
def test_padding_and_a_broken_place_cost_no_other_text(codec: str) -> None:
    line = KOREAN if codec == "cp949" else CHINESE if codec == "gb18030" else RUSSIAN
    data = (line * 30).encode(codec)
    assert text(data + bytes(1000)).rstrip("\x00") == line * 30
    broken = data[:101] + data[102:]
    assert text(broken).endswith((line * 3)[-60:]) or codec == "utf-16-le"


@pytest.mark.parametrize("codec", ["cp1252", "cp1250", "cp1251", "gb18030"])
def test_letters_after_the_first_blocks_decide(codec: str) -> None:
    line = {"cp1250": "Žluťoučký kůň se pásl na louce.\n", "cp1251": RUSSIAN, "gb18030": CHINESE}.get(codec, FRENCH)
    data = b"Nothing but plain letters here.\n" * (2 * SAMPLE // 32 + 5) + (line * 9).encode(codec)
    assert text(data).endswith(line * 9)


def test_seven_bit_japanese() -> None:
    line = "庭の柿の木に、からすが三羽とまっている。\n" * 3
    assert text(line.encode("iso2022_jp")) == line
    assert found(b"\x1b[31mred\x1b[0m and \x1b$Boring\n" * 5).codec == "utf-8"


@pytest.mark.parametrize("codec", ["koi8-r", "cp1251", "cp866"])
def test_capitals(codec: str) -> None:
    line = "НАД ГОРОДОМ ВЗОШЛА ЛУНА, И НИКТО НЕ ЗАМЕТИЛ, КАК УШЁЛ ПОСЛЕДНИЙ ТРАМВАЙ.\n" * 3
    assert text(line.encode(codec)) == line


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(256)) * 40,
        bytes(range(1, 32)) * 50,
        random.Random(1).randbytes(40_000),
        b"RIFF\x24\x08\x00\x00WAVEfmt " + b"".join((n * n % 4001).to_bytes(2, "little") for n in range(9000)),
        b"\xca\xfe\xba\xbe" + random.Random(2).randbytes(3000) + bytes(4000) + b"readable words " * 99,
        b"\x01" * 1_000_000,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "A letter in an old format. ".encode("utf-16-le") * 50,
        b"a.txt".ljust(257, b"\x00") + b"ustar\x00" + b"the text inside an archive\n" * 50,
    ],
    ids=["all", "controls", "noise", "sound", "program", "one", "old", "archive"],
)
def test_bytes_that_are_no_text_are_refused(data: bytes) -> None:
    with pytest.raises(UserError, match="not text"):
        found(data)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="latin-1"), max_size=400), st.sampled_from(["latin-1", "utf-8", "utf-16-be"]))
def test_any_text_is_read_or_refused_in_one_line(written: str, codec: str) -> None:
    try:
        encoding = found(written.encode(codec))
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(written.encode(codec).decode(encoding.codec, "replace"), str)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        assert found(data).codec
    except UserError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("byte", [0x00, 0x41, 0x80, 0xA1, 0xE9, 0xFF])
def test_one_byte_a_million_times(byte: int) -> None:
    try:
        assert found(bytes([byte]) * 1_000_000).codec
    except UserError as error:
        assert "a.txt" in str(error)


def test_samples_are_what_an_encoding_can_hold() -> None:
    assert writable("„Tak“ – ő", "iso8859-2") == '"Tak" - ő'
    assert writable("ế", "cp1258") == "ê\u0301"


def test_a_text_after_a_long_blank_is_read(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(b"\n" * (3 << 20) + "Färjan väntar på ån.\n".encode("cp1252") * 30)
    assert detect(lambda: path.open("rb"), path).codec == "cp1252"
