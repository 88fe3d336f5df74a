"""PDF files that reportlab writes, and what is read of them."""

import io
import random
from collections.abc import Callable
from pathlib import Path

from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph

from modou.text.headings import Heading
from modou.text.readers import reader_of
from modou.text.readers.file import File, Reading

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
