"""The report of one run: report.json, and report.html as one file that opens anywhere."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from modou.messages import Language
from modou.report import values as v
from modou.report.markup import Html, element
from modou.report.parts import Page, Section
from modou.report.sections import cleaning, corpus, machine, memory, quality, samples, training
from modou.report.sections.headline import headline
from modou.report.words import Words
from modou.runs.folder import RunFolder
from modou.storage import user_errors, write_json_atomically, write_text_atomically

SECTIONS = (
    training.training,
    samples.timeline,
    samples.final_samples,
    quality.quality,
    memory.memory,
    memory.variety,
    corpus.files,
    cleaning.cleaning,
    corpus.split,
    corpus.tokenizer,
    machine.model,
    machine.plan,
    machine.about,
    machine.advice,
    machine.limits,
)
"""In the order of the page."""


def write_report(report: Mapping[str, Any], folder: RunFolder, language: Language) -> Path:
    """Writes report.json and report.html atomically. Returns the path of the page.

    NaN and infinities become null. UserError: the folder cannot be written.
    """
    clean = v.finite(report)
    with user_errors(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
    write_json_atomically(folder.report_json, clean)
    write_text_atomically(folder.report_html, report_page(clean, language))
    return folder.report_html


def report_page(report: Mapping[str, Any], language: Language) -> str:
    """The page as HTML text, a pure function of its arguments."""
    page = Page(report, Words(language))
    sections = [section for build in SECTIONS if (section := build(page))]
    name = v.words_at(report, "run.book", "run.name") or "modou"
    return numbered(page.words, page.words("page_title", name=name), headline(page), sections)


def numbered(words: Words, title: str, head: Html, sections: Sequence[Section]) -> str:
    """A whole HTML document: the header `head`, the contents, the numbered sections."""
    content = element("main", *(_numbered(n, s) for n, s in enumerate(sections, start=1)))
    return document(words, title, head, _contents(words, sections), content)


def document(words: Words, title: str, *parts: Html, kind: str = "page") -> str:
    """A whole HTML document with its style sheet inline; `kind` is the CSS class of its body."""
    about = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content="modou"),
        element("title", title),
        element("style", Html(style_sheet())),
    )
    language = "zh-Hans" if words.language == "zh" else "en"
    body = element("body", element("div", *parts, class_=kind))
    return f"<!DOCTYPE html>\n{element('html', about, body, lang=language)}\n"


@cache
def style_sheet() -> str:
    return files("modou.report").joinpath("report.css").read_text(encoding="utf-8")


def _contents(words: Words, sections: Sequence[Section]) -> Html:
    entries = (element("li", element("a", section.title, href=f"#{section.name}")) for section in sections)
    label = words("contents")
    return element("nav", element("p", label, class_="kicker"), element("ol", *entries), aria_label=label)


def _numbered(number: int, section: Section) -> Html:
    heading = element("h2", element("span", f"{number}", class_="ordinal"), " ", section.title)
    return element("section", heading, section.body, id=section.name)
