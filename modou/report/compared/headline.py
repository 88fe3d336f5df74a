"""The header of the comparison page: its subject, facts, and one sentence with the outcome of each run."""

from pathlib import Path

from modou.report import values as v
from modou.report.compared.runs import RULES, Compared, ComparedRun
from modou.report.markup import Html, element, facts, joined, listed


def headline(page: Compared) -> Html:
    """The header element."""
    words = page.words
    return element(
        "header",
        element("p", words("kicker"), class_="kicker"),
        element("h1", words("compared_title")),
        element("p", _asked(page), class_="question"),
        facts(
            [
                (words("compared_questions"), page.shown(words.count, "questions")),
                (words("compared_runs"), words.count(len(page.runs))),
                (words("compared_judges"), ", ".join(page.named(judge) for judge in page.judges) or words("nobody")),
                (words("compared_data"), Path(v.words_at(page.values, "data") or "").name),
            ]
        ),
        listed((_outcome(page, run) for run in page.runs), "outcomes"),
        id="top",
    )


def _asked(page: Compared) -> Html | str:
    if not page.runs:
        return page.words("compared_empty")
    key = "compared_lead" if page.rivals else "compared_lead_one"
    return page.words.rich(key, first=element("b", page.runs[0].name))


def _outcome(page: Compared, run: ComparedRun) -> Html:
    sentence = _first(page, run) if run is page.runs[0] else _against_first(page, run)
    return joined([run.title, sentence], between=" ")


def _first(page: Compared, run: ComparedRun) -> Html:
    """The reference run: its rules and scores by reward models, else its mean length."""
    words = page.words
    found = [(words.rule(rule), run.value(words.share, "rules", rule)) for rule in run.group("rules")]
    found += [
        (words("mean_score", judge=page.named(judge)), run.value(words.decimal, "judges", judge))
        for judge in page.judges
        if not page.is_rule(judge)
    ]
    found = found or [(words("measure_length"), run.value(words.decimal, "length"))]
    told = joined((joined([name, value], between=" ") for name, value in found if value), between=words("and_also"))
    return words.rich("outcome_first" if page.rivals else "outcome_alone", found=told)


def verdict(run: ComparedRun, judge: str) -> str | None:
    """better or worse: the interval of the win rate against the first run excludes 50 %; else undecided, or None."""
    share, ends = run.mean("wins", judge), run.ends("wins", judge)
    if share is None:
        return None
    low, high = ends or (0.0, 1.0)
    return "better" if low > 0.5 else "worse" if high < 0.5 else "undecided"


def _against_first(page: Compared, run: ComparedRun) -> Html:
    """The verdict of the first judge; where it is a reward model, also that of the rules (reward hacking)."""
    words, first = page.words, element("b", page.runs[0].name)
    judge = next((judge for judge in (*page.judges, RULES) if verdict(run, judge)), None)
    if judge is None:
        length, distance = run.told(words.decimal, "length"), run.told(words.decimal, "kl")
        return words.rich("outcome_unjudged", first=first, length=length or "—", distance=distance or "—")
    found = verdict(run, judge)
    share = joined([run.told(words.share, "wins", judge)])
    said = words.rich(f"outcome_{found}", first=first, judge=page.named(judge), share=share)
    by_rules = verdict(run, RULES) if not page.is_rule(judge) else None
    if by_rules is None:
        return said
    deceived = found == "better" and by_rules == "worse"
    shown = run.told(words.share, "wins", RULES) or ""
    added = words.rich("outcome_deceived" if deceived else "outcome_rules", share=shown)
    return joined([said, added], between=words.gap)
