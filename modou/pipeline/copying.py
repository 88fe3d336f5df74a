"""Verbatim copying: the longest passage of a run's answers that occurs in its training data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modou import storage
from modou.data.formats.columns import Columns
from modou.data.formats.reading import read_examples
from modou.evaluate.novelty import TrainText
from modou.runs.folder import RunFolder
from modou.runs.record import Record, ancestors
from modou.runs.stages import require_stage
from modou.settings.methods import METHODS
from modou.text.corpus import Corpus

Source = tuple[Path, str]
"""A file of examples and its column mapping; or the folder of a prepared text and ""."""


@dataclass(frozen=True)
class LongestCopy:
    """The longest passage of a run's answers that occurs in its training data."""

    longest: int
    """Characters."""
    text: str
    """The passage."""


class Library:
    """Suffix-array indices of training data, one per set of sources, shared by runs trained on the same data."""

    def __init__(self) -> None:
        self._indexed: dict[tuple[Source, ...], TrainText] = {}

    def copied(self, run: RunFolder, texts: Sequence[str]) -> LongestCopy | None:
        """The longest passage of `texts` in the run's training data; None where none of the data is left."""
        sources = sources_of(run)
        if not sources:
            return None
        if sources not in self._indexed:
            self._indexed[sources] = TrainText([text for source in sources for text in _texts(*source)])
        longest = self._indexed[sources].longest(texts)
        return LongestCopy(longest.length, longest.text) if longest else LongestCopy(0, "")


def sources_of(run: RunFolder) -> tuple[Source, ...]:
    """The data on which the run and its ancestors were trained by maximum likelihood, as far as it still exists
    unchanged: answers of SFT, chosen answers of preference pairs, training chapters of the pretraining run."""
    found: list[Source] = []
    for one in ancestors(run):
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
