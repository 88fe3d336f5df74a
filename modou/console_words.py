"""What a run tells, as sentences: each event becomes the lines a reader sees, in a live display or a log alike."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modou.console_text import clip, first_sentence, harmless, one_line
from modou.messages import language, text
from modou.pipeline.events import Notice, PipelineEvent, Planned, RunEnded, StageBegan, StageEnded
from modou.report import values as v
from modou.report.words import Words
from modou.train import events as training

Event = PipelineEvent | training.Event
_SAMPLE = 100
_RULES = 5


class Narrator:
    """Turns events into lines. It remembers which stage is on, and the evaluation whose sample is still to come."""

    def __init__(self) -> None:
        self.words = Words(language())
        self.joint = "；" if self.words.language == "zh" else "; "
        self.place = ""
        self.title = ""
        self._looked: str | None = None

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
                yield from ending(event.folder, event.report)
            case _:
                yield from self._training(event)

    def _training(self, event: Event) -> Iterator[str]:
        match event:
            case training.Started():
                for problem in event.problems:
                    yield f"! {text('console.damaged', problem=problem)}"
                key = "resumes" if event.step else "begins"
                yield self._headed("train", text(f"console.{key}", step=event.step, steps=event.steps))
            case training.Evaluated():
                self._looked = self._evaluation(event)
            case training.Sampled():
                looked, self._looked = self._looked, None
                yield f"  {looked or text('console.sample_title', step=event.step)}{self._first(event)}"
            case training.Rescheduled():
                yield f"! {text('console.rescheduled', before=event.before, after=event.after)}"
            case training.Ended():
                yield self._headed("train", self._ended(event))
            case _:
                pass

    def _headed(self, stage: str, said: str) -> str:
        return f"{self.place}{text(f'console.stage_{stage}')}: {said}"

    def _stage(self, event: StageEnded) -> Iterator[str]:
        if event.stage == "train":  # training's own last event has told it
            return
        found = self.joint.join(findings(event.stage, event.numbers, self.words))
        if event.skipped:
            found = " · ".join(part for part in (text("console.done_before"), found) if part)
        if found:
            yield self._headed(event.stage, found)

    def _plan(self, event: Planned) -> Iterator[str]:
        if not event.choices:
            return
        bits = event.expected_bits_per_char
        key = "console.found_no_expectation" if bits is None else "console.found_plan"
        if self.title == text("console.stage_plan"):  # the vocabulary is chosen before, within another stage
            yield self._headed("plan", text(key, bits=self.words.bits(bits)))
        yield from plan_lines(event.choices)

    def _evaluation(self, event: training.Evaluated) -> str:
        bits = v.number(event.numbers, "validation.bits_per_char")
        average = v.number(event.numbers, "average.validation.bits_per_char")
        line = text("console.evaluated", step=event.step, bits=self.words.bits(bits))
        if average is not None:
            line += text("console.evaluated_average", bits=self.words.bits(average))
        return line + (text("console.best") if event.is_best else "")

    def _first(self, event: training.Sampled) -> str:
        shown = next((sample for sample in event.samples if v.words_at(sample, "text")), None)
        if shown is None:
            return ""
        written = f"{shown.get('prompt', '')}{shown['text']}"
        return f" · {clip(first_sentence(written), _SAMPLE)}"

    def _ended(self, event: training.Ended) -> str:
        parts = [
            text("console.found_training", steps=event.step, time=self.words.duration(event.seconds)),
            *([text(f"console.found_{event.reason}")] if event.reason != "finished" else []),
        ]
        return self.joint.join(parts)


def plan_lines(choices: tuple[tuple[str, Any, str], ...]) -> list[str]:
    """One line a choice: option, value, reason."""
    wide = max((len(f"{name} = {value}") for name, value, _ in choices), default=0)
    return [f"    {f'{name} = {value}':<{wide}}  {one_line(reason)}" for name, value, reason in choices]


def findings(stage: str, numbers: Mapping[str, Any], words: Words) -> Iterator[str]:
    """What a stage found, in phrases; what is not known is left out."""
    match stage:
        case "corpus" if "path" in numbers:
            yield text("console.found_corpus", characters=_count(numbers, words, "characters"), path=numbers["path"])
        case "clean":
            yield from _cleaning(numbers, words)
        case "tokenizer":
            yield from _tokenizer(numbers, words)
        case "shards" if "tokens" in numbers:
            yield text("console.found_shards", tokens=_count(numbers, words, "tokens"))
        case "evaluate" if v.number(numbers, "test.bits_per_char") is not None:
            yield text("console.found_bits", bits=words.bits(v.number(numbers, "test.bits_per_char")))
        case "report" if "path" in numbers:
            yield text("console.found_report", path=numbers["path"])
        case _:
            pass


def _cleaning(numbers: Mapping[str, Any], words: Words) -> Iterator[str]:
    yield text(
        "console.found_text",
        characters=_count(numbers, words, "cleaning.characters.output", "cleaning.characters.input"),
        chapters=_count(numbers, words, "cleaning.chapters"),
    )
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
    parts = {part: _count(numbers, words, f"split.characters.{part}") for part in ("train", "validation", "test")}
    yield text("console.found_split", **parts)


def _tokenizer(numbers: Mapping[str, Any], words: Words) -> Iterator[str]:
    ratio = v.number(numbers, "characters_per_token.train", "train.characters_per_token")
    yield text("console.found_tokenizer", vocabulary=_count(numbers, words, "vocabulary"), ratio=words.bits(ratio))
    exact = [
        v.at(numbers, path) for path in ("round_trip.exact", "train.round_trip.exact", "held_out.round_trip.exact")
    ]
    known = [value for value in exact if isinstance(value, bool)]
    if known:
        yield text("console.found_exact" if all(known) else "console.found_inexact")


def _count(numbers: Mapping[str, Any], words: Words, *paths: str) -> str:
    return words.count(v.number(numbers, *paths))


def ending(folder: Path, report: Mapping[str, Any]) -> Iterator[str]:
    """The five lines at the end of a run: the figure, a sample, the report, the next command, what would help."""
    words = Words(language())
    bits = v.number(report, "test.bits_per_char")
    if bits is not None:
        yield text("console.end_bits", bits=words.bits(bits), against=against_ngram(report, bits, words))
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


def quoted(word: str, plain: bool = False) -> str:
    """A word as it can be typed into a shell: in double quotes, which every system knows, where that is enough."""
    if plain and word and not any(character.isspace() or character in "\"'$`\\!&|;<>()*?[]#~%" for character in word):
        return word
    return shlex.quote(word) if any(character in '"$`\\!%' for character in word) else f'"{word}"'


def against_ngram(report: Mapping[str, Any], bits: float, words: Words) -> str:
    """How the figure stands to the n-gram's, in words."""
    rival = v.number(report, "baselines.kn5.bits_per_char")
    if rival is None:
        return ""
    gain = v.number(report, "advantage.kn5.bits_per_char")
    gain = rival - bits if gain is None else gain
    ends = v.interval(report, "advantage.kn5.interval")
    undecided = ends is not None and ends[0] <= 0 <= ends[1]
    key = "against_undecided" if undecided else "against_better" if gain > 0 else "against_worse"
    return words(key, name=words.named("baseline", "kn5"), bits=words.bits(rival), difference=words.bits(abs(gain)))
