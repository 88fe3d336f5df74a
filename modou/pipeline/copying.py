"""How much of what a run answers stands word for word in what it learned from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modou import storage
from modou.data.formats.columns import Columns
from modou.data.formats.reading import read_examples
from modou.evaluate.novelty import TrainText
from modou.runs.folder import RunFolder
from modou.runs.record import Record, line_of
from modou.runs.stages import require_stage
from modou.settings.methods import METHODS
from modou.text.corpus import Corpus

Learned = tuple[Path, str]
"""A file of examples and what its columns mean; or the folder of a prepared text, and nothing."""


class Library:
    """What runs learned from, each set of sources indexed once: runs of one line share most of it."""

    def __init__(self) -> None:
        self._indexed: dict[tuple[Learned, ...], TrainText] = {}

    def copied(self, run: RunFolder, texts: Sequence[str]) -> dict[str, Any]:
        """The longest passage of `texts` that the run learned from; nothing where none of its sources is left."""
        sources = sources_of(run)
        if not sources:
            return {}
        if sources not in self._indexed:
            self._indexed[sources] = TrainText([text for source in sources for text in _texts(*source)])
        longest = self._indexed[sources].longest(texts)
        found = {"longest": 0, "text": ""} if longest is None else {"longest": longest.length, "text": longest.text}
        return {"copied": found}


def sources_of(run: RunFolder) -> tuple[Learned, ...]:
    """What the run and those before it learned word by word, as far as it is still there unchanged: the answers of SFT,
    the better ones of preferences, the training chapters of the pretrained run."""
    found: list[Learned] = []
    for one in line_of(run):
        record = Record[Any].read(one)
        match METHODS[record.method].copies:
            case "book":
                if one.corpus.exists():
                    require_stage(one, "clean")
                    found.append((one.corpus, ""))
            case "answers" | "chosen":
                data = record.inputs["data"]
                file = Path(data.path)
                if file.is_file() and storage.sha256_file(file) == data.sha256:
                    found.append((file, data.columns))
            case "":
                pass
    return tuple(found)


def _texts(source: Path, columns: str) -> list[str]:
    if source.is_dir():
        return list(Corpus(source).texts("train"))
    examples = [placed.example for placed in read_examples(source, Columns(columns)).placed]
    turns = [turn for one in examples if one.kind == "conversation" for turn in one.messages]
    answers = [turn.content for turn in turns if turn.role == "assistant" and turn.trained]
    answers += [one.messages[-1].content for one in examples if one.label]
    return answers + [one.chosen for one in examples if one.kind == "preference"]
