"""What the methods that learn from preference data share: reading, splitting and evaluating it."""

import math
from abc import abstractmethod
from collections import defaultdict
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeVar

from modou.data.conversation import Message, Template
from modou.data.examples import Preferences, read_preferences, select, split
from modou.methods.base import Alignment, Data
from modou.runs.record import Record
from modou.runs.weights import load_tokenizer
from modou.settings.train import Trained

G = TypeVar("G", bound=Trained)
PAIRS_AT_ONCE = 32
"""Pairs per forward pass of an evaluation."""


class Labelled(Data, Protocol):
    """Examples that say which answers are good."""

    questions: list[tuple[Message, ...]]
    """The question of each example."""


A = TypeVar("A", bound=Labelled)


class PreferenceMethod(Alignment[G, A]):
    """A method that learns from given answers with preferences or labels."""

    evaluates_base = False

    @abstractmethod
    def examples(self, data: Path, columns: str) -> A:
        """The examples of a file that fit the context. UserError: none."""

    def read(self, data: Path, columns: str) -> None:
        """See Alignment."""
        self.template = Template(load_tokenizer(self.base))
        self.shape = Record[Any].read(self.base).model.changed(dropout=0.0)
        self.data = self.examples(data, columns)

    def split_by_question(self, held_out: float, seed: int) -> tuple[list[int], list[int]]:
        """Indices of the examples to train on and to hold out (a share of the questions). All examples of a question
        are on one side, so that no held-out answer was trained on."""
        by_question = defaultdict[tuple[tuple[str, str], ...], list[int]](list)
        for index, question in enumerate(self.data.questions):
            by_question[tuple((message.role, message.content) for message in question)].append(index)
        groups = list(by_question.values())
        train, measured = split(range(len(groups)), held_out, seed)
        return sorted(chain(*select(groups, train))), sorted(chain(*select(groups, measured)))

    def split(self, settings: G) -> tuple[list[int], list[int]]:
        """See Alignment."""
        return self.split_by_question(self._own(settings).held_out, settings.train.seed)

    def steps(self, settings: G) -> int:
        """Steps for `epochs` passes over the training examples."""
        own: Any = self._own(settings)
        train: Any = settings.train
        return max(1, math.ceil(own.epochs * len(self.split(settings)[0]) / train.batch))

    def _own(self, settings: G) -> Any:
        return getattr(settings, self.record.method)


class PairMethod(PreferenceMethod[G, Preferences]):
    """A method that learns from pairs of a chosen and a rejected answer to one question."""

    def examples(self, data: Path, columns: str) -> Preferences:
        """See PreferenceMethod."""
        return read_preferences(data, columns, self.template, self.shape.context)
