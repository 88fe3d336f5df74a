"""Sections of samples: of the final model, and of the same prompts at every evaluation."""

from modou.report import values as v
from modou.report.markup import Html, element, fitted, folded, joined
from modou.report.parts import Page, Section, thinned
from modou.report.values import Values

_MOST = 120
_CHARACTERS = 100_000
"""Limit of all samples together, in characters, so that the file stays below a megabyte."""
_PREVIEW = 60


def passage(page: Page, sample: Values, most: int) -> Html:
    """One sample as a quotation of at most `most` characters: prompt in bold, continuation, sampler."""
    language = v.words_at(page.values, "run.language")
    return element(
        "blockquote",
        element("p", _written(sample, most), lang=language, class_="prose"),
        element("footer", _origin(page, sample)),
    )


def _written(sample: Values, most: int) -> Html:
    prompt, text = v.words_at(sample, "prompt") or "", v.words_at(sample, "text") or ""
    added = text.removeprefix(prompt)
    return joined([element("b", prompt, class_="prompt") if prompt else None, fitted(added, most)])


def _origin(page: Page, sample: Values) -> Html:
    """Step, seed and sampler, as far as known."""
    words = page.words
    parts: list[str] = []
    step, seed = v.number(sample, "step"), v.words_at(sample, "seed")
    if step is not None:
        parts.append(words("at_step", step=words.count(step)))
    if seed is not None:
        parts.append(words("seed", seed=seed))
    sampler = v.group(sample, "sampler")
    if sampler:
        parts.append(", ".join(f"{name} {value}" for name, value in v.flattened(sampler)))
    elif name := v.words_at(sample, "sampler"):
        parts.append(name)
    prompt = words("prompt_marked") if v.words_at(sample, "prompt") else None
    return joined([prompt, *parts], between=" · ")


def final_samples(page: Page) -> Section | None:
    """All samples of the finished model."""
    samples = [s for s in v.groups(page.values, "final_samples") if v.words_at(s, "text")][:_MOST]
    if len(samples) < 2:  # a single one is shown in the header
        return None
    most = _limit(len(samples))
    return page.section("finals", *(passage(page, sample, most) for sample in samples))


def timeline(page: Page) -> Section | None:
    """Samples of the same prompt and seed at every evaluation, in order of steps."""
    samples = [s for s in v.groups(page.values, "samples") if v.words_at(s, "text")]
    if not samples:
        return None
    bits = _bits_by_step(page)
    prompts: dict[tuple[str, str], list[Values]] = {}
    for sample in samples:
        key = (v.words_at(sample, "prompt") or "", v.words_at(sample, "seed") or "")
        prompts.setdefault(key, []).append(sample)
    shown = list(prompts.items())[:_MOST]
    each = max(2, _MOST // len(shown))
    total = sum(min(len(items), each) for _, items in shown)
    body = [
        _one_prompt(page, key, thinned(items, each), bits, _limit(total), first=number == 0)
        for number, (key, items) in enumerate(shown)
    ]
    return page.section("timeline", *body)


def _limit(samples: int) -> int:
    return min(1500, _CHARACTERS // max(1, samples))


def _bits_by_step(page: Page) -> dict[float, float]:
    found: dict[float, float] = {}
    for row in v.groups(page.values, "training.history"):
        step = v.number(row, "step")
        bits = v.number(row, "averaged_bits_per_char", "validation_bits_per_char")
        if step is not None and bits is not None:
            found[step] = bits
    return found


def _one_prompt(
    page: Page, key: tuple[str, str], samples: list[Values], bits: dict[float, float], most: int, *, first: bool
) -> Html:
    """The samples of one prompt, one per step; the first, middle and last are unfolded."""
    words = page.words
    opened = {0, len(samples) // 2, len(samples) - 1}
    entries = [_entry(page, s, bits, most, unfolded=i in opened) for i, s in enumerate(samples)]
    steps = element("ol", *(element("li", entry) for entry in entries), class_="timeline")
    title = words("timeline_prompt", prompt=key[0] or words("no_prompt"), seed=key[1] or "—")
    return folded(title, steps, unfolded=first, class_="prompt-steps")


def _entry(page: Page, sample: Values, bits: dict[float, float], most: int, *, unfolded: bool) -> Html:
    words = page.words
    step = v.number(sample, "step")
    measured = bits.get(step) if step is not None else None
    prompt, text = v.words_at(sample, "prompt") or "", v.words_at(sample, "text") or ""
    preview = fitted(text.removeprefix(prompt).replace("\n", " ").strip(), _PREVIEW)
    line = joined(
        [
            element("span", words("at_step", step=words.count(step)), class_="step"),
            element("span", words("bits_short", bits=words.bits(measured)), class_="bits") if measured else None,
            element("span", preview, class_="preview"),
        ],
        between=" ",
    )
    language = v.words_at(page.values, "run.language")
    return folded(line, element("p", _written(sample, most), lang=language, class_="prose"), unfolded=unfolded)
