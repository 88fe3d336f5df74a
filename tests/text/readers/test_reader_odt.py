"""OpenDocument texts, written by odfpy or by hand from the specification."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odf import style, table, text
from odf.opendocument import OpenDocumentText
from reader_helpers import Read, read, zipped

from modou.messages import UserError
from modou.text.report import visible

# Importing odfpy puts its own folder, with its own module "text", on the path of all other tests.
sys.path[:] = [place for place in sys.path if Path(place).name != "odf"]

NAMES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{full or name}:1.0"'
    for name, full in (("office", ""), ("text", ""), ("table", ""), ("style", ""), ("draw", "drawing"))
)


def written(fill: Callable[[Any], None], form: str = "odt") -> Read:
    """A document, written by odfpy and read."""
    document = OpenDocumentText()
    fill(document)
    if form == "fodt":
        return read(document.xml(), "book.fodt")
    stream = io.BytesIO()
    document.save(stream)
    return read(stream.getvalue(), "book.odt")


def fill(document: Any) -> None:
    """A bit of everything."""
    own = style.Style(name="P1", family="paragraph", parentstylename="Title")
    document.automaticstyles.addElement(own)
    body = document.text
    body.addElement(text.P(stylename="P1", text="The Lock"))
    body.addElement(text.H(outlinelevel=1, text="One"))
    line = text.P(text="The gate ")
    line.addElement(text.Span(text="stood"))
    line.addText(" open")
    line.addElement(text.S(c=2))
    line.addElement(text.Tab())
    line.addText("all night.")
    line.addElement(text.LineBreak())
    line.addText("Nobody came")
    note = text.Note(noteclass="footnote", id="n1")
    note.addElement(text.NoteCitation(text="1"))
    body_of_note = text.NoteBody()
    body_of_note.addElement(text.P(text="A note."))
    note.addElement(body_of_note)
    line.addElement(note)
    line.addText(".")
    body.addElement(line)
    rows = table.Table()
    for cells in (("day", "boats"), ("Monday", "3")):
        row = table.TableRow()
        for cell in cells:
            found = table.TableCell()
            found.addElement(text.P(text=cell))
            row.addElement(found)
        rows.addElement(row)
    body.addElement(rows)
    entries = text.List()
    item = text.ListItem()
    item.addElement(text.P(text="rope"))
    entries.addElement(item)
    body.addElement(entries)
    ruby = text.Ruby()
    ruby.addElement(text.RubyBase(text="閘"))
    ruby.addElement(text.RubyText(text="こう"))
    line = text.P()
    line.addElement(ruby)
    line.addText("門。")
    body.addElement(line)


@pytest.mark.parametrize("form", ["odt", "fodt"])
def test_what_odfpy_writes_is_read_back(form: str) -> None:
    found = written(fill, form)
    assert [line for line in found.shape if "odfpy" not in line] == [
        "# The Lock",
        "# One",
        "The gate stood open  \tall night.",
        "Nobody came.",
        "day\tboats",
        "Monday\t3",
        "rope",
        "閘門。",
    ]
    assert found.kinds == {"note": 1, "ruby": 1}


def by_hand(body: str, **members: str) -> Read:
    """A document of this body."""
    content = f"""<office:document-content {NAMES}><office:body><office:text>{body}</office:text></office:body>
        </office:document-content>"""
    parts: dict[str, str | bytes] = {"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content}
    return read(zipped(parts | {name.replace("_", "."): part for name, part in members.items()}), "book.odt")


def test_changes_indexes_frames_and_running_heads() -> None:
    body = """<text:tracked-changes><text:changed-region><text:deletion><text:p>Gone.</text:p></text:deletion>
        </text:changed-region></text:tracked-changes>
        <text:table-of-content><text:index-body><text:p>One 1</text:p></text:index-body></text:table-of-content>
        <text:p
        >Before <draw:frame><draw:text-box><text:p>In the box.</text:p></draw:text-box></draw:frame>after.</text:p>
        <text:p/><text:p>A<office:annotation><text:p>Hm.</text:p></office:annotation> word.</text:p>"""
    heads = f"""<office:document-styles {NAMES}>
        <style:master-page><style:header><text:p>The Lock</text:p></style:header>
        </style:master-page></office:document-styles>"""
    found = by_hand(body, styles_xml=heads)
    assert found.lines == ["Before after.", "In the box.", "", "A word."]
    assert found.kinds == {"deleted": 1, "navigation": 1, "comment": 1, "running_head": 1}


def test_encrypted_damaged_and_empty() -> None:
    with pytest.raises(UserError, match="password"):
        read(
            zipped(
                {
                    "mimetype": "application/vnd.oasis.opendocument.text",
                    "content.xml": "x",
                    "META-INF/manifest.xml": "<m:encryption-data/>",
                }
            ),
            "book.odt",
        )
    with pytest.raises(UserError, match="damaged"):
        by_hand("<text:p>")
    with pytest.raises(UserError, match="empty"):
        by_hand("<text:p> </text:p>")


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp"), exclude_characters="\ufffe\uffff"),
    min_size=1,
)


@given(st.lists(WORDS, min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_every_character_is_passed_on(paragraphs: list[str]) -> None:
    def paragraphs_of(document: Any) -> None:
        for words in paragraphs:
            document.text.addElement(text.P(text=words))

    found = written(paragraphs_of)
    assert found.texts == paragraphs and found.characters == sum(map(visible, paragraphs))
