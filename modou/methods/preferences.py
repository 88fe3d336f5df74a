"""What the methods that learn from preferences share: which answers a person or a rule called the better ones."""

import math
from abc import abstractmethod
from collections import defaultdict
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeVar

from modou.data.conversation import Message, Template
from modou.data.examples import Preferences, read_preferences, split, taken
from modou.methods.base import Alignment, Data
from modou.runs.record import Record
from modou.runs.weights import load_tokenizer
from modou.settings.train import Trained

G = TypeVar("G", bound=Trained)
PAIRS_AT_ONCE = 32
"""Pairs read in one pass of an evaluation."""


class Opinions(Data, Protocol):
    """Examples that say which answers are good ones."""

    questions: list[tuple[Message, ...]]
    """The question of each example."""


A = TypeVar("A", bound=Opinions)


class PreferenceMethod(Alignment[G, A]):
    """A method that learns from what somebody thought of given answers."""

    @abstractmethod
    def examples(self, data: Path, columns: str) -> A:
        """What the file holds, in this template and this context. UserError: nothing to learn from."""

    def read(self, data: Path, columns: str) -> None:
        """See Alignment."""
        self.template = Template(load_tokenizer(self.base))
        self.shape = Record[Any].read(self.base).model.changed(dropout=0.0)
        self.data = self.examples(data, columns)

    def divided(self, held_out: float, seed: int) -> tuple[list[int], list[int]]:
        """Indices of examples to train on and to measure. Those of one question stay together: a good answer that was
        learned from is no test."""
        places = defaultdict[tuple[Message, ...], list[int]](list)
        for place, question in enumerate(self.data.questions):
            places[question].append(place)
        every = list(places.values())
        seen, measured = split(len(every), held_out, seed)
        return sorted(chain(*taken(every, seen))), sorted(chain(*taken(every, measured)))

    def steps_for(self, epochs: float, held_out: float, batch: int, seed: int) -> int:
        """Updates that read every example so many times."""
        return max(1, math.ceil(epochs * len(self.divided(held_out, seed)[0]) / batch))


class PairMethod(PreferenceMethod[G, Preferences]):
    """A method that learns from pairs of answers to one question, of which one is preferred."""

    def examples(self, data: Path, columns: str) -> Preferences:
        """See PreferenceMethod."""
        return read_preferences(data, columns, self.template, self.shape.context)
