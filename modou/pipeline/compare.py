"""`modou compare`: the same questions to several runs with the same random numbers, and what came of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import modou
from modou import storage
from modou.data.conversation import Template
from modou.data.examples import Question, read_questions
from modou.data.order import example_at
from modou.errors import UserError
from modou.evaluate.answers import distinct, mean, share, shares, wins
from modou.messages import language
from modou.methods.base import drift
from modou.model.gpt import GPT
from modou.model.scoring import score_tokens
from modou.pipeline.copying import Library
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
from modou.train.rollouts import Answer, Judge, assemble, roll_out

CPU = World(torch.device("cpu"))
SHOWN = 5
"""Questions whose answers are kept in the report."""
AT_ONCE = 64
"""Questions answered before the progress is told."""
KEPT = "rules"
"""Who gives an answer the share of the rules that it keeps, beside the judges."""
Points = dict[str, list[float | None]]
"""The score of each answer, by who gave it; None where no rule can be asked."""


def compare(
    runs: Sequence[Path],
    data: Path,
    judges: Sequence[str] = (),
    columns: str = "",
    count: int = 500,
    sampling: SamplingSettings | None = None,
    out: Path | None = None,
) -> Iterator[StageEvent]:
    """Asks every run `count` of the file's questions, at temperature 1 over the whole vocabulary unless `sampling` says
    otherwise. The first run is what the others are set against. `out`: the folder for compare.json and compare.html.

    UserError: runs of different tokenizers, no questions, a folder that cannot be written.
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
    contest = Contest(folders[0], reference, template, sampling, judges)
    found: dict[str, dict[str, Any]] = {}
    yield StageBegan("evaluate", 1, 1 if out is None else 2)
    for number, folder in enumerate(folders):
        model, own, _ = load_model(folder, extend=True)
        answers: list[Answer] = []
        for start in range(0, len(asked), AT_ONCE):
            answers += roll_out(model, Template(own), asked[start : start + AT_ONCE], 1, sampling, start, CPU)
            yield StageProgress("evaluate", number * len(asked) + len(answers), len(folders) * len(asked))
        name = folder.path.name if folder.path.name not in found else str(folder.path)
        found[name] = contest.measure(folder, model, answers)
    numbers = {
        "modou": modou.__version__,
        "data": str(data),
        "reference": next(iter(found)),
        "questions": len(asked),
        "sampling": sampling.model_dump(mode="json", exclude={"samples"}),
        "judges": {name: "rules" if name in TASKS else "model" for name in judges},
        "majority": majority(asked, questions.items),
        "real": real(asked),
        "runs": found,
    }
    yield StageEnded("evaluate", numbers)
    if out is not None:
        from modou.report.compared.page import write_compared  # it draws: matplotlib takes a while to import

        yield StageBegan("report", 2, 2)
        yield StageEnded("report", {"path": str(write_compared(numbers, out, language()))})


@dataclass
class Contest:
    """What every run's answers are measured by. The run measured first is what the others are set against."""

    first: RunFolder
    reference: GPT
    template: Template
    sampling: SamplingSettings
    names: Sequence[str]
    """The judges'."""
    judges: dict[str, Judge] = field(init=False)
    known: dict[str, str] = field(init=False)
    """The judges' names by what a run remembers of the judge it learned from."""
    against: Points = field(init=False, default_factory=dict[str, list[float | None]])
    copying: Library = field(init=False, default_factory=Library)

    def __post_init__(self) -> None:
        self.judges = {name: make_judge(name, self.template.tokenizer, CPU.device) for name in self.names}
        self.known = {name if name in TASKS else weights_sha256(RunFolder(Path(name))): name for name in self.names}

    def measure(self, folder: RunFolder, model: GPT, answers: Sequence[Answer]) -> dict[str, Any]:
        """Every figure of a run."""
        texts = [answer.text for answer in answers]
        marks = [task_of(answer.question.facts).rules(answer.question, answer.text) for answer in answers]
        points: Points = {name: judge(answers).tolist() for name, judge in self.judges.items()}
        judged = {name: mean([score for score in scores if score is not None]) for name, scores in points.items()}
        if any(marks):
            points[KEPT] = [sum(kept.values()) / len(kept) if kept else None for kept in marks]
        beaten = {name: wins(*_both(scores, self.against[name])) for name, scores in points.items() if self.against}
        self.against = self.against or points
        temperature = self.sampling.temperature or 1.0
        return {
            "method": Record[Any].read(folder).method,
            **measures(answers, model, self.reference, temperature),
            "rules": shares(marks),
            "judges": judged,
            "wins": beaten,
            **drift(folder, self.reference, model, self.template.tokenizer),
            **self.copying.copied(folder, texts),
            **self._training(folder),
            "samples": [_shown(answer) for answer in answers[:SHOWN]],
            "by_answer": {
                "length": [len(answer.ids) for answer in answers],
                **{name: [s if s is None else round(s, 4) for s in scores] for name, scores in points.items()},
            },
        }

    def _training(self, folder: RunFolder) -> dict[str, Any]:
        """Reward and distance at every evaluation of its training, where they mean the same as here: it began from the
        first run and learned from one of these judges."""
        inputs = Record[Any].read(folder).inputs
        judge = self.known.get(inputs["judge"].sha256) if "judge" in inputs else None
        if judge is None or inputs["base"].sha256 != weights_sha256(self.first) or not folder.metrics.exists():
            return {}
        evaluations = [line for line in lines_of(folder, METRICS) if line.get("kind") == "evaluation"]
        history = [
            {
                "step": evaluation["step"],
                **{name: evaluation["numbers"]["validation"][name] for name in ("reward", "kl", "length")},
            }
            for evaluation in evaluations
        ]
        return {"training": {"judge": judge, "history": history}}


def measures(answers: Sequence[Answer], model: GPT, reference: GPT, temperature: float) -> dict[str, Any]:
    """Lengths, ends, variety, and distance from the reference."""
    texts = [answer.text for answer in answers]
    padded = assemble(answers)
    tensors = padded["ids_NT"], padded["target_NT"], padded["mask_NT"]
    own_NT, reference_NT = (score_tokens(one, *tensors, temperature) for one in (model, reference))
    kl_N = kl_k1(own_NT, reference_NT).sum(1)
    return {
        "ended": share([answer.ended for answer in answers]),
        "empty": share([not text.strip() for text in texts]),
        "length": mean([float(len(answer.ids)) for answer in answers]),
        "kl": mean(kl_N.tolist()),
        "distinct": {"2": distinct(texts)},
    }


def real(asked: Sequence[Question]) -> dict[str, Any]:
    """What the answers in the file keep of the rules themselves, where each is one of many. Empty where none is."""
    marks: list[dict[str, bool]] = []
    for question in asked:
        task = task_of(question.facts)
        if "answer" in question.facts and task.truth(question) is None:
            marks.append(task.rules(question, str(question.facts["answer"])))
    return shares(marks)


def majority(asked: Sequence[Question], every: Sequence[Question]) -> dict[str, Any]:
    """What the rules say of always giving the most frequent true answer to questions of the same kind (the facts'
    "kind") among `every`. Empty where no question has a true answer."""
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


def _both(ours: Sequence[float | None], theirs: Sequence[float | None]) -> tuple[list[float], list[float]]:
    """The scores of the questions that both have one for."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _shown(answer: Answer) -> dict[str, str]:
    truth = task_of(answer.question.facts).truth(answer.question)
    return {"prompt": answer.question.text, "text": answer.text} | ({} if truth is None else {"truth": truth})
