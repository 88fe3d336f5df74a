"""Web pages: the text in reading order, without tags; headings, notes, ruby, encodings."""

import html
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from lxml.html import builder
from reader_helpers import read

from modou.text.readers.file import File
from modou.text.report import visible

PAGE = """<!DOCTYPE html>
<html><head><title>The Ferry &mdash; a site</title><style>p { color: red }</style></head>
<body><nav><a href="a">Home</a></nav>
<h1>The Ferry</h1>
<h2>One<br>The landing</h2>
<p>Mara tied the rope,
   and waited&hellip; <em>for</em> <b>nobody</b>.</p><!-- a remark -->
<p>“Well?”<br/>said the ferryman.</p>
<noscript>Turn scripts on</noscript><script>if (a < b) { p("<p>no</p>") }</script>
<ul><li>one oar</li><li>two nets</li></ul>
<table><tr><th>day</th><th>fish</th></tr><tr><td><p>Monday</p></td><td>12</td></tr></table>
<pre>
  kept
    as it is
</pre>
after</body></html>"""


def test_the_text_of_a_page() -> None:
    found = read(PAGE.encode(), "page.html")
    assert found.shape == [
        "# The Ferry",
        "# One The landing",
        "Mara tied the rope, and waited… for nobody.",
        "“Well?”",
        "said the ferryman.",
        "one oar",
        "two nets",
        "day\tfish",
        "Monday\t12",
        "  kept",
        "    as it is",
        "after",
    ]
    assert found.kinds == {"metadata": 1, "script": 2, "navigation": 1, "comment": 1, "alternative": 1}


def test_ruby_and_notes_are_set_aside() -> None:
    page = """<html><body><p><ruby>東<rp>（</rp><rt>とう</rt><rp>）</rp>京<rt>きょう</rt></ruby>の川
    <sup><a href="#n1">1</a></sup>。</p>
    <p>次の行<a href="#n2"><sup>[2]</sup></a>、また<a epub:type="noteref" href="n.xhtml#n3">三</a>。x<sup>2</sup></p>
    <aside role="doc-footnote" id="n1"><p>注の一</p></aside>
    <div class="footnotes"><p>注の二</p></div>
    <section epub:type="endnotes"><p>注の三</p></section></body></html>"""
    found = read(page.encode(), "page.xhtml")
    assert found.texts == ["東京の川。", "次の行、また。x2"]
    assert found.kinds == {"ruby": 4, "note_mark": 3, "note": 3}


def test_a_link_of_a_manual_is_no_note() -> None:
    page = '<html><p>See <a class="reference internal" href="#oars">the oars</a>.</p>'
    page += '<ol class="references"><li>x</ol></html>'
    assert read(page.encode(), "page.html").texts == ["See the oars."]


def test_a_page_that_is_saved_as_text() -> None:
    page = "<div>\n<h3>第二章&nbsp;渡口</h3>\n" + "<p>&emsp;船还没有来&hellip;</p>\n他等着。<br>\n" * 9 + "</div>"
    found = read(page.encode("gb18030"), "book.txt")
    assert found.headings == ["第二章 渡口"] and found.texts[:2] == ["\u2003船还没有来…", "他等着。"]
    assert [note.key for note in found.reading.remarks] == ["text.note_html"]


@pytest.mark.parametrize(
    "text",
    [
        "In HTML one writes <p> before a paragraph.\n" + "The lesson went on for an hour.\n" * 9,
        "a < b and c > d\n" * 9,
        "<Anna> hello\n<Ben> good morning\n<Anna> so early?\n" * 3,
        "for <b>every</b> one\n" + "of them came home late\n" * 20,
    ],
)
def test_a_text_that_mentions_tags_is_a_text(text: str) -> None:
    assert read(text.encode(), "book.txt").reading.kind == "plain"


def test_an_address_without_a_name_that_begins_as_a_page() -> None:
    assert read(b"\n <!doctype HTML><p>Hello there.", "saved").texts == ["Hello there."]


CHINESE = "渡口的灯一夜没有灭，船家说天亮了再走。" * 6


@pytest.mark.parametrize(
    ("codec", "declared", "used"),
    [
        ("utf-8", "utf-8", "utf-8"),
        ("gb18030", "gb2312", "gb18030"),
        ("utf-8", "gb2312", "utf-8"),
        ("gb18030", "utf-8", "gb18030"),
        ("utf-16", "utf-16", "utf-16"),
        ("utf-8-sig", "gbk", "utf-8-sig"),
    ],
)
def test_the_declared_encoding_is_checked(codec: str, declared: str, used: str) -> None:
    page = f'<html><head><meta charset="{declared}"></head><body><p>{CHINESE}</p></body></html>'
    found = read(page.encode(codec), "page.html")
    assert found.texts == [CHINESE] and found.reading.encoding is not None
    assert found.reading.encoding.codec == used


def test_encodings_of_other_languages() -> None:
    for text, codec in (("Паром стоял у берега. ", "windows-1251"), ("渡し舟は岸にあった。", "shift_jis")):
        page = f"<html><meta http-equiv=Content-Type content='text/html; charset={codec}'><p>{text * 9}</p></html>"
        assert read(page.encode(codec), "page.html").texts == [(text * 9).strip()]


def test_a_named_encoding_goes_before_the_declared_one() -> None:
    page = f'<html><meta charset="utf-8"><p>{CHINESE}</p></html>'.encode("gb18030")
    assert read(page, "page.html", "gb18030").texts == [CHINESE]


def test_characters_that_do_not_decode_are_counted() -> None:
    page = f"<html><meta charset=utf-8><p>{CHINESE}</p><p>".encode() + b"\xe6\xb8\xff</p></html>"
    found = read(page, "page.html")
    assert found.reading.undecodable == "".join(found.texts).count("\ufffd") > 0


def test_deep_and_unclosed_elements_lose_no_text() -> None:
    page = "<html><body>" + "<font><div><b>" * 5000 + "the end</body>"
    assert read(page.encode(), "page.html").texts == ["the end"]


def test_lines_of_verse_keep_the_gap_between_stanzas() -> None:
    page = "<html><body><p>a rope<br>a bell</p><p>a gate<br>a well</p></body></html>"
    assert read(page.encode(), "page.html").lines == ["a rope", "a bell", "", "a gate", "a well"]


def test_a_book_in_one_cell_of_a_table() -> None:
    page = "<html><table><tr><td>First line.<br><br>Second line.<p>Third.</p></td></tr></table></html>"
    assert read(page.encode(), "page.html").texts == ["First line.", "Second line.", "Third."]


def test_a_long_paragraph_is_read_in_pieces() -> None:
    page = "<html><p>" + "The ferry went back and forth all night. " * 60_000 + "</p></html>"
    found = read(page.encode(), "page.html")
    assert len(found.texts) > 1 and max(map(len, found.texts)) <= 1 << 20
    assert found.characters == 60_000 * visible("The ferry went back and forth all night.")


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=9)


@given(st.lists(st.tuples(st.sampled_from(("p", "h2", "li", "pre", "aside-note", "rt", "script")), WORDS), min_size=1))
@settings(max_examples=40, deadline=None)
def test_every_character_is_passed_on_or_set_aside(pieces: list[tuple[str, str]]) -> None:
    body = [
        f'<aside class="footnote">{html.escape(word)}</aside>'
        if tag == "aside-note"
        else f"<{tag}>{html.escape(word) if tag != 'script' else 'x'}</{tag}>"
        for tag, word in pieces
    ]
    found = read(f"<html><meta charset=utf-8><body>y{''.join(body)}</body></html>".encode(), "page.html")
    total = 1 + sum(visible(word if tag != "script" else "x") for tag, word in pieces)
    assert found.characters + found.reading.set_aside.removed == total


@given(st.lists(st.lists(WORDS, min_size=1, max_size=5).map(" ".join), min_size=1, max_size=9))
@settings(max_examples=40, deadline=None)
def test_what_lxml_writes_is_read_back(paragraphs: list[str]) -> None:
    page = builder.HTML(builder.BODY(*map(builder.P, paragraphs)))
    data = etree.tostring(page, method="html", encoding="utf-8", doctype="<!DOCTYPE html>")
    assert read(data, "page.html").texts == paragraphs


def test_the_declared_encoding_of_a_file_is_kept_once_it_is_known(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(f'<meta charset="gbk"><p>{CHINESE}</p>'.encode("gbk"))
    file = File(path, path.name)
    file.declared("gb18030")
    file.declared("big5")
    assert file.encoding.codec == "gb18030"
