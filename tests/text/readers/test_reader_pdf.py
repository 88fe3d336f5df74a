"""PDF: books that reportlab writes are read back as headings and whole paragraphs."""

from pathlib import Path

import matplotlib
import pypdfium2
import pytest
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Frame, Paragraph
from text.pdf_helpers import JUSTIFIED, PARAGRAPHS, drawn, flowed, invented, read, style

from modou.settings.text import CleanSettings
from modou.text.clean import Cleaner
from modou.text.headings import Heading
from modou.text.readers.book import read_book
from modou.text.report import CleaningReport, visible


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
