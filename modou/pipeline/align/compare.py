"""`modou compare`: the same questions to several runs with the same random numbers, and what came of it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from modou import storage
from modou.errors import UserError
from modou.evaluate.answers import distinct, mean, share, wins
from modou.model.gpt import GPT
from modou.pipeline.align.examples import read_questions
from modou.pipeline.align.judges import make_judge
from modou.pipeline.align.method import drift
from modou.pipeline.events import PipelineEvent, StageBegan, StageEnded, StageProgress
from modou.runs import RunFolder, load_model, method_of
from modou.settings.sampling import SamplingSettings
from modou.tasks.poems import judge as judge_poem
from modou.tasks.poems import order_of
from modou.text.conversation import Template
from modou.text.tokenizer import Tokenizer
from modou.train.order import example_at
from modou.train.parallel import World
from modou.train.policy import kl_k1
from modou.train.rollouts import Answer, Task, assemble, score_tokens, write

CPU = World(torch.device("cpu"))
SHOWN = 5
"""Questions whose answers are kept in the report."""
AT_ONCE = 64
"""Questions answered before the progress is told."""
Rules = Callable[[Answer], dict[str, bool]]


def compare(
    runs: Sequence[Path],
    data: Path,
    judges: Sequence[str] = (),
    columns: str = "",
    count: int = 500,
    sampling: SamplingSettings | None = None,
    out: Path | None = None,
) -> Iterator[PipelineEvent]:
    """Asks every run `count` of the file's questions, at temperature 1 over the whole vocabulary unless `sampling` says
    otherwise. The first run is what the others are set against. UserError: runs of different tokenizers, no questions.
    """
    sampling = sampling or SamplingSettings(temperature=1.0, top_p=1.0, tokens=96)
    folders = [RunFolder(path) for path in runs]
    first = load_model(folders[0])
    tokenizer, reference = first[1], first[0]
    for folder in folders:
        if Tokenizer.load(folder.tokenizer).sha256 != tokenizer.sha256:
            raise UserError("align.other_vocabulary", first=folders[0].path, other=folder.path)
    template = Template(tokenizer)
    room = reference.settings.context + 1 - sampling.tokens
    questions = read_questions(data, columns, template, room)
    tasks = [questions.tasks[example_at(place, len(questions.tasks), sampling.seed)] for place in range(count)]
    tasks = tasks[: len(questions.tasks)]
    scores = {name: make_judge(name, tokenizer, CPU.device) for name in judges}
    found: dict[str, dict[str, Any]] = {}
    against: dict[str, list[float]] = {}
    yield StageBegan("evaluate", 1, 1)
    for number, folder in enumerate(folders):
        model = load_model(folder)[0]
        answers: list[Answer] = []
        for start in range(0, len(tasks), AT_ONCE):
            answers += write(model, template, tasks[start : start + AT_ONCE], 1, sampling, start, CPU)
            yield StageProgress("evaluate", number * len(tasks) + len(answers), len(folders) * len(tasks))
        points = {name: judge(answers).tolist() for name, judge in scores.items()}
        name = folder.path.name if folder.path.name not in found else str(folder.path)
        found[name] = measures(answers, model, reference, template, sampling.temperature or 1.0)
        found[name] |= {"method": method_of(folder), "judges": {j: mean(p) for j, p in points.items()}}
        found[name]["wins"] = {j: wins(p, against[j]) for j, p in points.items()} if against else {}
        found[name] |= drift(folder, reference, model, tokenizer)
        found[name]["by_answer"] = {
            "length": [len(answer.ids) for answer in answers],
            **{j: [round(value, 4) for value in p] for j, p in points.items()},
        }
        against = against or points
    numbers = {"data": str(data), "reference": next(iter(found)), "questions": len(tasks), "runs": found}
    if out is not None:
        storage.write_json_atomically(out, numbers)
    yield StageEnded("evaluate", numbers)


def measures(
    answers: Sequence[Answer], model: GPT, reference: GPT, template: Template, temperature: float
) -> dict[str, Any]:
    """Lengths, ends, variety, distance from the reference, and every rule that the questions' facts allow."""
    texts = [answer.text for answer in answers]
    padded = assemble(answers)
    ids_NT, target_NT = padded["ids_NT"], padded["target_NT"]
    own_NT, reference_NT = (score_tokens(one, ids_NT, target_NT, temperature) for one in (model, reference))
    kl_N = (kl_k1(own_NT, reference_NT) * padded["mask_NT"]).sum(1)
    rules: dict[str, list[bool]] = {}
    for answer in answers:
        for name, kept in rules_of(answer.task, answer.text).items():
            rules.setdefault(name, []).append(kept)
    return {
        "ended": share([answer.ended for answer in answers]),
        "empty": share([not text.strip() for text in texts]),
        "length": mean([float(len(answer.ids)) for answer in answers]),
        "kl": mean(kl_N.tolist()),
        "distinct": {"2": distinct(texts)},
        "rules": {name: share(marks) for name, marks in rules.items()},
        "samples": [{"prompt": a.task.question, "text": a.text} for a in answers[:SHOWN]],
    }


def rules_of(task: Task, text: str) -> dict[str, bool]:
    """The rules that can be asked of an answer, and whether it keeps them."""
    if "form" in task.facts:
        judged = judge_poem(text, order_of(task.facts))
        kept = {"form": judged.form, "rhyme": judged.rhymed, "no_repeat": not judged.repeated}
        return kept if judged.head is None else kept | {"head": judged.head}
    if "answer" in task.facts:
        return {"exact": text.strip() == str(task.facts["answer"]).strip()}
    return {}
