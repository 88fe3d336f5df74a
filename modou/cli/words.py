"""The events of a run as lines of text, for a live display or a log."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modou.cli.changes import change_lines
from modou.cli.plain import clip, first_sentence, harmless, one_line
from modou.messages import language, quoted, text
from modou.report import values as v
from modou.report.parts import Form, against_ngram
from modou.report.words import Words
from modou.settings.methods import METHODS
from modou.train import events as training
from modou.train.events import Event, Notice, Planned, RunEnded, StageBegan, StageEnded

_SAMPLE = 100
_RULES = 5
_NOTES = 3


class Narrator:
    """Turns events into lines. Keeps the current stage, and the evaluation whose samples have not arrived yet.

    changes: cells of the table of what cleaning changed; 0 = no table."""

    def __init__(self, changes: int = 0) -> None:
        self._changes = changes
        self.words = Words(language())
        self.joint = "；" if self.words.language == "zh" else "; "
        self.place = ""
        self.title = ""
        self._evaluated: str | None = None

    def lines(self, event: Event) -> Iterator[str]:
        """The lines for one event; none for most steps of training."""
        match event:
            case StageBegan():
                self.place = f"[{event.number}/{event.of}] "
                self.title = text(f"console.stage_{event.stage}")
            case StageEnded():
                yield from self._stage(event)
            case Notice():
                yield f"{'! ' if event.level == 'warning' else ''}{event.text}"
            case Planned():
                yield from self._plan(event)
            case RunEnded() if event.finished:
                yield from ending(event.folder, event.report, event.answers)
            case _:
                yield from self._training(event)

    def _training(self, event: Event) -> Iterator[str]:
        match event:
            case training.Started():
                for problem in event.problems:
                    yield f"! {text('console.damaged', problem=problem)}"
                key = "console.resumes" if event.step else "console.begins"
                yield self._headed("train", text(key, step=event.step, steps=event.steps))
            case training.Evaluated():
                self._evaluated = self._evaluation(event)
            case training.Sampled():
                evaluated, self._evaluated = self._evaluated, None
                yield f"  {evaluated or text('console.sample_title', step=event.step)}{self._first(event)}"
            case training.Rescheduled():
                yield f"! {text('console.rescheduled', before=event.before, after=event.after)}"
            case training.Ended():
                yield self._headed("train", self._ended(event))
            case _:
                pass

    def _headed(self, stage: str, said: str) -> str:
        return f"{self.place}{text(f'console.stage_{stage}')}: {said}"

    def _stage(self, event: StageEnded) -> Iterator[str]:
        if event.stage == "train":  # see `Ended`
            return
        found = self.joint.join(findings(event.stage, event.numbers, self.words, changes=not self._changes))
        if event.skipped:
            found = " · ".join(part for part in (text("console.done_before"), found) if part)
        if found:
            yield self._headed(event.stage, found)
        if event.stage == "clean" and self._changes:
            yield from change_lines(event.numbers, self.words, self._changes)
        if not event.skipped:
            yield from (f"! {note}" for note in _notes(event.numbers))

    def _plan(self, event: Planned) -> Iterator[str]:
        if not event.choices:
            return
        bits = event.expected_bits_per_char
        key = "console.found_no_expectation" if bits is None else "console.found_plan"
        if self.title == text("console.stage_plan"):  # the vocabulary is chosen before, within another stage
            yield self._headed("plan", text(key, bits=self.words.decimal(bits)))
        yield from plan_lines(event.choices)

    def _evaluation(self, event: training.Evaluated) -> str:
        bits = v.number(event.numbers, "validation.bits_per_char")
        average = v.number(event.numbers, "average.validation.bits_per_char")
        loss = v.number(event.numbers, "validation.loss")
        reward = v.number(event.numbers, "validation.reward")
        accuracy = v.number(event.numbers, "validation.accuracy")
        if reward is not None:
            kl = v.number(event.numbers, "validation.kl") or 0.0
            said = text("console.evaluated_reward", step=event.step, reward=f"{reward:.2f}", kl=f"{kl:.2f}")
        elif bits is None and loss is not None:
            said = text("console.evaluated_loss", step=event.step, loss=f"{loss:.3f}")
            said += text("console.evaluated_accuracy", share=self.words.share(accuracy)) if accuracy is not None else ""
        else:
            said = text("console.evaluated", step=event.step, bits=self.words.decimal(bits))
            said += text("console.evaluated_average", bits=self.words.decimal(average)) if average is not None else ""
        return said + (text("console.best") if event.is_best else "")

    def _first(self, event: training.Sampled) -> str:
        shown = next((sample for sample in event.samples if sample.text.strip()), None)
        return f" · {clip(first_sentence(shown.prompt + shown.text), _SAMPLE)}" if shown else ""

    def _ended(self, event: training.Ended) -> str:
        said = text("console.found_training", steps=event.step, time=self.words.duration(event.seconds))
        return said + (self.joint + text("console.found_interrupted") if event.reason == "interrupted" else "")


def plan_lines(choices: tuple[tuple[str, Any, str], ...]) -> list[str]:
    """One line per choice: option, value, reason."""
    wide = max((len(f"{name} = {value}") for name, value, _ in choices), default=0)
    return [f"    {f'{name} = {value}':<{wide}}  {one_line(reason)}" for name, value, reason in choices]


def findings(stage: str, numbers: Mapping[str, Any], words: Words, *, changes: bool = True) -> Iterator[str]:
    """The results of a stage in phrases; unknown ones are left out. `changes`: with those that cleaning made."""
    match stage:
        case "corpus" if "path" in numbers:
            yield text("console.found_corpus", characters=_count(numbers, words, "characters"), path=numbers["path"])
        case "clean":
            yield from _cleaning(numbers, words, changes)
        case "tokenizer":
            yield from _tokenizer(numbers, words)
        case "shards" if "tokens" in numbers:
            yield text("console.found_shards", tokens=_count(numbers, words, "tokens"))
        case "data":
            yield from _examples(numbers, words)
        case "evaluate" if v.number(numbers, "validation.loss") is not None:
            yield from _aligned(numbers, words)
        case "evaluate" if "file" in numbers:
            yield from _scored(numbers, words)
        case "evaluate" if v.number(numbers, "test.bits_per_char") is not None:
            yield text("console.found_bits", bits=words.decimal(v.number(numbers, "test.bits_per_char")))
        case "report" | "export" if "path" in numbers:
            yield from _written(stage, numbers)
        case _:
            pass


def _written(stage: str, numbers: Mapping[str, Any]) -> Iterator[str]:
    """Where the report is, or the files of an export, and how to load them."""
    if stage == "report":
        yield text("console.found_report", path=numbers["path"])
        return
    size = f"{numbers['bytes'] / 1e6:,.1f}"
    yield text("console.found_export", files=len(numbers["files"]), size=size, path=numbers["path"])
    yield text("console.found_export_command", command=numbers["command"])


def _cleaning(numbers: Mapping[str, Any], words: Words, changes: bool) -> Iterator[str]:
    yield text(
        "console.found_text",
        characters=_count(numbers, words, "cleaning.characters.output", "cleaning.characters.input"),
        chapters=_count(numbers, words, "cleaning.chapters"),
    )
    yield from _files(numbers, words)
    yield from _changes(numbers, words) if changes else ()
    parts = {part: _count(numbers, words, f"split.characters.{part}") for part in ("train", "validation", "test")}
    yield text("console.found_split", **parts)


def _changes(numbers: Mapping[str, Any], words: Words) -> Iterator[str]:
    """The rules that changed most, with their counts."""
    rules = sorted(
        (rule for rule in v.groups(numbers, "cleaning.rules") if v.number(rule, "count")),
        key=lambda rule: -(v.number(rule, "characters") or 0),
    )
    shown = [
        text(
            "console.found_rule",
            rule=words.named("rule", str(rule["name"])),
            count=words.count(v.number(rule, "count")),
        )
        for rule in rules[:_RULES]
    ]
    more = [" …"] if len(rules) > _RULES else []
    joint = "、" if words.language == "zh" else ", "
    yield text("console.found_rules", rules=joint.join(shown + more)) if shown else text("console.found_nothing")


def _files(numbers: Mapping[str, Any], words: Words) -> Iterator[str]:
    """How many files were read as what, where there are several."""
    formats = v.group(numbers, "cleaning.formats")
    count, passed = sum(v.as_number(some) or 0 for some in formats.values()), v.number(numbers, "cleaning.not_read")
    if count + (passed or 0) > 1:
        told = [
            text("console.found_format", reader=words.named("reader", name), count=words.count(v.as_number(some)))
            for name, some in formats.items()
        ]
        joint = "、" if words.language == "zh" else ", "
        yield text("console.found_files", count=words.count(count), formats=joint.join(told))
        if passed:
            yield text("console.found_passed", count=words.count(passed))


def _notes(numbers: Mapping[str, Any]) -> Iterator[str]:
    """The notes of cleaning, each on one line: the first few of each kind, and how many more there are."""
    kinds: dict[str, list[str]] = {}
    for note in v.groups(numbers, "cleaning.notes"):
        kinds.setdefault(str(note.get("key")), []).append(one_line(str(note.get("text", ""))))
    for said in kinds.values():
        yield from said[:_NOTES]
        if len(said) > _NOTES:
            yield text("console.more_notes", count=len(said) - _NOTES)


def _aligned(numbers: Mapping[str, Any], words: Words) -> Iterator[str]:
    accuracy = v.number(numbers, "validation.accuracy")
    loss, before = v.number(numbers, "validation.loss"), v.number(numbers, "base.validation.loss")
    reward = v.number(numbers, "validation.reward")
    which = text("console.which_trained" if v.number(numbers, "held_out") == 0 else "console.which_held_out")
    if reward is not None:
        was, kl = v.number(numbers, "base.validation.reward") or 0.0, v.number(numbers, "validation.kl") or 0.0
        yield text("console.found_reward", which=which, reward=f"{reward:.2f}", before=f"{was:.2f}", kl=f"{kl:.2f}")
    elif accuracy is not None:
        yield text("console.found_accuracy", which=which, accuracy=words.share(accuracy))
    elif before is not None:
        yield text("console.found_loss", which=which, loss=words.decimal(loss), before=words.decimal(before))
    drift = v.number(numbers, "drift.bits_per_char")
    if drift is not None:
        yield text("console.found_drift", change=f"{drift:+.2f}", now=words.decimal(v.number(numbers, "drift.now")))


def _scored(numbers: Mapping[str, Any], words: Words) -> Iterator[str]:
    """A file's code length in all units, beside n-gram models."""
    names = ("bits_per_char", "bits_per_char_with_newlines", "nats_per_token")
    figures = {name: words.decimal(v.number(numbers, f"test.{name}")) for name in names}
    counts = {name: _count(numbers, words, f"test.{name}") for name in ("characters", "newlines", "tokens")}
    yield text("console.scored", file=numbers["file"], **figures, **counts)
    if not v.group(numbers, "baselines"):
        return
    rivals = [
        f"{words.named('baseline', name)} {words.decimal(v.number(numbers, f'baselines.{name}.bits_per_char'))}"
        for name in ("kn2", "kn3", "kn5", "xz")
    ]
    yield text("console.scored_beside", rivals=("、" if words.language == "zh" else ", ").join(rivals))


def _examples(numbers: Mapping[str, Any], words: Words) -> Iterator[str]:
    if "layout" in numbers:
        counts = {name: _count(numbers, words, name) for name in ("parameters", "vocabulary", "context")}
        dtypes = ", ".join(v.texts(numbers, "dtypes"))
        yield text("console.found_model", layout=one_line(str(numbers["layout"])), dtypes=dtypes, **counts)
        if licence := v.words_at(numbers, "licence"):
            yield text("console.found_licence", licence=one_line(licence))
    elif "rows" in numbers:
        counts = ", ".join(f"{file} {words.count(count)}" for file, count in v.group(numbers, "rows").items())
        yield text("console.found_rows", folder=numbers["folder"], counts=counts)
    elif "questions" in numbers:
        yield text("console.found_questions", count=_count(numbers, words, "questions"))
    elif "desirable" in numbers:
        counts = {name: _count(numbers, words, name) for name in ("desirable", "undesirable")}
        yield text("console.found_judged", count=_count(numbers, words, "answers"), **counts)
    elif "pairs" in numbers:
        yield text("console.found_pairs", count=_count(numbers, words, "pairs"))
    else:
        counts = {name: _count(numbers, words, name) for name in ("conversations", "tokens", "trained_tokens")}
        count, tokens, trained = counts.values()
        yield text("console.found_examples", count=count, tokens=tokens, trained=trained)
    if marks := v.texts(numbers, "marks_added"):
        yield text("console.found_marks_added", marks=" ".join(marks))
    if v.number(numbers, "bad"):
        first = str(numbers["complaints"][0])
        yield text("console.found_bad", count=_count(numbers, words, "bad"), first=first)


def _tokenizer(numbers: Mapping[str, Any], words: Words) -> Iterator[str]:
    ratio = v.number(numbers, "characters_per_token.train", "train.characters_per_token")
    yield text("console.found_tokenizer", vocabulary=_count(numbers, words, "vocabulary"), ratio=words.decimal(ratio))
    exact = [
        v.at(numbers, path) for path in ("round_trip.exact", "train.round_trip.exact", "held_out.round_trip.exact")
    ]
    known = [value for value in exact if isinstance(value, bool)]
    if known:
        yield text("console.found_exact" if all(known) else "console.found_inexact")


def _count(numbers: Mapping[str, Any], words: Words, *paths: str) -> str:
    return words.count(v.number(numbers, *paths))


def ending(folder: Path, report: Mapping[str, Any], answers: bool = False) -> Iterator[str]:
    """The last lines of a run: bits per character, a sample, the report, the next command, advice."""
    method = METHODS.get(v.words_at(report, "run.method") or "")
    scores = method is not None and method.scores
    if answers or scores or (method is not None and method.answers):
        yield from _answering(folder, report, scores)
        return
    words = Words(language())
    bits = v.number(report, "test.bits_per_char")
    if bits is not None:
        yield text("console.end_bits", bits=words.decimal(bits), against=_against_ngram(report, bits, words))
    if (before := v.number(report, "baselines.base.bits_per_char")) is not None:
        yield text("console.end_base", bits=words.decimal(before))
    samples = [s for s in v.groups(report, "final_samples") if v.words_at(s, "text")]
    prompt = ""
    if samples:
        prompt = v.words_at(samples[0], "prompt") or ""
        yield text("console.end_sample", sample=clip(f"{prompt}{samples[0]['text']}", 2 * _SAMPLE))
    if report:
        yield text("console.end_report", path=folder / "report.html")
    start = quoted(harmless(prompt)[:8] or ("话说" if language() == "zh" else "The"))
    yield text("console.end_generate", command=f"modou generate {quoted(str(folder), plain=True)} {start}")
    for advice in v.texts(report, "advice")[:1]:
        yield text("console.end_advice", advice=advice)


def _answering(folder: Path, report: Mapping[str, Any], scores: bool) -> Iterator[str]:
    """The last lines of a fine-tuned run: a held-out question with its answer, and how to ask one."""
    if scores:
        yield text("console.end_judge", folder=quoted(str(folder), plain=True))
        return
    samples = [s for s in v.groups(report, "samples") if v.words_at(s, "text")]
    question = v.words_at(samples[0], "prompt") or "" if samples else ""
    if samples:
        yield text(
            "console.end_answer", question=clip(question, _SAMPLE), answer=clip(str(samples[0]["text"]), _SAMPLE)
        )
    asked = quoted(clip(question, 40) or ("你好" if language() == "zh" else "Hello"))
    yield text("console.end_ask", command=f"modou generate {quoted(str(folder), plain=True)} {asked}")


def _against_ngram(report: Mapping[str, Any], bits: float, words: Words) -> str:
    """The comparison with KN-5 as a sentence."""
    found = against_ngram(report, bits)
    if found is None:
        return ""
    rival, gain = map(words.decimal, found[1:])
    return words(found[0], name=words.named("baseline", "kn5"), bits=rival, difference=gain)


def measures(runs: Mapping[str, Mapping[str, Any]], words: Words) -> Iterator[tuple[str, list[str]]]:
    """The rows of a comparison: a measure's name, and its value for each run."""
    every = list(runs.values())

    def row(name: str, form: Form, group: str, key: str | None = None) -> tuple[str, list[str]]:
        found = (v.group(run, group) for run in every)  # a judge's name may contain dots
        return name, [_with_interval(values if key is None else values.get(key, {}), form) for values in found]

    def names(group: str) -> list[str]:
        return list(dict.fromkeys(name for run in every for name in v.group(run, group)))

    yield row(words("measure_ended"), words.share, "ended")
    for rule in names("rules"):
        yield row(words.rule(rule), words.share, "rules", rule)
    for judge in names("judges"):
        yield row(words("mean_score", judge=Path(judge).name), words.decimal, "judges", judge)
    for judge in names("wins"):
        by = words("judge_rules") if judge == "rules" else Path(judge).name
        yield row(words("wins_by", judge=by), words.share, "wins", judge)
    yield row(words("measure_length"), words.decimal, "length")
    yield row(words("measure_kl"), words.decimal, "kl")
    for name, form, path in (
        ("distinct", words.share, "distinct.2"),
        ("copied", words.count, "copied.longest"),
        ("drift", words.signed, "drift.bits_per_char"),
    ):
        yield words(f"measure_{name}"), [form(v.number(run, path)) for run in every]


def _with_interval(found: Mapping[str, Any], form: Form) -> str:
    ends = v.interval(found, "interval")
    return form(v.number(found, "share", "mean")) + (f" ±{form((ends[1] - ends[0]) / 2)}" if ends else "")
