"""`modou compare`: several runs answer the same questions with the same random numbers; their answers are measured."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch

from modou import storage
from modou.data.conversation import Template
from modou.data.examples import Question, read_questions
from modou.data.order import example_at
from modou.evaluate.answers import Mean, Share, mean, share, shares, wins
from modou.evaluate.variety import distinct
from modou.messages import UserError, language
from modou.methods.base import drift
from modou.methods.figures import Drift
from modou.model.gpt import GPT
from modou.model.scoring import score_tokens
from modou.pipeline.copying import Library, LongestCopy
from modou.pipeline.report import ReportFigures
from modou.runs.folder import RunFolder
from modou.runs.logs import METRICS, lines_of
from modou.runs.record import Record, weights_sha256
from modou.runs.weights import load_model, load_tokenizer
from modou.settings.sampling import SamplingSettings
from modou.tasks.judges import make_judge, room_for_questions
from modou.tasks.registry import TASKS, task_of
from modou.train.events import StageBegan, StageEnded, StageEvent, StageProgress
from modou.train.parallel import World
from modou.train.policy import kl_k1
from modou.train.rollouts import Answer, Judge, pad_answers, sample_answers

CPU = World(torch.device("cpu"))
SHOWN = 5
"""Number of questions whose answers are stored in the report."""
AT_ONCE = 64
"""Questions answered between two progress events."""
RULES = "rules"
"""Name of the scores "share of the task's rules that the answer keeps", listed beside the judges' scores."""
Scores = dict[str, list[float | None]]
"""Score of each answer, by judge; None where no rule applies to the question."""


@dataclass(frozen=True)
class ShownAnswer:
    """An answer."""

    prompt: str
    """The question."""
    text: str
    """The answer."""
    truth: str | None = None
    """The true answer; absent where there is none."""


@dataclass(frozen=True)
class JudgedHistory:
    """A training by one of the judges."""

    judge: str
    """The judge."""
    history: list[dict[str, float]]
    """Of every evaluation: "step", the optimizer steps before it; "reward", "kl" (nats from the first run) and "length"
    (tokens), means over its answers."""


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """One of the runs."""

    method: str
    """Its method of training."""
    ended: Share
    """Answers that ended."""
    empty: Share
    """Answers that are empty."""
    length: Mean
    """Length in tokens."""
    kl: Mean
    """KL from the first run, in nats per answer."""
    distinct: dict[str, float | None]
    """Different pairs of characters ÷ all, over all answers, under "2"; null: there is none."""
    rules: dict[str, Share]
    """Answers that keep a rule of their task, by rule: "exact"; of verse "form", "rhyme", "no_repeat", "head"."""
    judges: dict[str, Mean]
    """Score by each judge."""
    wins: dict[str, Mean]
    """Share of answers better than the first run's to the same question, ties half, by each judge, and by "rules" (the
    share of rules kept); empty for the first run."""
    drift: Drift | None = None
    """Forgetting against the first run; absent where the pretraining corpus no longer exists."""
    copied: LongestCopy | None = None
    """The longest passage of its answers that occurs in its training data: training chapters, SFT answers, preferred
    answers of DPO, desirable ones of KTO; absent where that data no longer exists."""
    training: JudgedHistory | None = None
    """The evaluations of its training, where it started from the first run and used one of these judges."""
    samples: list[ShownAnswer]
    """The first answers."""
    by_answer: dict[str, Sequence[float | None]]
    """Of every answer: "length", score by each judge, and by "rules"; null: no rule applies."""


@dataclass(frozen=True)
class Comparison:
    """compare.json."""

    modou: str
    """Version that wrote it."""
    data: str
    """The file of questions."""
    reference: str
    """The first run, against which the others are compared."""
    questions: int
    """Number of questions."""
    sampling: dict[str, Any]
    """Options of sampling."""
    judges: dict[str, Literal["rules", "model"]]
    """What each judge is: the rules of a task, or a reward model."""
    majority: dict[str, Share]
    """What always giving the most frequent true answer to questions of the same kind (`facts.kind`) in the file keeps
    of each rule; empty where no question has a true answer."""
    real: dict[str, Share]
    """What the answers in the file keep of each rule, where such an answer is one of many (verse); else empty."""
    runs: dict[str, RunComparison]
    """The runs by name."""


def compare(
    runs: Sequence[Path],
    data: Path,
    judges: Sequence[str] = (),
    columns: str = "",
    count: int = 500,
    sampling: SamplingSettings | None = None,
    out: Path | None = None,
) -> Iterator[StageEvent]:
    """Every run answers `count` questions of the file `data`; default sampling: temperature 1, no truncation.

    The first run is the reference of win rates and KL. `judges`: task names or reward models' folders. `out`: folder
    for compare.json and compare.html. UserError: different tokenizers, no questions, `out` cannot be written.
    """
    sampling = sampling or SamplingSettings(temperature=1.0, top_p=1.0, tokens=96)
    if out is not None:
        with storage.user_errors(out):
            out.mkdir(parents=True, exist_ok=True)
    folders = [RunFolder(path) for path in runs]
    reference, tokenizer, _ = load_model(folders[0], extend=True)
    for folder in folders:
        if load_tokenizer(folder, extend=True).sha256 != tokenizer.sha256:
            raise UserError("align.other_vocabulary", first=folders[0].path, other=folder.path)
    template = Template(tokenizer)
    questions = read_questions(data, columns, template, room_for_questions(folders, judges, sampling.tokens))
    drawn = [questions.items[example_at(place, len(questions.items), sampling.seed)] for place in range(count)]
    asked = drawn[: len(questions.items)]
    evaluation = AnswerEvaluation(folders[0], reference, template, sampling, judges)
    found: dict[str, RunComparison] = {}
    yield StageBegan("evaluate", 1, 1 if out is None else 2)
    for number, folder in enumerate(folders):
        model, own, _ = load_model(folder, extend=True)
        answers: list[Answer] = []
        for start in range(0, len(asked), AT_ONCE):
            answers += sample_answers(model, Template(own), asked[start : start + AT_ONCE], 1, sampling, start, CPU)
            yield StageProgress("evaluate", number * len(asked) + len(answers), len(folders) * len(asked))
        name = folder.path.name if folder.path.name not in found else str(folder.path)
        found[name] = evaluation.measure(folder, model, answers)
    comparison = Comparison(
        modou=version("modou"),
        data=str(data),
        reference=next(iter(found)),
        questions=len(asked),
        sampling=sampling.model_dump(mode="json", exclude={"samples"}),
        judges={name: "rules" if name in TASKS else "model" for name in judges},
        majority=majority(asked, questions.items),
        real=real(asked),
        runs=found,
    )
    yield StageEnded("evaluate", comparison)
    if out is not None:
        from modou.report.compared.page import write_compared  # imports matplotlib, which is slow

        yield StageBegan("report", 2, 2)
        page = write_compared(storage.to_json(comparison), out, language())
        yield StageEnded("report", ReportFigures(str(page)))


@dataclass
class AnswerEvaluation:
    """Measures the answers of one run after the other; the first one measured is the reference."""

    first: RunFolder
    reference: GPT
    template: Template
    sampling: SamplingSettings
    names: Sequence[str]
    """Of the judges."""
    judges: dict[str, Judge] = field(init=False)
    known: dict[str, str] = field(init=False)
    """Judge names by the sha256 that a run's record holds of the judge it was trained with."""
    reference_scores: Scores = field(init=False, default_factory=dict[str, list[float | None]])
    copying: Library = field(init=False, default_factory=Library)

    def __post_init__(self) -> None:
        self.judges = {name: make_judge(name, self.template.tokenizer, CPU.device) for name in self.names}
        self.known = {name if name in TASKS else weights_sha256(RunFolder(Path(name))): name for name in self.names}

    def measure(self, folder: RunFolder, model: GPT, answers: Sequence[Answer]) -> RunComparison:
        """All figures of a run, as in compare.json."""
        texts = [answer.text for answer in answers]
        marks = [task_of(answer.question.facts).rules(answer.question, answer.text) for answer in answers]
        scores: Scores = {name: judge(answers).tolist() for name, judge in self.judges.items()}
        judged = {name: mean([score for score in own if score is not None]) for name, own in scores.items()}
        if any(marks):
            scores[RULES] = [sum(kept.values()) / len(kept) if kept else None for kept in marks]
        won = {
            name: wins(*_paired(own, self.reference_scores[name]))
            for name, own in scores.items()
            if self.reference_scores
        }
        self.reference_scores = self.reference_scores or scores
        return RunComparison(
            method=Record[Any].read(folder).method,
            ended=share([answer.ended for answer in answers]),
            empty=share([not text.strip() for text in texts]),
            length=mean([float(len(answer.ids)) for answer in answers]),
            kl=mean(divergence(answers, model, self.reference, self.sampling.temperature or 1.0)),
            distinct={"2": distinct(texts, 2) if any(len(text) > 1 for text in texts) else None},
            rules=shares(marks),
            judges=judged,
            wins=won,
            drift=drift(folder, self.reference, model, self.template.tokenizer),
            copied=self.copying.copied(folder, texts),
            training=self._training(folder),
            samples=[_shown(answer) for answer in answers[:SHOWN]],
            by_answer={
                "length": [len(answer.ids) for answer in answers],
                **{name: [s if s is None else round(s, 4) for s in own] for name, own in scores.items()},
            },
        )

    def _training(self, folder: RunFolder) -> JudgedHistory | None:
        """Reward and KL at every evaluation of the run's training, where they are comparable with the figures here: it
        started from the reference run and was trained with one of these judges; else None."""
        inputs = Record[Any].read(folder).inputs
        judge = self.known.get(inputs["judge"].sha256) if "judge" in inputs else None
        if judge is None or inputs["base"].sha256 != weights_sha256(self.first) or not folder.metrics.exists():
            return None
        evaluations = [line for line in lines_of(folder, METRICS) if line.get("kind") == "evaluation"]
        told = [(line["step"], line["numbers"]["validation"]) for line in evaluations]
        curve = [{"step": step, "reward": v["reward"], "kl": v["kl"], "length": v["length"]} for step, v in told]
        return JudgedHistory(judge, curve)


def divergence(answers: Sequence[Answer], model: GPT, reference: GPT, temperature: float) -> list[float]:
    """KL of each answer of `model` to the reference, in nats."""
    padded = pad_answers(answers)
    tensors = padded["ids_NT"], padded["target_NT"], padded["mask_NT"]
    own_NT, reference_NT = (score_tokens(one, *tensors, temperature) for one in (model, reference))
    return kl_k1(own_NT, reference_NT).sum(1).tolist()


def real(asked: Sequence[Question]) -> dict[str, Share]:
    """Share of the rules that the file's own answers keep, for questions without a single true answer; else empty."""
    marks: list[dict[str, bool]] = []
    for question in asked:
        task = task_of(question.facts)
        if "answer" in question.facts and task.truth(question) is None:
            marks.append(task.rules(question, str(question.facts["answer"])))
    return shares(marks)


def majority(asked: Sequence[Question], every: Sequence[Question]) -> dict[str, Share]:
    """Majority baseline: rules kept by always giving the most frequent true answer among `every` question of the same
    kind (facts["kind"]). Empty where no question has a true answer."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for question in every:
        truth = task_of(question.facts).truth(question)
        if truth is not None:
            counts.setdefault(_kind(question), Counter())[truth] += 1
    marks: list[dict[str, bool]] = []
    for question in asked:
        task = task_of(question.facts)
        if task.truth(question) is not None:
            marks.append(task.rules(question, counts[_kind(question)].most_common(1)[0][0]))
    return shares(marks)


def _kind(question: Question) -> tuple[str, str]:
    return task_of(question.facts).name, str(question.facts.get("kind", ""))


def _paired(ours: Sequence[float | None], theirs: Sequence[float | None]) -> tuple[list[float], list[float]]:
    """The two scores of every question for which both exist."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _shown(answer: Answer) -> ShownAnswer:
    truth = task_of(answer.question.facts).truth(answer.question)
    return ShownAnswer(answer.question.text, answer.text, truth)
