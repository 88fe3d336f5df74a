"""The header of a run's page: facts, test bits per character in words and beside the baselines, one sample."""

from modou.report import values as v
from modou.report.markup import Child, Html, element, facts, joined
from modou.report.parts import Page, against_ngram, bars, datum, perplexity
from modou.report.sections.samples import passage

_PLAIN = {"zh": ("UTF-16", 16.0), "en": ("ASCII", 8.0)}
"""The shortest common encoding of a language and its bits per character."""


def headline(page: Page) -> Html:
    """The header element."""
    name = v.words_at(page.values, "run.book", "run.name") or "modou"
    return element(
        "header",
        element("p", page.words("kicker"), class_="kicker"),
        element("h1", name),
        _unfinished(page),
        _facts(page),
        _number(page),
        _sample(page),
        id="top",
    )


def _scored_part(page: Page) -> str | None:
    """The part whose bits per character are the headline: test, else validation."""
    return next((p for p in ("test", "validation") if v.number(page.values, f"{p}.bits_per_char")), None)


def _unfinished(page: Page) -> Html | None:
    if v.at(page.values, "run.finished") is not False:
        return None
    return element("p", page.words("unfinished"), class_="notice", role="note")


def _facts(page: Page) -> Html:
    words = page.words
    layout = [v.words_at(page.values, f"settings.model.{name}") for name in ("style", "position")]
    kind = " · ".join(words.named("model", part) for part in layout if part)
    return facts(
        [
            (words("fact_run"), v.words_at(page.values, "run.name")),
            (words("fact_parameters"), page.shown(words.size, "model.total")),
            (words("fact_model"), kind or None),
            (words("fact_text"), page.shown(words.size, "split.characters.train")),
            (words("fact_time"), page.shown(words.duration, "training.seconds")),
            (words("fact_machine"), v.words_at(page.values, "environment.cpu")),
            (words("fact_date"), v.words_at(page.values, "environment.date")),
        ]
    )


def _number(page: Page) -> Html | None:
    part = _scored_part(page)
    if part is None:
        return None
    words, path = page.words, f"{part}.bits_per_char"
    value = v.number(page.values, path) or 0.0
    choices = perplexity(value, words)
    said: list[Child] = [words.rich(f"meaning_{part}", choices=choices) if choices else None]
    said += [_against_ngram(page, value), _shorter(page, part, value), _known(page)]
    return element(
        "div",
        element(
            "p",
            element("strong", page.shown(words.decimal, path), class_="figure"),
            " ",
            element("span", words("bits_per_character"), class_="unit"),
            element("span", _interval(page, part), class_="interval"),
            class_="number",
        ),
        element("div", *(element("p", sentence) for sentence in said if sentence), class_="meaning"),
        _ladder(page, part),
        class_="headline",
    )


def _known(page: Page) -> str | None:
    """That most of the held-out text stands in the training text, too."""
    notes = v.groups(page.values, "cleaning.notes")
    return next((v.words_at(note, "text") for note in notes if note.get("key") == "text.note_known"), None)


def _interval(page: Page, part: str) -> str | None:
    ends = v.interval(page.values, f"{part}.interval")
    if ends is None:
        return None
    return page.words("interval", low=page.words.decimal(ends[0]), high=page.words.decimal(ends[1]))


def _against_ngram(page: Page, value: float) -> Html | None:
    found = against_ngram(page.values, value)
    if found is None:
        return None
    words, (key, _, gain) = page.words, found
    shown = page.shown(words.decimal, "baselines.kn5.bits_per_char") or ""
    return words.rich(key, name=words.named("baseline", "kn5"), bits=shown, difference=datum(gain, words.decimal) or "")


def _shorter(page: Page, part: str, value: float) -> Html | None:
    words = page.words
    characters = v.number(page.values, f"{part}.characters")
    if not characters:
        return None
    corpus = v.words_at(page.values, "run.language") or "zh"
    code, plain = _PLAIN.get(corpus, _PLAIN["zh"])
    xz = v.number(page.values, "baselines.xz.bits_per_char")
    return words.rich(
        "shorter_than_xz" if xz is not None else "shorter",
        characters=datum(characters, words.count, f"{part}.characters") or "",
        plain=words.kilobytes(characters * plain),
        code=code,
        small=words.kilobytes(characters * value),
        xz=words.kilobytes(characters * (xz or 0)),
    )


def _ladder(page: Page, part: str) -> Html | None:
    words = page.words
    others = {f"baselines.{name}": words.named("baseline", name) for name in ("base", "kn5", "xz")}
    names = {part: words("this_model"), **others}
    rows = [
        (name, bits, page.shown(words.decimal, f"{path}.bits_per_char"), "own" if path == part else None)
        for path, name in names.items()
        if (bits := v.number(page.values, f"{path}.bits_per_char")) is not None
    ]
    rows.sort(key=lambda row: row[1])
    lead = element("p", words("ladder"), class_="question")
    return element("div", lead, bars(rows), class_="ladder") if len(rows) > 1 else None


def _sample(page: Page) -> Html | None:
    samples = v.groups(page.values, "final_samples") or v.groups(page.values, "samples")[-1:]
    sample = next((item for item in samples if v.words_at(item, "text")), None)
    if sample is None:
        return None
    lead = element("p", page.words("sample_lead"), class_="question")
    return element("section", joined([lead, passage(page, sample, 600)]), aria_label=page.words("sample_lead"))
