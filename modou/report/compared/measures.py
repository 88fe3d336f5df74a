"""The table of all measures with their intervals, and the list of measures that are missing."""

from collections.abc import Iterator

from modou.report import values as v
from modou.report.compared.runs import Compared, ComparedRun
from modou.report.markup import Child, Html, element, joined, listed, table
from modou.report.parts import Form, Section, datum, within


def measures(page: Compared) -> Section | None:
    """One column per run, one row per measure that any run has."""
    rows = [row for row in _rows(page) if any(row[1:])]
    if not rows:
        return None
    head: list[Child] = [page.words("column_measure"), *(run.title for run in page.runs)]
    filled = ([row[0], *(cell or "—" for cell in row[1:])] for row in rows)
    note = element("p", page.words("measures_note"), class_="note")
    return page.section("measures", table(page.words("measures_table"), head, filled, kind="numbers stacked"), note)


def _rows(page: Compared) -> Iterator[list[Child]]:
    words = page.words

    def row(name: str, means: Child, form: Form, *keys: str) -> list[Child]:
        return [_explained(name, means), *(run.told(form, *keys) for run in page.runs)]

    yield row(words("measure_ended"), words("measure_ended_means"), words.share, "ended")
    for rule in dict.fromkeys(rule for run in page.runs for rule in run.group("rules")):
        means = _baseline(page, "real", f"real.{rule}") or _baseline(page, "commonest", f"majority.{rule}")
        yield row(words.rule(rule), means, words.share, "rules", rule)
    for judge in page.judges:
        name = words("mean_score", judge=page.named(judge))
        yield row(name, words("measure_score_means"), words.decimal, "judges", judge)
    for judge in page.deciders:
        name = words("wins_by", judge=page.named(judge))
        yield row(name, words("measure_wins_means"), words.share, "wins", judge)
    yield row(words("measure_length"), words("measure_length_means"), words.decimal, "length")
    if page.rivals:
        yield row(words("measure_kl"), words("measure_kl_means"), words.decimal, "kl")
    yield _plain_row(page, "distinct", words.share, "distinct", "2")
    yield _plain_row(page, "copied", words.count, "copied", "longest")
    if page.rivals:
        name = _explained(words("measure_drift"), words("measure_drift_means"))
        yield [name, *(drifted(page, run) for run in page.runs)]


def _plain_row(page: Compared, name: str, form: Form, group: str, key: str) -> list[Child]:
    cells = (datum(v.number(run.group(group), key), form, f"runs.{run.name}.{group}.{key}") for run in page.runs)
    return [_explained(page.words(f"measure_{name}"), page.words(f"measure_{name}_means")), *cells]


def _explained(name: str, means: Child) -> Html:
    return joined([name, element("small", means) if means else None])


def _baseline(page: Compared, message: str, path: str) -> Html | None:
    """The same share for the file's own answers, or for the most frequent answer."""
    words = page.words
    share = page.shown(words.share, f"{path}.share")
    if share is None:
        return None
    ends = within(v.interval(page.values, f"{path}.interval"), words.share)
    return words.rich(message, share=joined([share, ends]))


def drifted(page: Compared, run: ComparedRun) -> Html | None:
    """Change of bits per character on the pretraining text since the first run, with its interval."""
    found = run.group("drift")
    value = datum(v.number(found, "bits_per_char"), page.words.signed, f"runs.{run.name}.drift.bits_per_char")
    if value is None:
        return None
    # The first run is the reference: its change is 0 by definition.
    ends = v.interval(found, "interval") if run.number else None
    return joined([value, within(ends, page.words.signed)])


def unknown(page: Compared) -> Section | None:
    """What was not measured, and why."""
    words = page.words
    without = {
        "drift": [run.name for run in page.runs if not run.group("drift")],
        "copied": [run.name for run in page.runs if not run.group("copied")],
    }
    said = [
        words("unknown_judge") if page.runs and not page.judges else None,
        words("unknown_rules") if page.runs and not any(run.group("rules") for run in page.runs) else None,
        words("unknown_rivals") if page.runs and not page.rivals else None,
        *(words(f"unknown_{name}", names=", ".join(names)) for name, names in without.items() if names),
    ]
    lines = [line for line in said if line]
    return page.section("unknown", listed(lines)) if lines else None
