"""The answers of all runs to the same questions."""

from modou.report import values as v
from modou.report.compared.runs import RULES, Compared, ComparedRun
from modou.report.markup import Html, element, fitted, joined
from modou.report.parts import Section
from modou.report.values import Values

_QUESTION, _ANSWER = 1500, 700
_CHARACTERS = 150_000
"""Limit of all answers together, in characters, so that the file stays below a megabyte."""


def answers(page: Compared) -> Section | None:
    """Every stored question with each run's answer."""
    shown = {run.name: v.groups(run.values, "samples") for run in page.runs}
    count = max((len(samples) for samples in shown.values()), default=0)
    if not count:
        return None
    most = min(_ANSWER, _CHARACTERS // (count * len(page.runs)))
    return page.section("answers", *(_question(page, number, shown, most) for number in range(count)))


def _question(page: Compared, number: int, shown: dict[str, list[Values]], most: int) -> Html:
    words = page.words
    given = [(run, shown[run.name][number]) for run in page.runs if number < len(shown[run.name])]
    question = v.words_at(given[0][1], "prompt") or words("no_prompt")
    truth = v.words_at(given[0][1], "truth")
    return joined(
        [
            element("h3", words("question_number", n=words.count(number + 1))),
            element("blockquote", page.prose(fitted(question, _QUESTION)), class_="copied"),
            element("p", words.rich("truth", truth=element("b", fitted(truth, most)))) if truth else None,
            element("dl", *(_answer(page, run, number, sample, most) for run, sample in given), class_="versus"),
        ]
    )


def _answer(page: Compared, run: ComparedRun, number: int, sample: Values, most: int) -> Html:
    text = fitted(v.words_at(sample, "text") or page.words("no_answer"), most)
    scores = element("small", _scores(page, run, number))
    return element("div", element("dt", run.title), element("dd", page.prose(text), scores))


def _scores(page: Compared, run: ComparedRun, number: int) -> str:
    """Length, scores and kept rules of answer `number`, as far as known."""
    words, by_answer = page.words, run.group("by_answer")

    def found(name: str) -> float | None:
        values = v.listed({"values": by_answer.get(name)}, "values")  # a judge's name may contain dots
        return v.as_number(values[number]) if number < len(values) else None

    length, kept = found("length"), found(RULES)
    parts = [
        words("answer_tokens", n=words.count(length)) if length is not None else None,
        *(
            words("answer_score", judge=page.named(judge), score=words.decimal(score))
            for judge in page.judges
            if (score := found(judge)) is not None
        ),
        words("answer_kept", share=f"{kept:.0%}") if kept is not None else None,
    ]
    return " · ".join(part for part in parts if part)
