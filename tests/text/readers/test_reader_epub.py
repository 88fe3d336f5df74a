"""EPUB 2 and 3, written by hand from their specifications."""

import pytest
from reader_helpers import read, zipped

from modou.messages import UserError

CONTAINER = """<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">
<rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""


def page(body: str, lang: str = "en") -> str:
    """A page of a book."""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="{lang}">
<head><title>The Well</title><link rel="stylesheet" href="s.css"/></head><body>{body}</body></html>"""


def book(
    pages: dict[str, str],
    *,
    nav: str = "",
    ncx: str = "",
    guide: str = "",
    linear: tuple[str, ...] = (),
    extra: dict[str, str | bytes] | None = None,
) -> bytes:
    """An EPUB whose spine is the pages, in their order; `nav`, `ncx`: the entries of a table of contents."""
    items = [f'<item id="i{i}" href="{name}" media-type="application/xhtml+xml"/>' for i, name in enumerate(pages)]
    refs = [
        f'<itemref idref="i{i}"{" linear=" + chr(34) + "no" + chr(34) if name in linear else ""}/>'
        for i, name in enumerate(pages)
    ]
    members: dict[str, str | bytes] = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER}
    if nav:
        items.append('<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>')
        refs.insert(0, '<itemref idref="nav"/>')
        links = f'<nav epub:type="toc"><h2>Contents</h2><ol>{nav}</ol></nav>'
        links += '<nav epub:type="landmarks"><a href="p1.xhtml">Begin</a></nav>'
        members["OEBPS/nav.xhtml"] = page(links)
    if ncx:
        items.append('<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>')
        members["OEBPS/toc.ncx"] = f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{ncx}</navMap></ncx>'
    members["OEBPS/book.opf"] = f"""<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/>
        <manifest>{"".join(items)}</manifest><spine toc="ncx">{"".join(refs)}</spine><guide>{guide}</guide></package>"""
    members |= {f"OEBPS/{name.replace('%20', ' ')}": text for name, text in pages.items() if text}
    return zipped(members | (extra or {}))


def li(place: str, title: str, inner: str = "") -> str:
    return f'<li><a href="{place}">{title}</a>{inner}</li>'


def point(place: str, title: str, inner: str = "") -> str:
    return f'<navPoint><navLabel><text>{title}</text></navLabel><content src="{place}"/>{inner}</navPoint>'


def test_the_order_is_that_of_the_spine_and_headings_are_the_pages_own() -> None:
    data = book(
        {
            "z.xhtml": page("<h1>One</h1><p>The rope was short.</p>"),
            "a%20b.xhtml": page("<h2>Two</h2><p>The well was deep&nbsp;&mdash; deeper.</p><script/><p>On.</p>"),
        },
        nav=li("z.xhtml", "One") + li("a%20b.xhtml#top", "Two"),
    )
    found = read(data, "book.epub")
    assert found.shape == ["# One", "The rope was short.", "# Two", "The well was deep\xa0— deeper.", "On."]
    assert found.reading.rows == 3 and found.kinds["navigation"] >= 1


def test_the_contents_make_headings_where_the_page_has_none() -> None:
    pages = {
        "p1.xhtml": page("<p>The rope was short.</p>"),
        "p2.xhtml": page(
            "<p>It went on.</p><p id='c2'><b>Second</b></p><p>The bucket.</p><h3 id='c3'>3</h3><p>Deep.</p>"
        ),
        "p3.xhtml": page("<div>Chapter IV</div><div>The Bell</div><p>It rang.</p>"),
    }
    said = [
        ("p1.xhtml", "First"),
        ("p2.xhtml#c2", "Second"),
        ("p2.xhtml#c3", "3. Deep"),
        ("p3.xhtml", "Chapter IV The Bell"),
    ]
    wanted = [
        "# First",
        "The rope was short.",
        "It went on.",
        "# Second",
        "The bucket.",
        "# 3",
        "Deep.",
        "# Chapter IV The Bell",
        "It rang.",
    ]
    for contents in ({"nav": "".join(li(*one) for one in said)}, {"ncx": "".join(point(*one) for one in said)}):
        assert read(book(pages, **contents), "book.epub").shape == wanted


def test_parts_and_chapters_that_begin_together() -> None:
    pages = {"p1.xhtml": page("<p>The rope.</p>"), "p2.xhtml": page("<p>The bell.</p>")}
    ncx = point("p1.xhtml", "Part One", point("p1.xhtml#x", "1")) + point("p2.xhtml", "2")
    assert read(book(pages, ncx=ncx), "book.epub").shape == ["# Part One", "The rope.", "# 2", "The bell."]


def test_what_is_not_text_is_set_aside() -> None:
    pages = {
        "cover.xhtml": page("<p>THE WELL</p>"),
        "toc.xhtml": page(
            '<p><a href="p1.xhtml">One</a></p><p><a href="p2.xhtml">Two</a></p><p><a href="n.xhtml">Notes</a></p>'
        ),
        "p1.xhtml": page('<h1>One</h1><p>The rope<a epub:type="noteref" href="n.xhtml#n1">1</a>.</p>'),
        "p2.xhtml": page("<h1>二</h1><p>井<ruby>戸<rt>ど</rt></ruby>。</p>", "ja"),
        "n.xhtml": page('<section epub:type="endnotes"><p id="n1">1. Of hemp.</p></section>'),
        "ads.xhtml": page("<p>Other books.</p>"),
    }
    guide = '<reference type="cover" href="cover.xhtml"/>'
    found = read(book(pages, guide=guide, linear=("ads.xhtml",)), "book.epub")
    assert found.shape == ["# One", "The rope.", "# 二", "井戸。"]
    assert found.kinds == {"metadata": 6, "navigation": 2, "note_mark": 1, "ruby": 1, "note": 1, "supplement": 1}


def test_missing_and_broken_pages_cost_those_pages() -> None:
    pages = {
        "gone.xhtml": "",
        "p1.xhtml": page("<p>The rope.</p>"),
        "../../../etc/passwd": "",
        "UPPER.xhtml": "",
        "blank.xhtml": " ",
    }
    found = read(book(pages, extra={"OEBPS/upper.XHTML": page("<p>The bell.</p>")}), "book.epub")
    assert found.texts == ["The rope.", "The bell."]
    assert found.reading.bad_rows == 2 and "gone.xhtml" in found.reading.complaints[0]


ENCRYPTION = """<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"
xmlns:enc="http://www.w3.org/2001/04/xmlenc#">
<enc:EncryptedData><enc:EncryptionMethod Algorithm="{}"/>
<enc:CipherData><enc:CipherReference URI="OEBPS/x"/></enc:CipherData>
</enc:EncryptedData></encryption>"""


def test_a_book_with_drm_is_refused_and_one_with_hidden_fonts_is_not() -> None:
    pages = {"p1.xhtml": page("<p>The rope.</p>")}
    locked = {"META-INF/encryption.xml": ENCRYPTION.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc")}
    with pytest.raises(UserError, match="DRM"):
        read(book(pages, extra=locked), "book.epub")
    fonts = {"META-INF/encryption.xml": ENCRYPTION.format("http://www.idpf.org/2008/embedding")}
    assert read(book(pages, extra=fonts), "book.epub").texts == ["The rope."]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"META-INF/container.xml": "<container/>"}, "not a complete EPUB"),
        ({"META-INF/container.xml": CONTAINER}, "not a complete EPUB"),
        ({"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": "no xml"}, "not a complete EPUB"),
        ({"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": "<package><spine/></package>"}, "is empty"),
    ],
)
def test_a_book_that_cannot_be_read(members: dict[str, str | bytes], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(zipped(members), "book.epub")


def test_a_page_in_another_encoding() -> None:
    text = "渡口的灯一夜没有灭，船家说天亮了再走。"
    gbk = page(f"<p>{text}</p>").replace('encoding="utf-8"', 'encoding="gb2312"')
    data = book({"p1.xhtml": page("<p>灯</p>")}, extra={"OEBPS/p1.xhtml": gbk.encode("gbk")})
    assert read(data, "book.zip").texts == [text]


def test_nothing_outside_the_book_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("x") / "secret.txt"
    secret.write_text("hush", encoding="utf-8")
    entity = f'<!DOCTYPE package [<!ENTITY s SYSTEM "{secret.as_uri()}">]>'
    members = {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": entity + '<package><manifest><item id="a" href="a.xhtml"/><item id="t" href="t.ncx" '
        'media-type="application/x-dtbncx+xml"/></manifest><spine><itemref idref="a"/></spine></package>',
        "OEBPS/a.xhtml": entity.replace("package", "html") + page("<p>The rope &s;.</p>").partition("?>")[2],
        "OEBPS/t.ncx": entity.replace("package", "ncx") + f"<ncx><navMap>{point('a.xhtml', 'T&s;')}</navMap></ncx>",
    }
    shown = "".join(read(zipped(members), "book.epub").shape)
    assert "rope" in shown and "hush" not in shown
