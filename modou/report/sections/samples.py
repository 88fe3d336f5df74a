"""Sections of samples: of the final model, and of the same prompts at every evaluation."""

from modou.report import values as v
from modou.report.markup import Html, element, fitted, folded, joined
from modou.report.parts import Page, Section, thinned
from modou.report.values import Values

_MOST = 120
_CHARACTERS = 100_000
"""Limit of all samples together, in characters, so that the file stays below a megabyte."""
_PREVIEW = 60
Bits = dict[float | None, float | None]
"""Bits per character on the validation part by step."""


def passage(page: Page, sample: Values, most: int) -> Html:
    """One sample as a quotation of at most `most` characters: prompt in bold, continuation, sampler."""
    written = page.prose(_written(sample, most))
    return element("blockquote", written, element("footer", _origin(page, sample)))


def _halves(sample: Values) -> tuple[str, str]:
    """The prompt, and the text without it."""
    prompt = v.words_at(sample, "prompt") or ""
    return prompt, (v.words_at(sample, "text") or "").removeprefix(prompt)


def _written(sample: Values, most: int) -> Html:
    prompt, added = _halves(sample)
    return joined([element("b", prompt, class_="prompt") if prompt else None, fitted(added, most)])


def _origin(page: Page, sample: Values) -> Html:
    """Step, seed and sampler, as far as known."""
    words = page.words
    step, seed = v.number(sample, "step"), v.words_at(sample, "seed")
    parts = [
        words("prompt_marked") if v.words_at(sample, "prompt") else None,
        words("at_step", step=words.count(step)) if step is not None else None,
        words("seed", seed=seed) if seed is not None else None,
        ", ".join(f"{name} {value}" for name, value in v.flattened(v.group(sample, "sampler"))),
    ]
    return joined(parts, between=" · ")


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
    history = v.groups(page.values, "training.history")
    bits = {
        v.number(row, "step"): v.number(row, "averaged_bits_per_char", "validation_bits_per_char") for row in history
    }
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


def _one_prompt(page: Page, key: tuple[str, str], samples: list[Values], bits: Bits, most: int, *, first: bool) -> Html:
    """The samples of one prompt, one per step; the first, middle and last are unfolded."""
    words = page.words
    opened = {0, len(samples) // 2, len(samples) - 1}
    entries = [_entry(page, s, bits, most, unfolded=i in opened) for i, s in enumerate(samples)]
    steps = element("ol", *(element("li", entry) for entry in entries), class_="timeline")
    title = words("timeline_prompt", prompt=key[0] or words("no_prompt"), seed=key[1] or "—")
    return folded(title, steps, unfolded=first, class_="prompt-steps")


def _entry(page: Page, sample: Values, bits: Bits, most: int, *, unfolded: bool) -> Html:
    words = page.words
    step = v.number(sample, "step")
    measured = bits.get(step) if step is not None else None
    preview = fitted(_halves(sample)[1].replace("\n", " ").strip(), _PREVIEW)
    line = joined(
        [
            element("span", words("at_step", step=words.count(step)), class_="step"),
            element("span", words("bits_short", bits=words.decimal(measured)), class_="bits") if measured else None,
            element("span", preview, class_="preview"),
        ],
        between=" ",
    )
    return folded(line, page.prose(_written(sample, most)), unfolded=unfolded)
