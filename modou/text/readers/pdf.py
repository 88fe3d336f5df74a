"""PDF: paragraphs and headings in reading order; each page begins with a form feed, for the rules on pages.

The text is that which the file holds; a file of pictures of pages is refused.
"""

import logging
import re
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from itertools import islice
from typing import Any

from modou.messages import UserError
from modou.text.headings import Heading
from modou.text.readers.file import File, Line, Reading
from modou.text.readers.pdf_layout import CHARACTERS, PageLine, page_lines
from modou.text.readers.pdf_text import PageStyle, page_text, usual_size
from modou.text.report import note, visible
from modou.text.wrapping import Hyphens

LAYOUT = None

_MOST_BYTES, _MOST_PAGES = 1 << 30, 50_000
_SAMPLE, _SAMPLE_CHARACTERS = 12, 50_000
"""Pages from which the usual size of the text is taken, and characters on them that are enough."""
_FEW = 10
"""Visible characters a page; with fewer a file that has pictures is a scanned one."""
_OUTLINE, _DEPTH = 20_000, 8
_BOMB, _BOMB_TIMES = 1 << 21, 20
"""A file whose text is longer than that, and than so many times its size, is not a book."""
_DRAWING, _DRAWING_TIMES = 1 << 24, 100
"""A stream of drawing that unpacks to more bytes than that, and to more than so many times its size, is not a page:
pdfium, which cannot be interrupted, would take minutes and gigabytes over it."""
_PIECE = 1 << 13
_STREAM = re.compile(rb">>\s*stream\r?\n")
_SIGNATURE = re.compile(rb"(?:\xef\xbb\xbf)?\s*%PDF-\d")
_UNREADABLE = re.compile("[\0\ufffd\ue000-\uf8ff]")
_PASSWORD, _SECURITY = 4, 5
"""Error codes of pdfium."""


def recognises(file: File) -> bool:
    """By the signature, which may follow some other bytes where the name says what it is."""
    return _SIGNATURE.match(file.head) is not None or (file.suffix == ".pdf" and b"%PDF-" in file.head[:1024])


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """The pages. UserError: damaged, locked with a password, or without text."""
    with _opened(file) as (document, size):
        style = _style(file, document, size)
        for number in range(len(document)):
            with _page(document, number) as (page, textpage):
                if fault := _fault(page, textpage):
                    reading.complain(f"{file.path.name}:{number + 1}: {note(fault)}")
                found = page_text(page_lines(textpage, _raw()), number, style, reading) if page else []
            reading.rows += page is not None
            if number:
                found[:1] = ["\f" + found[0]] if found and isinstance(found[0], str) else ["\f", *found[:1]]
            for line in found:
                reading.undecoded((line.text or "") if isinstance(line, Heading) else line)
                yield line


def _fault(page: Any, textpage: Any) -> str | None:
    """The message that says why a page is not read, or not wholly."""
    if page is None:
        return "text.pdf_page_broken"
    if not textpage.count_chars() and _has_picture(page):
        return "text.pdf_page_picture"
    return "text.pdf_page_long" if textpage.count_chars() > CHARACTERS else None


def _style(file: File, document: Any, size: int) -> PageStyle:
    """What is usual in the document, from all its pages. `size`: of the file, in bytes. UserError: they hold pictures,
    no text, or a page's text many times over."""
    count = len(document)
    hyphens = Hyphens()
    sample = list[list[PageLine]]()
    held = lost = pictures = good = sampled = 0
    for number in range(count):
        with _page(document, number) as (page, textpage):
            if page is None:
                continue
            good += 1
            text = textpage.get_text_range(count=min(textpage.count_chars(), CHARACTERS))
            for line in text.replace("\ufffe", "-\n").split("\n"):
                hyphens.add(line.strip())
            shown = visible(text)
            held += shown
            lost += len(_UNREADABLE.findall(text))
            pictures += shown < _FEW and _has_picture(page)
            if number % (count // _SAMPLE + 1) == 0 and sampled < _SAMPLE_CHARACTERS:
                sampled += shown
                sample.append(page_lines(textpage, _raw()))
            if held > max(_BOMB, _BOMB_TIMES * size):
                raise UserError("text.bomb", path=file.path, times=_BOMB_TIMES)
    if not good:
        raise UserError("text.pdf_broken", path=file.path)
    if held < _FEW * count and pictures:
        raise UserError("text.pdf_scanned", path=file.path)
    if not held:
        raise UserError("text.pdf_empty", path=file.path)
    if 3 * lost > held:
        raise UserError("text.pdf_garbled", path=file.path)
    return PageStyle(usual_size(sample), hyphens, _outline(document))


def _outline(document: Any) -> dict[int, set[str]]:
    """The titles in the outline, without white space, by page."""
    titles = dict[int, set[str]]()
    logging.getLogger("pypdfium2").setLevel(logging.ERROR)  # it warns of outlines that are deep or run in circles
    with suppress(_pdfium().PdfiumError, ValueError):
        for mark in islice(document.get_toc(max_depth=_DEPTH), _OUTLINE):
            place = mark.get_dest()
            page = place.get_index() if place else None
            title = "".join(mark.get_title().split())
            if page is not None and title:
                titles.setdefault(page, set()).add(title)
    return titles


@contextmanager
def _opened(file: File) -> Generator[tuple[Any, int]]:
    """The document and its size in bytes. UserError: too large, damaged, locked."""
    pdfium = _pdfium()
    with file.readable(), file.open() as stream:
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise UserError("text.pdf_too_large", path=file.path, most=_MOST_BYTES >> 30, pages=_MOST_PAGES)
    if any(_is_bomb(data, found.start(), found.end()) for found in _STREAM.finditer(data)):
        raise UserError("text.bomb", path=file.path, times=_DRAWING_TIMES)
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        locked = error.err_code in (_PASSWORD, _SECURITY)
        raise UserError("text.encrypted" if locked else "text.pdf_broken", path=file.path) from None
    try:
        if len(document) > _MOST_PAGES:
            raise UserError("text.pdf_too_large", path=file.path, most=_MOST_BYTES >> 30, pages=_MOST_PAGES)
        yield document, len(data)
    finally:
        document.close()


def _is_bomb(data: bytes, dictionary: int, start: int) -> bool:
    """Whether a packed stream that begins at `start`, and is no picture, unpacks out of all proportion."""
    if b"/Image" in data[max(0, dictionary - 400) : dictionary].rpartition(b" obj")[2]:
        return False
    unpacker, at, size = zlib.decompressobj(), start, 0
    with suppress(zlib.error):
        while not unpacker.eof and (piece := unpacker.unconsumed_tail or data[at : at + _PIECE]):
            if not unpacker.unconsumed_tail:
                at += len(piece)
            size += len(unpacker.decompress(piece, 1 << 20))
            if size > max(_DRAWING, _DRAWING_TIMES * (at - start)):
                return True
    return False


@contextmanager
def _page(document: Any, number: int) -> Generator[tuple[Any, Any]]:
    """A page and its text, closed at the end; (None, None) if it is damaged."""
    with ExitStack() as stack:
        try:
            page = document[number]
            stack.callback(page.close)
            textpage = page.get_textpage()
            stack.callback(textpage.close)
        except _pdfium().PdfiumError:
            page = textpage = None
        yield page, textpage


def _has_picture(page: Any) -> bool:
    with suppress(_pdfium().PdfiumError):
        return next(iter(page.get_objects([_raw().FPDF_PAGEOBJ_IMAGE], max_depth=_DEPTH)), None) is not None
    return False


def _pdfium() -> Any:
    return import_module("pypdfium2")


def _raw() -> Any:
    return import_module("pypdfium2.raw")
