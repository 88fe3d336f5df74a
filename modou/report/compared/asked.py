"""How the comparison was made: data, seed, sampler, judges, and notes on the measures."""

from modou.report import values as v
from modou.report.compared.runs import Compared
from modou.report.markup import element, facts, listed
from modou.report.parts import Section

_SAMPLING = ("tokens", "top_k", "top_p", "min_p", "repetition_penalty", "no_repeat_ngram", "stop")


def asked(page: Compared) -> Section:
    """The section on the method of the comparison."""
    words = page.words
    methods = ", ".join(
        f"{run.name} ({method})" if (method := v.words_at(run.values, "method")) else run.name for run in page.runs
    )
    sampling = v.group(page.values, "sampling")
    sampler = ", ".join(
        f"{name} {v.as_text(sampling[name])}" for name in _SAMPLING if sampling.get(name) not in (None, [], "")
    )
    setup = facts(
        [
            (words("compared_data"), v.words_at(page.values, "data")),
            (words("compared_questions"), page.shown(words.count, "questions")),
            (words("compared_runs"), methods),
            (words("asked_temperature"), page.shown(words.plain, "sampling.temperature")),
            (words("asked_sampler"), sampler),
            (words("asked_seed"), v.words_at(sampling, "seed")),
            (words("compared_judges"), ", ".join(page.judges)),
        ]
    )
    notes = listed(words(f"asked_note_{n}") for n in range(1, 7))
    version = v.words_at(page.values, "modou")
    written = element("p", words("compared_version", version=version), class_="note") if version else None
    return page.section("asked", setup, notes, written)
