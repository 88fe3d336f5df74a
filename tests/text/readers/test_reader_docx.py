"""Word documents, written by python-docx or by hand from the specification (ECMA-376)."""

import io
from typing import Any

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_helpers import Read, read, zipped

from modou.messages import UserError
from modou.text.report import visible

NAMESPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"'
)


def saved(document: Any) -> Read:
    """The document, written and read."""
    stream = io.BytesIO()
    document.save(stream)
    return read(stream.getvalue(), "book.docx")


def by_hand(body: str, **parts: str) -> Read:
    """A document of this body and these parts: styles="...", footnotes="..."."""
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "word/document.xml": f"<w:document {NAMESPACES}><w:body>{body}</w:body></w:document>",
    }
    for name, part in parts.items():
        members[f"word/{name}.xml"] = f"<w:{name} {NAMESPACES}>{part}</w:{name}>"
    return read(zipped(members), "book")


def test_what_python_docx_writes_is_read_back() -> None:
    document = docx.Document()
    document.add_heading("The Orchard", 0)
    document.add_heading("One", 1)
    paragraph = document.add_paragraph("Ines counted ")
    paragraph.add_run("eleven").bold = True
    paragraph.add_run(" pears.\nOne was missing.\tAlways.")
    document.add_paragraph("")
    document.add_paragraph("ladders", style="List Bullet")
    table = document.add_table(2, 2)
    for cell, text in zip((c for row in table.rows for c in row.cells), ("tree", "pears", "old", "5"), strict=True):
        cell.text = text
    document.add_heading("二", 3)
    document.add_paragraph("梨子熟了。")
    document.sections[0].header.paragraphs[0].text = "THE ORCHARD"
    found = saved(document)
    assert found.lines == [
        *found.lines[:2],
        "Ines counted eleven pears.",
        "One was missing.\tAlways.",
        "",
        "",
        "ladders",
        "tree\tpears",
        "old\t5",
        found.lines[-2],
        "梨子熟了。",
    ]
    assert found.headings == ["The Orchard", "One", "二"] and found.kinds == {"running_head": 1}


def test_headings_by_style_level_and_inheritance() -> None:
    document = docx.Document()
    own = document.styles.add_style("My Chapters", WD_STYLE_TYPE.PARAGRAPH)
    own.base_style = document.styles["Heading 2"]
    level = document.styles.add_style("Kapitelkopf", WD_STYLE_TYPE.PARAGRAPH)
    level.element.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="0"/>'))
    body = document.styles.add_style("Plain again", WD_STYLE_TYPE.PARAGRAPH)
    body.base_style = level
    body.element.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="9"/>'))
    contents = document.styles.add_style("toc 1", WD_STYLE_TYPE.PARAGRAPH)
    for text, style in (("a", own), ("b", level), ("c", body), ("a 1", contents)):
        document.add_paragraph(text, style)
    document.add_paragraph("d")._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="1"/>'))
    found = saved(document)
    assert found.headings == ["a", "b", "d"] and found.texts == ["c"] and found.kinds == {"navigation": 1}


def test_localized_styles_and_circles() -> None:
    styles = """<w:style w:styleId="1"><w:name w:val="标题 1"/></w:style>
        <w:style w:styleId="x"><w:name w:val="x"/><w:basedOn w:val="y"/></w:style>
        <w:style w:styleId="y"><w:name w:val="y"/><w:basedOn w:val="x"/></w:style>"""
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{style}</w:t></w:r></w:p>'
        for style in ("1", "x", "Heading2")
    )
    assert by_hand(body, styles=styles).shape == ["# 1", "x", "# Heading2"]
    assert by_hand(body).shape == ["1", "x", "# Heading2"]


def test_changes_fields_and_notes() -> None:
    body = """<w:p><w:pPr><w:tabs><w:tab w:val="left"/></w:tabs>
        <w:pPrChange><w:pPr><w:pStyle w:val="Heading1"/></w:pPr></w:pPrChange>
        </w:pPr><w:r><w:t xml:space="preserve">She </w:t></w:r><w:ins><w:r><w:t>did</w:t></w:r></w:ins>
        <w:del><w:r><w:delText>would</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>gone</w:t></w:r></w:moveFrom>
        <w:r><w:noBreakHyphen/><w:tab/><w:softHyphen/><w:footnoteReference w:id="1"/></w:r>
        <w:r><w:fldChar w:fldCharType="begin"/><w:instrText>PAGE 3</w:instrText><w:t>7</w:t></w:r>
        <w:hyperlink><w:r><w:t>here</w:t></w:r></w:hyperlink><w:smartTag><w:r><w:t>.</w:t></w:r></w:smartTag>
        <w:r><w:rPr><w:vanish/></w:rPr><w:t>unseen</w:t></w:r>
        <w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>seen</w:t></w:r></w:p>
        <w:sdt><w:sdtPr><w:tag w:val="x"/></w:sdtPr>
        <w:sdtContent><w:p><w:r><w:t>Kept.</w:t></w:r></w:p></w:sdtContent></w:sdt>
        <w:p><w:r><w:ruby><w:rt><w:r><w:t>とう</w:t></w:r></w:rt>
        <w:rubyBase><w:r><w:t>東</w:t></w:r></w:rubyBase></w:ruby></w:r></w:p>"""
    notes = "<w:footnote><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote>"
    found = by_hand(body, footnotes=notes, comments="<w:comment><w:p><w:r><w:t>Hm.</w:t></w:r></w:p></w:comment>")
    assert found.texts == ["She did-\t7here.seen", "Kept.", "東"]
    assert found.kinds == {"deleted": 2, "field": 1, "hidden": 1, "ruby": 1, "note": 1, "comment": 1}
    assert found.reading.set_aside.removed == len("wouldgonePAGE3unseenとうAnote.Hm.")


def test_a_text_box_is_read_once_and_after_its_paragraph() -> None:
    box = "<w:txbxContent><w:p><w:r><w:t>In the box.</w:t></w:r></w:p></w:txbxContent>"
    body = f"""<w:p><w:r><w:t>Before </w:t></w:r><w:r><mc:AlternateContent><mc:Choice><wp:docPr descr="a frame"/>
        <wps:txbx>{box}</wps:txbx></mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r>
        <w:r><w:t>after.</w:t></w:r></w:p><w:p><w:r><w:t>Next.</w:t></w:r></w:p>"""
    found = by_hand(body)
    assert found.texts == ["Before after.", "In the box.", "Next."] and found.kinds == {"alternative": 1}


def test_damage_and_hostile_documents_are_one_clear_line() -> None:
    with pytest.raises(UserError, match="damaged") as caught:
        by_hand("<w:p><w:r><w:t>cut")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="empty"):
        by_hand("<w:p>" * 3000 + "</w:p>" * 3000)
    laughs = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "ha" * 10}">' for i in range(12))
    bomb = (
        f"<!DOCTYPE w:document [{laughs}]><w:document {NAMESPACES}><w:p><w:r><w:t>&a11;</w:t></w:r></w:p></w:document>"
    )
    with pytest.raises(UserError, match="damaged"):
        read(zipped({"[Content_Types].xml": "", "word/document.xml": bomb}), "bomb.docx")


PARAGRAPHS = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufffe\uffff")
    )
    .map(str.rstrip)
    .filter(bool),
    min_size=1,
    max_size=8,
)


@given(PARAGRAPHS, st.lists(st.booleans(), min_size=8, max_size=8))
@settings(max_examples=25, deadline=None)
def test_every_character_is_passed_on(paragraphs: list[str], heads: list[bool]) -> None:
    document = docx.Document()
    for text, head in zip(paragraphs, heads, strict=False):
        document.add_paragraph(text, "Heading 1" if head else None)
    found = saved(document)
    assert found.characters == sum(map(visible, paragraphs))
    wanted = [text for text, head in zip(paragraphs, heads, strict=False) if not head and text]
    assert [text.rstrip() for text in found.texts] == wanted
