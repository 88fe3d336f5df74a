"""Rich Text Format, written by hand from its specification, and checked against striprtf."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_helpers import Read, read
from striprtf.striprtf import rtf_to_text

from modou.messages import UserError
from modou.text.report import visible

FONTS = (
    r"{\fonttbl{\f0\froman\fcharset0 Times;}{\f1\fnil\fcharset134 SimSun;}{\f2\fnil\fcharset128 Mincho;}"
    r"{\f3\fswiss\fcharset204{\*\panose 020b}Arial Cyr;}{\f4\fswiss\fcharset238 Arial CE;}}"
)
STYLES = (
    r"{\stylesheet{\ql Normal;}{\s1\outlinelevel0\sbasedon0 heading 1;}{\s2 Title;}"
    r"{\*\cs10 Default;}{\s3\sbasedon1 Own;}}"
)


def rtf(body: str, head: str = r"\ansi\ansicpg1252\deff0") -> Read:
    """A document, read; the body is written in Latin-1."""
    return read(f"{{\\rtf1{head}{FONTS}{STYLES}\r\n{body}}}".encode("latin-1"), "book.rtf")


def escaped(text: str, codec: str) -> str:
    """A text as bytes in a code page."""
    return "".join(f"\\'{byte:02x}" for byte in text.encode(codec))


def test_paragraphs_headings_and_characters() -> None:
    found = rtf(
        r"\pard\s1 The \b Mill\b0\par\pard\plain It stood\~there \emdash  old\line and tall\'85\tab\{x\}\\\_y\-z\par"
        "\r\n"
        r"\par \pard\outlinelevel1 Two\par\pard\s3 Three\par\pard\s2 Four\par\pard {\i So} it\r"
        "\nwas.\\par"
    )
    assert found.lines[1:5] == ["It stood\u00a0there — old", "and tall…\t{x}\\-yz", "", found.lines[4]]
    assert found.headings == ["The Mill", "Two", "Three", "Four"] and found.texts[-1] == "So itwas."


@pytest.mark.parametrize(
    ("font", "codec", "text"),
    [
        (1, "gb18030", "磨坊的水车停了，镕金。"),
        (2, "cp932", "水車は表で止まった。ソ十"),
        (3, "cp1251", "Мельница стояла."),
        (4, "cp1250", "Młyn stał żółty."),
    ],
)
def test_code_pages_of_fonts(font: int, codec: str, text: str) -> None:
    assert rtf(rf"\pard\f{font} {escaped(text, codec)}\par").texts == [text]
    # The second byte of a character may be a letter as it is.
    raw = "".join(chr(byte) if chr(byte).isalpha() and byte < 128 else f"\\'{byte:02x}" for byte in text.encode(codec))
    assert rtf(rf"\pard\f{font} {raw}\par").texts == [text]
    # The document's own code page, a Western font.
    page = {"gb18030": 936, "cp932": 932, "cp1251": 1251, "cp1250": 1250}[codec]
    assert rtf(rf"\pard\f0 {escaped(text, codec)}\par", rf"\ansi\ansicpg{page}\deff0").texts == [text]
    assert rtf(rf"\pard\loch\af0\hich\af0\dbch\af{font} {escaped(text, codec)}\par").texts == [text]


def test_unicode_and_what_stands_in_for_it() -> None:
    found = rtf(r"\pard\uc1\u30952?\u22346\'3f x\uc2\u27700\'cb\'aey{\uc0\u-10179\u-8704 }\u10??z\u-10179 ??!\par")
    assert found.texts == ["磨坊 x水y😀", "z\ufffd!"] and found.reading.undecodable == 1


def test_what_is_not_the_text_is_set_aside_or_dropped() -> None:
    found = rtf(
        r"{\info{\title A Book}{\creatim\yr2020}}{\header Page heads\par}\pard One{\super\chftn{\footnote"
        r"\pard A note.\par}}"
        r" two{\pict\pngblip 89504e470d0a1a0a}{\*\shppict{\pict 00ff}}{\*\unknown gone}{\v unseen}{\deleted old}."
        r"{\field{\*\fldinst HYPERLINK x}{\fldrslt  Here}}{\*\bkmkstart b}{\upr{x?}{\*\ud{\u228 a}}}\bin5 {{{}}\par"
        r"{\pntext 1.\tab}item{\shp{\*\shpinst{\sp{\sn a}{\sv b}}{\shptxt boxed\par}}{\shprslt boxed}}\par"
    )
    assert found.texts == ["One two. Hereä", "item", "boxed"]
    assert found.kinds == dict.fromkeys(
        ("metadata", "running_head", "note", "hidden", "deleted", "field", "list_mark"), 1
    )


def test_tables_are_read_row_by_row() -> None:
    row = r"\trowd\cellx1\cellx2\pard\intbl {}\cell {}\cell\row"
    found = rtf(row.format("day", "fish") + row.format(r"Mon\par day", "12") + r"\pard After.\par")
    assert found.texts == ["day\tfish", "Mon", "day\t12", "After."]


def test_without_text_or_without_end() -> None:
    with pytest.raises(UserError, match="empty"):
        rtf(r"{\pict 00}")
    with pytest.raises(UserError, match="damaged"):
        rtf("{" * 100_000)
    assert read(rb"{\rtf1 It stops", "x.txt").texts == ["It stops"]


WORDS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1),
    min_size=1,
    max_size=6,
)


@given(WORDS)
@settings(max_examples=40, deadline=None)
def test_every_character_is_passed_on_and_striprtf_agrees(paragraphs: list[str]) -> None:
    def unicode(text: str) -> str:
        units = text.encode("utf-16-le")
        codes = (int.from_bytes(units[i : i + 2], "little", signed=True) for i in range(0, len(units), 2))
        return "".join(f"\\u{code}?" for code in codes)

    body = "".join(rf"\pard {unicode(text)}\par" for text in paragraphs)
    found = rtf(body)
    assert found.texts == paragraphs and found.characters == sum(map(visible, paragraphs))
    other = rtf_to_text(f"{{\\rtf1{body}}}").encode("utf-16", "surrogatepass").decode("utf-16")
    assert other.splitlines() == "\n".join(paragraphs).splitlines()
