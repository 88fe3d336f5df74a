"""`modou evaluate RUN --text FILE`: bits per character of any text, beside n-gram models of the run's training text."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modou.corpora.named import open_corpus
from modou.evaluate.baselines import Baseline, baselines
from modou.evaluate.bits import Gain
from modou.messages import UserError
from modou.methods.likelihood import TextScore, bits_per_character, text_score
from modou.methods.preparation import open_corpus as cleaned
from modou.runs.folder import RunFolder
from modou.runs.record import Record, ancestors
from modou.runs.weights import load_model
from modou.text.clean import headings_kept
from modou.train.events import Event, StageBegan, StageEnded, StageProgress


@dataclass(frozen=True)
class FileScore:
    """A text scored by a run."""

    file: str
    """Its name as given."""
    checkpoint: dict[str, int]
    """The checkpoint that scored it: "step", the optimizer steps before it."""
    test: TextScore
    """The run's model."""
    baselines: dict[str, Baseline]
    """Simple models fitted to the run's training text: Kneser-Ney of order 1 to 6, "kn1" … "kn6", and "xz"; "train":
    the text they were fitted to. Empty where the model was imported: its training text is not there."""
    advantage: dict[str, Gain]
    """Bits per character saved against "kn5"; empty as well."""


def score_file(folder: RunFolder, file: str, which: str | int = "best") -> Iterator[Event]:
    """Scores a file, a folder or a corpus exactly as it stands; each file of it is a document. Nothing is written.

    UserError: no such file, no text in it; not a run, no checkpoint, the text of the run is gone.
    """
    yield StageBegan("evaluate", 1, 1)
    given = exact_texts(file)
    model, tokenizer, step = load_model(folder, which)
    texts = [tokenizer.normalise(text) for text in given]
    found = bits_per_character(model, tokenizer, texts)
    yield StageProgress("evaluate", 1, 2)
    compared = None
    if (source := pretrained(folder)) is not None:
        train = [tokenizer.normalise(text) for text in cleaned(source).texts("train")]
        compared = baselines(train, texts)
    yield StageEnded(
        "evaluate",
        FileScore(
            file=file,
            checkpoint={"step": step},
            test=text_score(found, tokenizer, texts),
            baselines=compared.figures if compared else {},
            advantage={"kn5": found.gain_over(compared.order_5)} if compared else {},
        ),
    )


def exact_texts(source: str) -> list[str]:
    """The documents of a file, a folder or a corpus: all their characters, without the last line end."""
    book = open_corpus(source)
    texts: list[str] = []
    for document in book.documents():
        lines = [line for line in headings_kept(document.lines()) if isinstance(line, str)]
        texts.append("\n".join(lines))
    if not any(text.strip() for text in texts):
        raise UserError("text.empty", path=Path(source))
    return texts


def pretrained(folder: RunFolder) -> RunFolder | None:
    """The run that holds the text: the run itself, or the base that its model comes from; None: the model was
    imported. UserError: it is gone."""
    for run in ancestors(folder):
        inputs = Record[Any].read(run).inputs
        if "book" in inputs or "source" in inputs:
            return run if "book" in inputs else None
    raise UserError("pipeline.no_text_of_base", path=folder.path)
