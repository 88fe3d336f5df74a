"""The header of a run's page: facts, test bits per character in words and beside the baselines, one sample."""

from modou.report import values as v
from modou.report.markup import Child, Html, element, facts, joined
from modou.report.parts import Page, bars, datum, perplexity
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
    total = page.shown(words.size, "model.total")
    layout = [v.words_at(page.values, f"settings.model.{name}") for name in ("style", "position")]
    kind = " · ".join(words.named("model", part) for part in layout if part)
    return facts(
        [
            (words("fact_run"), v.words_at(page.values, "run.name")),
            (words("fact_parameters"), total),
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
    said += [_against_ngram(page, value), _shorter(page, part, value)]
    return element(
        "div",
        element(
            "p",
            element("strong", page.shown(words.bits, path), class_="figure"),
            " ",
            element("span", words("bits_per_character"), class_="unit"),
            element("span", _interval(page, part), class_="interval"),
            class_="number",
        ),
        element("div", *(element("p", sentence) for sentence in said if sentence), class_="meaning"),
        _ladder(page, part, value),
        class_="headline",
    )


def _interval(page: Page, part: str) -> str | None:
    ends = v.interval(page.values, f"{part}.interval")
    if ends is None:
        return None
    return page.words("interval", low=page.words.bits(ends[0]), high=page.words.bits(ends[1]))


def _against_ngram(page: Page, value: float) -> Html | None:
    name, baseline = strongest_ngram(page)
    if baseline is None:
        return None
    words = page.words
    gain = v.number(page.values, f"advantage.{name}.bits_per_char")
    ends = v.interval(page.values, f"advantage.{name}.interval")
    gain = baseline - value if gain is None else gain
    undecided = ends is not None and ends[0] <= 0 <= ends[1]
    key = "against_undecided" if undecided else "against_better" if gain > 0 else "against_worse"
    shown = page.shown(words.bits, f"baselines.{name}.bits_per_char") or Html()
    difference = datum(abs(gain), words.bits) or Html()
    return words.rich(key, name=name.upper().replace("KN", "KN-"), bits=shown, difference=difference)


def strongest_ngram(page: Page) -> tuple[str, float | None]:
    """Name and bits per character of KN-5 where it was measured, else of the best n-gram model."""
    found = {f"kn{n}": v.number(page.values, f"baselines.kn{n}.bits_per_char") for n in range(1, 7)}
    measured = {name: bits for name, bits in found.items() if bits is not None}
    if not measured:
        return "kn5", None
    name = "kn5" if "kn5" in measured else min(measured, key=lambda key: measured[key])
    return name, measured[name]


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
        characters=datum(characters, words.count, f"{part}.characters") or Html(),
        plain=words.kilobytes(characters * plain),
        code=code,
        small=words.kilobytes(characters * value),
        xz=words.kilobytes(characters * (xz or 0)),
    )


def _ladder(page: Page, part: str, value: float) -> Html | None:
    words = page.words
    steps = [(words("this_model"), value, f"{part}.bits_per_char", "own")]
    name, ngram = strongest_ngram(page)
    if ngram is not None:
        steps.append((words.named("baseline", name), ngram, f"baselines.{name}.bits_per_char", ""))
    xz = v.number(page.values, "baselines.xz.bits_per_char")
    if xz is not None:
        steps.append((words.named("baseline", "xz"), xz, "baselines.xz.bits_per_char", ""))
    if len(steps) == 1:
        return None
    rows = [
        (step, bits, datum(bits, words.bits, path), kind or None)
        for step, bits, path, kind in sorted(steps, key=lambda item: item[1])
    ]
    return element("div", element("p", words("ladder"), class_="question"), bars(rows), class_="ladder")


def _sample(page: Page) -> Html | None:
    samples = v.groups(page.values, "final_samples") or v.groups(page.values, "samples")[-1:]
    sample = next((item for item in samples if v.words_at(item, "text")), None)
    if sample is None:
        return None
    lead = element("p", page.words("sample_lead"), class_="question")
    return element("section", joined([lead, passage(page, sample, 600)]), aria_label=page.words("sample_lead"))
