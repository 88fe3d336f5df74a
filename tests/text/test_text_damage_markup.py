"""Damaged books and documents: lines or one clear line, nothing else, and no file written."""

import io
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from reader_helpers import zipped
from text.damage import damaged

from modou.messages import UserError
from modou.text.readers import reader_of
from modou.text.readers.file import File, Reading

LONGEST = 10
"""Seconds that a damaged file may take."""
SAID = "The heron stood in the reeds all morning & did not move. 鹭鸶站了一早上，一动不动。"
HTML = f"""<!DOCTYPE html><html><head><meta charset="utf-8"><title>x</title><style>p {{}}</style></head><body>
<h1>One</h1>{f"<p>{SAID}<br/><ruby>鹭<rt>lu</rt></ruby><sup><a href='#n'>1</a></sup></p>" * 5}
<table><tr><td>a</td><td>b</td></tr></table><pre>
 x
</pre><aside epub:type="footnote">n</aside></body></html>"""
OPF = """<package xmlns="http://www.idpf.org/2007/opf"><manifest>
<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>
<item id="b" href="b.xhtml" media-type="application/xhtml+xml"/><item id="t" href="t.ncx"
media-type="application/x-dtbncx+xml"/></manifest><spine toc="t">
<itemref idref="a"/><itemref idref="b"/></spine></package>"""
NCX = """<ncx><navMap><navPoint><navLabel><text>One</text></navLabel><content src="a.xhtml#x"/></navPoint>
<navPoint><navLabel><text>Two</text></navLabel><content src="b.xhtml"/></navPoint></navMap></ncx>"""
CONTAINER = '<container><rootfiles><rootfile full-path="b.opf"/></rootfiles></container>'
FB2 = f"""<?xml version="1.0" encoding="utf-8"?><FictionBook><description><a>x</a></description><body>
<title><p>One</p></title>
<section><p>{"".join(f"<v>{SAID.replace('&', '&amp;')}</v>" for _ in range(5))}</p></section></body></FictionBook>"""
RTF = (
    r"{\rtf1\ansi\ansicpg936{\fonttbl{\f0\fcharset134 a;}}{\stylesheet{\s1 heading 1;}}{\*\g x}\pard\s1 One\par\pard "
    + r"\u40499?\'c2\'b9{\footnote n}{\pict 00}\trowd a\cell b\cell\row\bin3 abc \par " * 9
    + "}"
)
MD = f"---\na: b\n---\n# One\n\n{SAID}[^1] *a* [b](c)\n\n- x\n\n```\ny\n```\n\n|a|b|\n|-|-|\n|c|d|\n\n[^1]: n\n" * 3
RST = f"One\n===\n\n.. note:: x\n   y\n\n{SAID} **a** `b <c>`_\n\n::\n\n  z\n\n+--+\n|a |\n+--+\n\n.. [1] n\n" * 3


def word() -> bytes:
    """A Word document."""
    run = f"<w:r><w:rPr><w:vanish w:val='0'/></w:rPr><w:t>{SAID.replace('&', '&amp;')}</w:t><w:tab/><w:br/></w:r>"
    box = "<mc:Choice><w:txbxContent><w:p><w:r><w:t>b</w:t></w:r></w:p></w:txbxContent></mc:Choice><mc:Fallback/>"
    table = "<w:tbl><w:tr><w:tc><w:p/></w:tc><w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    heading = "<w:p><w:pPr><w:pStyle w:val='H'/></w:pPr><w:r><w:t>One</w:t></w:r></w:p>"
    styles = "<w:style w:styleId='H'><w:name w:val='heading 1'/><w:basedOn w:val='H'/></w:style>"

    def part(text: str) -> str:
        return f'<w:d xmlns:w="w" xmlns:mc="mc">{text}</w:d>'

    body = heading + f"<w:p><w:del>{run}</w:del>{run}{box}</w:p>" * 5 + table
    return zipped({"word/document.xml": part(body), "word/styles.xml": part(styles), "word/footnotes.xml": part(run)})


def open_document() -> bytes:
    """An OpenDocument text."""
    kind = "application/vnd.oasis.opendocument.text"
    said = SAID.replace("&", "&amp;")
    body = f"<t:h>One</t:h>{f'<t:p>{said}<t:s/><t:note><t:p>n</t:p></t:note></t:p>' * 5}<t:p><t:line-break/></t:p>"
    content = f'<o:d xmlns:o="o" xmlns:t="t"><o:body>{body}</o:body></o:d>'
    return zipped({"mimetype": kind, "content.xml": content, "styles.xml": content.replace("body", "header")})


def epub() -> bytes:
    """An EPUB."""
    members = {"META-INF/container.xml": CONTAINER, "b.opf": OPF, "t.ncx": NCX, "a.xhtml": HTML, "b.xhtml": HTML}
    return zipped({"mimetype": "application/epub+zip", **members})


FORMATS: dict[str, Callable[[], bytes]] = {
    "x.html": HTML.encode,
    "x.txt": lambda: HTML.encode("gb18030"),
    "x.epub": epub,
    "x.docx": word,
    "x.odt": open_document,
    "x.fb2": FB2.encode,
    "x.rtf": RTF.encode,
    "x.md": MD.encode,
    "x.rst": RST.encode,
    "x.py": RST.encode,
}


def broken_inside(data: bytes, seed: int) -> bytes:
    """An archive that is whole, one of whose members is damaged."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members: dict[str, str | bytes] = {info.filename: archive.read(info) for info in archive.infolist()}
    name = sorted(members)[seed % len(members)]
    whole = members[name]
    assert isinstance(whole, bytes)
    return zipped(members | {name: damaged(whole, seed)})


def copies(data: bytes, count: int) -> Iterator[bytes]:
    """Damaged copies of a file; of an archive half of them damaged inside."""
    packed = data.startswith(b"PK")
    for seed in range(count):
        yield broken_inside(data, seed) if packed and seed % 2 else damaged(data, seed)


def check(name: str, count: int, folder: Path) -> None:
    """Read the copies: lines or a UserError of one line, within the time."""
    read = refused = 0
    for data in copies(FORMATS[name](), count):
        begun = time.monotonic()
        file = File(folder / name, name, opens=lambda data=data: io.BytesIO(data))
        try:
            found = list(reader_of(file).lines(file, Reading("x")))
            read += bool(found)
        except UserError as error:
            refused += 1
            assert "\n" not in str(error)
        assert time.monotonic() - begun < LONGEST
    assert read and read + refused == count
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_some_damaged_files(name: str, tmp_path: Path) -> None:
    check(name, 60, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"x.txt"}))  # most of its time is the detection of encodings
def test_many_damaged_files(name: str, tmp_path: Path) -> None:
    check(name, 2000, tmp_path)
