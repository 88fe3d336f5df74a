"""PDF: what is no text, or no PDF, is refused in one line; damage and bulk cost bounded time and memory."""

import io
import zlib
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image
from pypdfium2.internal import ObjectTracker
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from text.damage import damaged
from text.pdf_helpers import JUSTIFIED, drawn, flowed, invented, read, style

from modou.messages import UserError
from modou.text.headings import Heading
from modou.text.readers import reader_of
from modou.text.readers.file import File, Reading


def picture(canvas: Canvas) -> None:
    canvas.drawImage(ImageReader(Image.new("RGB", (60, 80), (200, 190, 180))), 0, 0, 595, 842)


def test_scans_are_refused() -> None:
    def scan(canvas: Canvas) -> None:
        for number in range(3):
            picture(canvas)
            canvas.drawString(290, 30, str(number))
            canvas.showPage()

    with pytest.raises(UserError, match="ocrmypdf"):
        read(drawn(scan))


def test_a_page_that_is_a_picture_is_told() -> None:
    def mostly(canvas: Canvas) -> None:
        for number in range(3):
            if number == 1:
                picture(canvas)
            else:
                for place in range(10):
                    canvas.drawString(72, 700 - 14 * place, "The miller counted the sacks of barley in the dark.")
            canvas.showPage()

    found, reading = read(drawn(mostly))
    assert "barley" in str(found)
    assert reading.complaints == ["book.pdf:2: the page is a picture without text"]


def test_drawing_out_of_all_proportion_is_refused() -> None:
    packed = zlib.compress(b"0 0 m 10 10 l S\n" * 4_000_000, 9)
    page = by_hand("3 0 R", b"A line.").replace(b"4 0 obj", b"6 0 obj")
    drawing = b"4 0 obj<</Length %d/Filter/FlateDecode>>stream\n" % len(packed) + packed + b"\nendstream endobj"
    with pytest.raises(UserError, match="times its size"):
        read(page.replace(b"3 0 obj", drawing + b"3 0 obj"))


def by_hand(kids: str, text: bytes) -> bytes:
    """A file of pages: object 3 is one of this text, which may be used more than once; other objects are missing."""
    drawing = b"BT /F 9 Tf 72 700 Td 12 TL " + b"".join(b"(%s) Tj T* " % line for line in text.split(b"\n")) + b"ET"
    parts = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj",
        f"2 0 obj<</Type/Pages/Count {kids.count('R')}/Kids[{kids}]>>endobj".encode(),
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R",
        b"/Resources<</Font<</F 5 0 R>>>>>>endobj",
        b"4 0 obj<</Length %d>>stream\n%s\nendstream endobj" % (len(drawing), drawing),
        b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
    )
    return b"\n".join(parts)


def test_a_page_used_ten_thousand_times_is_refused() -> None:
    with pytest.raises(UserError, match="unpacks to more than"):
        read(by_hand("3 0 R " * 10_000, b"\n".join([b"barley " * 2000] * 8)))


def test_a_damaged_page_and_one_that_is_too_long_are_told() -> None:
    found, reading = read(by_hand("3 0 R 9 0 R 3 0 R", b"Barley is dear."))
    assert found == ["Barley is dear.", "\f", "\fBarley is dear."]
    assert reading.complaints == ["book.pdf:2: the page is damaged"] and (reading.rows, reading.bad_rows) == (2, 1)
    _, reading = read(by_hand("3 0 R", b"\n".join([b"barley" * 4000] * 9)))
    assert "only the first ones were read" in reading.complaints[0]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7\nnothing else", "damaged"),
        (drawn(lambda canvas: canvas.showPage()), "no text"),
        (drawn(lambda canvas: canvas.drawString(9, 9, "x"), encrypt=StandardEncryption("key", "owner")), "password"),
    ],
    ids=["damaged", "empty", "locked"],
)
def test_what_cannot_be_read_is_one_line(data: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        read(data)
    assert "\n" not in str(caught.value)


def test_a_text_about_pdf_is_no_pdf() -> None:
    file = File(Path("a.txt"), "a.txt", opens=lambda: io.BytesIO(b"A file that begins with %PDF-1.7 is one.\n" * 9))
    assert reader_of(file).__name__.endswith("plain")


def test_one_page_at_a_time_is_held() -> None:
    data = flowed([(invented(seed, 8), style(**JUSTIFIED)) for seed in range(40)])
    file = File(Path("book.pdf"), "book.pdf", opens=lambda: io.BytesIO(data))
    held = [
        (len(ObjectTracker[pypdfium2.PdfDocument]), len(ObjectTracker[pypdfium2.PdfPage]))
        for _ in reader_of(file).lines(file, Reading("pdf"))
    ]
    assert max(held) == (1, 0)
    assert not ObjectTracker[pypdfium2.PdfDocument] and not ObjectTracker[pypdfium2.PdfTextPage]


def _samples() -> list[bytes]:
    def plain(canvas: Canvas) -> None:
        for number in range(3):
            canvas.bookmarkPage(str(number))
            canvas.addOutlineEntry(f"Night {number}", str(number))
            canvas.drawString(72, 760, f"Night {number}")
            for place in range(8):
                canvas.drawString(72 + 220 * (place % 2), 700 - 14 * (place // 2), "The miller counted barley.")
            canvas.showPage()

    book = [("A Night", style(18)), *((invented(seed), style(**JUSTIFIED)) for seed in range(4))]
    return [flowed(book, 1, ["THE MILL"]), drawn(plain, pageCompression=0)]


def _survives(data: bytes, seed: int) -> None:
    try:
        found, _ = read(damaged(data, seed))
    except UserError as error:
        assert "\n" not in str(error)
    except AssertionError:
        assert b"%PDF-" not in damaged(data, seed)[:1024]
    else:
        assert all(isinstance(line, Heading) or "\n" not in line for line in found)


@pytest.mark.parametrize("data", _samples(), ids=["book", "plain"])
def test_damaged_files(data: bytes) -> None:
    for seed in range(100):
        _survives(data, seed)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("data", _samples(), ids=["book", "plain"])
def test_many_damaged_files(data: bytes) -> None:
    for seed in range(1000, 3000):
        _survives(data, seed)
