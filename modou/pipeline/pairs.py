"""`modou pairs`: what stands in a file of conversations is preferred to what a run answers to the same questions.

A verse of the right form, which counting could not tell from the real poem, becomes a pair of kind "samples" ("warm":
written at a higher temperature), a real poem whose even lines the run has ended one of kind "endings/real", and a real
poem spoiled by us (modou.tasks.poems.damage) one of kind "damaged/...". Answers to other questions are all "samples" or
"warm". The run's own verse, ended so as to rhyme, is preferred to the same with other ends ("endings/own").
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from modou import storage
from modou.data.conversation import Template
from modou.data.examples import Question, read_questions
from modou.errors import UserError
from modou.model.device import choose_device
from modou.pipeline.events import PipelineEvent, StageBegan, StageEnded, StageProgress
from modou.pipeline.prefer import prompt_of
from modou.runs.folder import RunFolder, answers, load_model
from modou.settings.sampling import SamplingSettings
from modou.tasks.poems import verse as poems
from modou.tasks.poems.damage import damages
from modou.tasks.poems.endings import own_endings, rhymed
from modou.train.parallel import World
from modou.train.rollouts import Answer, roll_out

AT_ONCE = 64
"""Questions answered before what is written is kept."""
SAMPLES, WARM, ENDINGS, OWN_ENDINGS, SPOILED = 2, 1, 2, 2, 3
"""Answers to each question, and warmer ones; versions of each poem, and of each answer, that the run has ended; damaged
ones of each poem."""
WARMTH = 1.2
"""Times the temperature. What people write is a little more surprising to a model than what it writes itself: a judge
that knows nothing else likes every surprise."""


def write_pairs(run: Path, data: Path, out: Path, columns: str, sampling: SamplingSettings) -> Iterator[PipelineEvent]:
    """Writes `out`, a preference pair a row. The same call goes on where one was interrupted.

    UserError: a base model, no conversations, `out` is there.
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
    is_verse = all("form" in question.facts for question in questions)
    yield StageBegan("data", 1, 1)
    part = out.with_name(f"{out.name}.part")
    with storage.user_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    warmer = sampling.changed(temperature=WARMTH * sampling.temperature)
    made: list[list[dict[str, Any]]] = storage.read_jsonl(part)
    for first in range(len(made) * AT_ONCE, len(questions), AT_ONCE):
        asked = questions[first : first + AT_ONCE]
        written = roll_out(model, template, asked, SAMPLES, sampling, first, world)
        dice = random.Random(f"pairs {sampling.seed} {first}")
        warm = roll_out(model, template, asked, WARM, warmer, first, world)
        answered = [(*written[n * SAMPLES :][:SAMPLES], *warm[n * WARM :][:WARM]) for n in range(len(asked))]
        rows = [
            row
            for question, some in zip(asked, answered, strict=True)
            for row in pairs_of(question, some, questions, dice)
        ]
        if is_verse:
            real = [(question, str(question.facts["answer"])) for question in asked]
            own = [(answer.question, answer.text) for answer in written if is_alike(answer)]
            better = rhymed(model, template, own, dice)
            own = [(question, text) for (question, _), text in zip(own, better, strict=True)]
            for kind, verses, count in (("real", real, ENDINGS), ("own", own, OWN_ENDINGS)):
                for (question, text), some in zip(
                    verses, own_endings(model, template, verses, count, dice), strict=True
                ):
                    row = {"prompt": prompt_of(question), "chosen": text, "kind": f"endings/{kind}"}
                    rows += [row | {"rejected": ended} for ended in some]
            rows.sort(key=lambda row: row["chosen"])  # side by side, it is read once a batch
        made.append([row | {"run": str(run)} for row in rows])
        storage.append_line(part, storage.json_line(made[-1]))
        yield StageProgress("data", min(first + AT_ONCE, len(questions)), len(questions))
    rows = [row for some in made for row in some]
    storage.write_text_atomically(out, "".join(storage.json_line(row) + "\n" for row in rows))
    part.unlink(missing_ok=True)
    yield StageEnded("data", {"folder": str(out.parent), "rows": {out.name: len(rows)}})


def is_alike(answer: Answer) -> bool:
    """Whether an answer is one, and no worse at first sight than the true one: verse of the form that was asked for."""
    is_verse = "form" in answer.question.facts
    return answer.ended and (
        not is_verse or poems.form_of(poems.lines_of(answer.text)) == answer.question.facts["form"]
    )


def pairs_of(
    question: Question, written: Sequence[Answer], questions: Sequence[Question], dice: random.Random
) -> Iterator[dict[str, Any]]:
    """The pairs that one question gives; `questions`: questions whose poems are taken apart to spoil this one."""
    true = str(question.facts["answer"])
    row = {"prompt": prompt_of(question), "chosen": true}
    kinds = {answer.text: "samples" if n < SAMPLES else "warm" for n, answer in enumerate(written) if is_alike(answer)}
    for answer, kind in kinds.items():
        if answer.strip() not in ("", true.strip()):
            yield row | {"rejected": answer, "kind": kind}
    if "form" in question.facts:
        # Of the same form: what a line of another poem spoils should not be seen by counting.
        alike = next(
            one for one in iter(lambda: dice.choice(questions), None) if one.facts["form"] == question.facts["form"]
        )
        lines, other = (tuple(poems.lines_of(str(one.facts["answer"]))) for one in (question, alike))
        for name, spoiled in damages(lines, other, SPOILED, "head" in question.facts, dice).items():
            yield row | {"rejected": poems.verse(spoiled), "kind": f"damaged/{name}"}
