"""FictionBook 2, written by hand from its schema."""

import html
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_helpers import Read, read, zipped

from modou.messages import UserError
from modou.text.readers.book import read_book
from modou.text.report import visible


def fb2(body: str, codec: str = "utf-8", extra: str = "") -> bytes:
    """A book of this body."""
    return f"""<?xml version="1.0" encoding="{codec}"?>
<FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0" xmlns:l="http://www.w3.org/1999/xlink">
<description><title-info><book-title>Мост</book-title></title-info></description>
<body>{body}</body>{extra}</FictionBook>""".encode(codec)


def book(*args: str, **kwargs: str) -> Read:
    """The same, read."""
    return read(fb2(*args, **kwargs), "book.fb2")


@pytest.mark.parametrize("codec", ["utf-8", "windows-1251", "utf-16", "koi8-r"])
def test_sections_notes_and_pictures(codec: str) -> None:
    body = """<title><p>Мост</p></title><section><title><p>Глава 1</p><p>Река</p></title><epigraph><p>Тише.</p>
        <text-author>Сосед</text-author></epigraph><p>Мост   стоял
        <emphasis>высоко</emphasis><a l:href="#n1" type="note">[1]</a>.</p><empty-line/><p>Он ждал.</p>
        <section><title><p>2</p></title><subtitle>* * *</subtitle><p>Ночь.</p></section></section>"""
    extra = """<body name="notes"><section id="n1"><title><p>1</p></title><p>Над рекой.</p></section></body>
        <binary id="i.jpg" content-type="image/jpeg">/9j/4AAQ</binary>"""
    found = book(body, codec, extra)
    assert found.lines == [
        *found.lines[:2],
        "Тише.",
        "Сосед",
        "Мост стоял высоко.",
        "",
        "Он ждал.",
        found.lines[7],
        "* * *",
        "Ночь.",
    ]
    assert found.headings == ["Мост", "Глава 1 Река", "2"]
    assert found.kinds == {"metadata": 1, "note_mark": 1, "note": 1}


def test_poems_keep_their_lines() -> None:
    body = "<poem><title><p>Song</p></title>"
    body += "<stanza><v>a rope</v><v>a bell</v></stanza><stanza><v>a gate</v></stanza></poem>"
    assert book(body).lines[1:] == ["a rope", "a bell", "", "a gate", ""]


def test_entities_of_html_and_text_outside_paragraphs() -> None:
    found = book("<section>" + "<p>one&nbsp;two&mdash;three &amp; four &lt;</p>" * 3000 + "</section>")
    assert set(found.texts) == {"one\u00a0two—three & four <"} and len(found.texts) == 3000


def test_tables() -> None:
    assert book("<table><tr><th>day</th><td>boats</td></tr><tr><td>Mon</td><td>3</td></tr></table>").texts == [
        "day\tboats",
        "Mon\t3",
    ]


def test_a_book_that_was_cut_off_is_read_as_far_as_it_goes_and_said_so() -> None:
    whole = fb2("<section><p>" + "The bridge held. " * 50 + "</p><p>Then it broke.</p></section>")
    found = read(whole[: whole.index(b"broke")], "book.fb2")
    assert found.texts[-1] == "Then it" and [note.key for note in found.reading.remarks] == ["text.note_damaged"]
    with pytest.raises(UserError, match="empty"):
        book("<section/>")


def test_a_book_in_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "book.fb2.zip"
    path.write_bytes(zipped({"book.fb2": fb2("<section><p>The bridge.</p></section>")}))
    found = read_book(path)
    assert [list(document.lines()) for document in found.documents()] == [["The bridge."]]


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp"), exclude_characters="\ufffe\uffff"),
    min_size=1,
)


@given(st.lists(st.tuples(st.sampled_from(("p", "v", "subtitle", "a")), WORDS), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_every_character_is_passed_on_or_set_aside(pieces: list[tuple[str, str]]) -> None:
    body = "".join(
        f'<p>x<a type="note">{html.escape(word)}</a></p>' if tag == "a" else f"<{tag}>{html.escape(word)}</{tag}>"
        for tag, word in pieces
    )
    found = book(f"<section>{body}</section>")
    total = sum(visible(word) + (tag == "a") for tag, word in pieces) + visible("Мост")
    assert found.characters + found.reading.set_aside.removed == total
