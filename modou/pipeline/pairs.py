"""`modou pairs`: preference pairs (chosen = the file's answer, rejected = a run's sampled answer to the same question).

A sampled answer is used where the task calls it comparable: kind "samples", or "warm" if sampled at a higher
temperature. A task may add pairs of its own (Task.pairs).
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modou import storage
from modou.data.conversation import Template
from modou.data.examples import Question, read_questions
from modou.messages import UserError
from modou.model.device import choose_device
from modou.model.gpt import GPT
from modou.pipeline.task import WrittenRows
from modou.runs.folder import RunFolder
from modou.runs.weights import answers, load_model
from modou.settings.sampling import SamplingSettings
from modou.tasks.base import Drafts, Row, Task, states
from modou.tasks.registry import task_of
from modou.train.events import StageBegan, StageEnded, StageEvent, StageProgress
from modou.train.parallel import World
from modou.train.rollouts import Answer, sample_answers

AT_ONCE = 64
"""Questions answered between two writes to the partial file."""


def write_pairs(run: Path, data: Path, out: Path, columns: str, sampling: SamplingSettings) -> Iterator[StageEvent]:
    """Writes `out`, one preference pair per line. Repeating an interrupted call resumes it.

    UserError: a base model, no conversations, questions of several tasks, `out` exists.
    """
    folder = RunFolder(run)
    if not answers(folder):
        raise UserError("align.no_answers", path=run)
    if out.exists():
        raise UserError("cli.file_exists", path=out)
    model, tokenizer, _ = load_model(folder)
    world = World(choose_device("auto"))
    model.to(world.device)
    template = Template(tokenizer)
    found = read_questions(data, columns, template, model.settings.context + 1 - sampling.tokens)
    questions = [question for question in found.items if "answer" in question.facts]
    if not questions:
        raise UserError("align.no_conversation", path=data, complaint="; ".join(found.complaints[:1]))
    writer = _Writer(_only_task(questions, data), model, template, questions, sampling, world)
    yield StageBegan("data", 1, 1)
    part = out.with_name(f"{out.name}.part")
    with storage.user_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    made: list[list[Row]] = storage.read_jsonl(part)
    for first in range(len(made) * AT_ONCE, len(questions), AT_ONCE):
        made.append([row | {"run": str(run)} for row in writer.rows(first)])
        storage.append_line(part, storage.json_line(made[-1]))
        yield StageProgress("data", min(first + AT_ONCE, len(questions)), len(questions))
    rows = [row for some in made for row in some]
    storage.write_text_atomically(out, "".join(storage.json_line(row) + "\n" for row in rows))
    part.unlink(missing_ok=True)
    yield StageEnded("data", WrittenRows(str(out.parent), {out.name: len(rows)}))


def _only_task(questions: Sequence[Question], data: Path) -> Task:
    """The one task of all questions. UserError: there are several."""
    tasks = {task.name: task for task in (task_of(question.facts) for question in questions)}
    if len(tasks) > 1:
        raise UserError("align.several_tasks", path=data, names=", ".join(tasks))
    return next(iter(tasks.values()))


@dataclass(frozen=True)
class _Writer:
    task: Task
    model: GPT
    template: Template
    questions: Sequence[Question]
    sampling: SamplingSettings
    world: World

    def rows(self, first: int) -> list[Row]:
        """The pairs of the AT_ONCE questions from index `first` on."""
        own, asked = self.task.settings, self.questions[first : first + AT_ONCE]
        warmer = self.sampling.changed(temperature=own.warmth * self.sampling.temperature)
        samples, warm = (
            [
                answer
                for answer in sample_answers(self.model, self.template, asked, count, sampling, first, self.world)
                if self.task.comparable(answer)
            ]
            for count, sampling in ((own.samples, self.sampling), (own.warm, warmer))
        )
        rows = list(sampled_pairs(asked, {"samples": samples, "warm": warm}))
        rng = random.Random(f"pairs {self.sampling.seed} {first}")
        more = list(self.task.pairs(Drafts(self.model, self.template, asked, samples, self.questions), rng))
        # Pairs that share a chosen answer are adjacent, so that a batch encodes it once (modou.data.pairs).
        return sorted([*rows, *more], key=lambda row: row["chosen"]) if more else rows


def sampled_pairs(asked: Sequence[Question], written: Mapping[str, Sequence[Answer]]) -> Iterator[Row]:
    """A pair for each distinct sampled answer that does not state the true one; `written`: sampled answers by kind."""
    for question in asked:
        true = str(question.facts["answer"]).strip()
        chosen = str(question.facts.get("worked", question.facts["answer"]))
        own = ((kind, answer.text) for kind, some in written.items() for answer in some if answer.question is question)
        for text, kind in {text: kind for kind, text in own}.items():
            if text.strip() and not states(text, true):
                yield {"prompt": question.prompt, "chosen": chosen, "rejected": text, "kind": kind}
