"""PDF: books that reportlab writes are read back as paragraphs; what is no text, or no PDF, is refused."""

import io
import random
from collections.abc import Callable
from pathlib import Path

import matplotlib
import pypdfium2
import pytest
from pypdfium2.internal import ObjectTracker
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph
from text.damage import damaged

from modou.messages import UserError
from modou.settings.text import CleanSettings
from modou.text.clean import Cleaner
from modou.text.headings import Heading
from modou.text.readers import reader_of
from modou.text.readers.book import read_book
from modou.text.readers.file import File, Reading
from modou.text.report import CleaningReport, visible

WORDS = "the old miller carried his lantern over a wet bridge and counted every sack of barley".split()  # noqa: SIM905
PARAGRAPHS = (
    "The harbour was empty when Wren came down. Nobody had told her that the boats were gone. She sat on a barrel and "
    "ate her bread, and the gulls walked closer with every bite.",
    "Later an old man asked what she was waiting for. “For the tide,” she said.",
    "He laughed at that, for the tide had turned an hour ago, and it would be dark before it came again. Still, he sat "
    "down beside her and told her of the winter in which the whole bay froze, so that people walked to the island.",
)


def read(data: bytes) -> tuple[list[str | Heading], Reading]:
    """The lines that are not blank, form feeds included, and what else was found."""
    file = File(Path("book.pdf"), "book.pdf", opens=lambda: io.BytesIO(data))
    reader = reader_of(file)
    assert reader.__name__.endswith(".pdf")
    reading = Reading("pdf")
    found = list(reader.lines(file, reading))
    reading.begin()
    assert found == list(reader.lines(file, reading))
    return [line for line in found if line], reading


def style(size: float = 11, **more: object) -> ParagraphStyle:
    return ParagraphStyle(f"s{size}", fontSize=size, leading=1.3 * size, **more)


def flowed(paragraphs: list[tuple[str, ParagraphStyle]], columns: int = 1, pages: list[str] | None = None) -> bytes:
    """Paragraphs set in frames; each page has a running head and its number, drawn before the text."""
    stream = io.BytesIO()

    def furniture(canvas: Canvas, template: BaseDocTemplate) -> None:
        if pages:
            canvas.setFont("Helvetica", 8)
            canvas.drawString(72, 800, pages[template.page % len(pages)])
            canvas.drawString(290, 30, str(template.page))

    width = (451 - 20 * (columns - 1)) / columns
    frames = [Frame(72 + place * (width + 20), 72, width, 698) for place in range(columns)]
    document = BaseDocTemplate(stream)
    document.addPageTemplates([PageTemplate(frames=frames, onPage=furniture)])
    document.build([Paragraph(text, its) for text, its in paragraphs])
    return stream.getvalue()


def drawn(draw: Callable[[Canvas], None], **kwargs: object) -> bytes:
    stream = io.BytesIO()
    canvas = Canvas(stream, **kwargs)
    draw(canvas)
    canvas.save()
    return stream.getvalue()


def invented(seed: int, sentences: int = 5) -> str:
    draw = random.Random(seed)
    return " ".join(
        " ".join(draw.choice(WORDS) for _ in range(draw.randint(4, 14))).capitalize() + "." for _ in range(sentences)
    )


JUSTIFIED = {"alignment": TA_JUSTIFY, "firstLineIndent": 14}


@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("more", [JUSTIFIED, {"firstLineIndent": 14}, {"spaceAfter": 9}], ids=str)
def test_paragraphs_are_whole(columns: int, more: dict[str, object]) -> None:
    found, _ = read(flowed([(text, style(**more)) for text in PARAGRAPHS], columns))
    assert found == list(PARAGRAPHS)


@pytest.mark.parametrize("columns", [1, 2])
def test_pages_begin_with_a_form_feed_and_their_furniture_stands_at_their_edges(columns: int) -> None:
    texts = [invented(seed, 8) for seed in range(24)]
    found, _ = read(flowed([(text, style(**JUSTIFIED)) for text in texts], columns, ["THE MILL", "A. WREN"]))
    pages = "\n".join(map(str, found)).split("\f")
    assert len(pages) >= 2
    for number, page in enumerate(pages, 1):
        first, *body, last = page.strip("\n").split("\n")
        assert (first, last) == (["THE MILL", "A. WREN"][number % 2], str(number))
        assert all(text in texts for text in body[1:-1])


def test_headings_are_larger_or_named_by_the_outline() -> None:
    parts = [("The First Night", style(18)), (PARAGRAPHS[0], style(**JUSTIFIED)), ("The Second", style(14))]
    found, _ = read(flowed([*parts, (PARAGRAPHS[1], style(**JUSTIFIED)), (PARAGRAPHS[2], style(**JUSTIFIED))]))
    assert found == [Heading("The First Night"), PARAGRAPHS[0], Heading("The Second"), *PARAGRAPHS[1:]]

    def outlined(canvas: Canvas) -> None:
        for number, text in enumerate(("Wind", "Rain")):
            canvas.bookmarkPage(text)
            canvas.addOutlineEntry(text, text)
            canvas.drawString(72, 780, text)
            for place in range(6):
                canvas.drawString(72, 740 - 14 * place, f"Line {place} of the part numbered {number}.")
            canvas.showPage()

    found, _ = read(drawn(outlined))
    assert [line for line in found if isinstance(line, Heading)] == [Heading("Wind"), Heading("Rain")]


def test_another_font_of_the_same_size_is_no_heading() -> None:
    letter = ("I am well, and the barley is in.", style(fontName="Courier", spaceAfter=9))
    shown = [(PARAGRAPHS[0], style(spaceAfter=9)), letter, (PARAGRAPHS[2], style(fontName="Times-Roman"))]
    assert read(flowed(shown))[0] == [text for text, _ in shown]


def test_a_heading_of_two_lines_is_one() -> None:
    long = "Of the Journey to the Northern Islands and of What Was Found in the Harbour There"
    found, _ = read(flowed([(long, style(20)), *((text, style()) for text in PARAGRAPHS)]))
    assert found[0] == Heading(long)


def test_columns_that_the_file_mixes_line_by_line_are_read_one_after_the_other() -> None:
    left = [
        "The keeper rowed to the harbour",
        "before the sun was up and tied",
        "his boat to the post. Then",
        "he slept.",
    ]
    right = [
        "On the other shore a girl was",
        "counting gulls. There were nine",
        "of them, and one was white. She",
        "told no one.",
    ]

    def mixed(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 18)
        canvas.drawString(150, 780, "Two Shores, One River")
        canvas.setFont("Helvetica", 10)
        for place, pair in enumerate(zip(left, right, strict=True)):
            for x, text in zip((72, 300), pair, strict=True):
                canvas.drawString(x, 740 - 12 * place, text)

    found, _ = read(drawn(mixed))
    assert found == [Heading("Two Shores, One River"), " ".join(left), " ".join(right)]


def test_a_page_of_three_columns_below_lines_that_run_across() -> None:
    texts = [invented(seed, 6) for seed in range(8)]

    def newspaper(canvas: Canvas) -> None:
        frames = [Frame(60, 500, 480, 280), *(Frame(60 + 165 * place, 60, 150, 430) for place in range(3))]
        story = [Paragraph(text, style(9, **JUSTIFIED)) for text in texts]
        for frame in frames:
            for _ in range(2):
                frame.add(story.pop(0), canvas)

    assert read(drawn(newspaper))[0] == texts


def test_words_divided_at_line_ends_are_whole_and_hyphens_that_belong_to_them_stay() -> None:
    lines = [
        "Wren tied up at the har-",
        "bour wall, where a well-",
        "known smith had set a",
        "ring. The well was known.",
    ]

    def broken(canvas: Canvas) -> None:
        for place, text in enumerate(lines):
            canvas.drawString(72, 700 - 14 * place, text)

    found, reading = read(drawn(broken))
    assert found == ["Wren tied up at the harbour wall, where a well-known smith had set a ring. The well was known."]
    assert reading.set_aside.kinds == {"line_hyphens": 1}


def test_through_the_cleaner(tmp_path: Path) -> None:
    pages = (
        ["The old miller and his dog lived in a", "house by the river. Nobody knew why the lan-"],
        ["tern in the window burned every night. It was", "the wind, said the old"],
        ["people of the village. The miller said", "nothing at all, and the lantern burned."],
    )

    def book(canvas: Canvas) -> None:
        for number, lines in enumerate(pages, 7):
            canvas.drawString(72, 800, "THE MILL")
            for place, text in enumerate(lines):
                canvas.drawString(72, 740 - 14 * place, text)
            canvas.drawString(290, 30, str(number))
            canvas.showPage()

    path = tmp_path / "book.pdf"
    path.write_bytes(drawn(book))
    _, *sentences = Cleaner(CleanSettings(), CleaningReport("")).events(read_book(path))
    assert sentences == [
        "The old miller and his dog lived in a house by the river.",
        "Nobody knew why the lantern in the window burned every night.",
        "It was the wind, said the old people of the village.",
        "The miller said nothing at all, and the lantern burned.",
    ]


@pytest.mark.parametrize("columns", [1, 2])
def test_a_book_through_the_cleaner(tmp_path: Path, columns: int) -> None:
    texts = [invented(seed, 9) for seed in range(40)]
    parts = [(f"The Night of Number {place}", style(18)) for place in range(4)]
    story = [
        one
        for place, text in enumerate(texts)
        for one in (*parts[place // 10 : place // 10 + (place % 10 == 0)], (text, style(**JUSTIFIED)))
    ]
    path = tmp_path / "book.pdf"
    path.write_bytes(flowed(story, columns, ["THE MILL", "A. WREN"]))
    events = list(Cleaner(CleanSettings(), CleaningReport("")).events(read_book(path)))
    assert [line.strip() for line in events if isinstance(line, str)] == [
        f"{sentence}." for text in texts for sentence in text.removesuffix(".").split(". ")
    ]
    assert [line.text for line in events if isinstance(line, Heading) and line.text] == [title for title, _ in parts]


def test_footnotes_and_their_marks_are_set_aside() -> None:
    def noted(canvas: Canvas) -> None:
        text = canvas.beginText(72, 740)
        for place in range(12):
            text.setFont("Times-Roman", 11)
            text.textOut(f"In the year {1800 + place} the miller sold a sack of barley")
            if place == 4:
                text.setRise(4)
                text.setFont("Times-Roman", 6)
                text.textOut("1")
                text.setRise(0)
            text.textLine()
        canvas.drawText(text)
        canvas.setFont("Times-Roman", 8)
        canvas.drawString(72, 90, "1 Barley was dear in that year; see the")
        canvas.drawString(72, 80, "letters of the miller.")

    found, reading = read(drawn(noted))
    text = "".join(map(str, found))
    assert "Barley was dear" not in text and "barley1" not in text and "letters" not in text
    assert reading.set_aside.kinds == {"footnotes": 2, "footnote_marks": 1}


@pytest.mark.parametrize(
    ("font", "title", "text"),
    [
        ("STSong-Light", "第一章 渡口", "船夫把缆绳系在木桩上，回头望了望对岸的灯火。那一夜没有月亮，水声比平时响。"),
        ("MSung-Light", "第一回 渡口", "船夫把纜繩繫在木樁上，回頭望了望對岸的燈火。那一夜沒有月亮。"),
        (
            "HYSMyeongJo-Medium",
            "제1장 나루터",
            "사공은 밧줄을 말뚝에 묶고 불빛을 돌아보았다. 그날 밤에는 달이 없었다.",
        ),
    ],
)
def test_other_scripts(font: str, title: str, text: str) -> None:
    pdfmetrics.registerFont(UnicodeCIDFont(font))
    wrap = {"fontName": font, "firstLineIndent": 22} | ({} if " " in text else {"wordWrap": "CJK"})
    gap = " " if " " in text else ""
    texts = [gap.join([text] * times) for times in (4, 2, 5)]
    found, _ = read(flowed([(title, style(17, fontName=font)), *((one, style(**wrap)) for one in texts)]))
    assert found == [Heading(title), *texts]


def test_pages_that_do_not_run_from_left_to_right() -> None:
    lines = ["The miller carried his lantern over the bridge", "and counted every sack of barley before", "dark came."]

    def turned(canvas: Canvas) -> None:
        canvas.setPageRotation(90)
        canvas.translate(300, 100)
        canvas.rotate(90)
        for place, text in enumerate(lines):
            canvas.drawString(0, -14 * place, text)

    assert read(drawn(turned))[0] == [" ".join(lines)]

    hebrew = ["הרוח שב אל הים בשנת 1984 ולא ידע", "איש מדוע. הסירות עמדו ריקות בנמל", "הקטן."]
    pdfmetrics.registerFont(TTFont("DejaVu", f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"))

    def leftwards(canvas: Canvas) -> None:
        canvas.setFont("DejaVu", 12)
        for place, text in enumerate(hebrew):
            canvas.drawRightString(500, 700 - 16 * place, text[::-1].replace("4891", "1984"))

    assert read(drawn(leftwards))[0] == [" ".join(hebrew)]

    japanese = "舟守は綱を杭に結び、対岸の灯をふりかえった。"
    font = UnicodeCIDFont("HeiseiMin-W3", isVertical=True)
    pdfmetrics.registerFont(font)

    def downwards(canvas: Canvas) -> None:
        canvas.setFont(font.fontName, 12)
        for place in range(3):
            canvas.drawString(500 - 20 * place, 700, japanese)

    assert read(drawn(downwards))[0] == [3 * japanese]


def test_ligatures_are_letters() -> None:
    pdfmetrics.registerFont(TTFont("DejaVu", f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"))

    def ligature(canvas: Canvas) -> None:
        canvas.setFont("DejaVu", 12)
        canvas.drawString(72, 700, "The ﬁrst ﬂood was diﬃcult.")

    assert read(drawn(ligature))[0] == ["The first flood was difficult."]


def test_verse_keeps_its_lines() -> None:
    verse = ["The wheel goes round,", "the water falls,", "and in the mill", "the cricket calls."]

    def poem(canvas: Canvas) -> None:
        for place, text in enumerate(
            [*verse, "This line is a long one, which shows how wide the page of this book is."]
        ):
            canvas.drawString(72, 740 - 14 * place - (30 if place == 4 else 0), text)
        canvas.drawString(
            72, 740 - 14 * 5 - 30, "So is this one: it shows as well as the other how wide the page may be."
        )

    assert read(drawn(poem))[0][:4] == verse


def test_what_is_read_is_what_the_library_gives() -> None:
    data = flowed([(invented(seed), style(**JUSTIFIED)) for seed in range(30)], 2, ["THE MILL"])
    found, reading = read(data)
    with pypdfium2.PdfDocument(data) as document:
        text = "".join(page.get_textpage().get_text_range() for page in document)
    shown = sum(visible(str(line.text) if isinstance(line, Heading) else line) for line in found)
    assert shown + reading.set_aside.removed == visible(text)


def picture(canvas: Canvas) -> None:
    from PIL import Image

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
