"""Where pretraining starts: from nothing, or from the weights and the tokenizer of a trained run (`--base`)."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from modou.messages import UserError, quoted, text
from modou.methods.planning import PlanChoice, TextFacts, plan_tokenizer
from modou.model.gpt import GPT, plain_gpt
from modou.model.lora import make_gpt
from modou.runs.folder import RunFolder
from modou.runs.record import Record, weights_sha256
from modou.runs.weights import answers, load_tokenizer, load_weights
from modou.settings.methods import METHODS
from modou.settings.model import ModelSettings
from modou.settings.run import RunSettings
from modou.text.corpus import Corpus
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.events import Notice

OWN = ("context", "dropout")
"""Options of the model that may differ from those of a base."""


class Start:
    """A new tokenizer and new weights."""

    shape: ModelSettings | None = None
    """The shape of the model that training starts from; None: the plan chooses it."""

    def __init__(self, record: Record[RunSettings]) -> None:
        """UserError: options that have no effect with this start."""
        if record.settings.lora.rank:
            raise UserError("pipeline.adapters_need_base")

    def notices(self) -> Iterator[Notice]:
        """What the user is to know before anything is made."""
        yield from ()

    def plan_tokenizer(self, facts: TextFacts, asked: RunSettings) -> tuple[RunSettings, list[PlanChoice]]:
        """See planning."""
        return plan_tokenizer(facts, asked)

    def tokenizer(self, corpus: Corpus, settings: RunSettings) -> Tokenizer:
        """The run's tokenizer."""
        return SentencePieceTokenizer.train(corpus.texts("train"), settings.tokenizer)

    def unseen(self, ids: Iterable[int]) -> Iterable[int]:
        """Ids that neither this training nor one before has seen; `ids`: those that this one has not."""
        return ids

    def network(self, settings: RunSettings) -> GPT:
        """The model as training starts, on the CPU."""
        torch.manual_seed(settings.train.seed)
        return make_gpt(settings.model, settings.lora)

    def before(self, settings: RunSettings) -> GPT | None:
        """The base to compare the trained model with; None: there is none."""
        return None

    def identity(self) -> dict[str, str]:
        """See Method.identity."""
        return {}


class FromBase(Start):
    """The base's tokenizer and weights: continued pretraining, of all weights or of low-rank adapters."""

    def __init__(self, record: Record[RunSettings]) -> None:
        """UserError: the base is a reward model, or options are set that the base determines."""
        self.source = record.inputs["base"]
        self.base = RunFolder(Path(self.source.path))
        known = Record[Any].read(self.base)
        if METHODS[known.method].scores:
            raise UserError("align.no_base", path=self.base.path)
        self.shape = known.model
        if not record.planned:
            self._check(record.settings)

    def _check(self, asked: RunSettings) -> None:
        given = asked.model_dump(exclude_unset=True)
        idle = [f"--tokenizer.{name}" for name in given.get("tokenizer", {})]
        idle += [f"--model.{name}" for name in given.get("model", {}) if name not in OWN]
        if idle:
            raise UserError("pipeline.base_determines", options=" ".join(idle))
        if asked.is_set("model", "context") and asked.model.context > self.known.context:
            raise UserError("pipeline.base_is_shorter", context=asked.model.context, most=self.known.context)

    @property
    def known(self) -> ModelSettings:
        """The base's shape."""
        assert self.shape is not None
        return self.shape

    def notices(self) -> Iterator[Notice]:
        """See Start."""
        if answers(self.base):
            yield Notice(text("pipeline.base_answers", path=quoted(str(self.base.path), plain=True)))

    def plan_tokenizer(self, facts: TextFacts, asked: RunSettings) -> tuple[RunSettings, list[PlanChoice]]:
        """Nothing is open."""
        return asked, []

    def tokenizer(self, corpus: Corpus, settings: RunSettings) -> Tokenizer:
        """See Start. UserError: it is not the model's."""
        tokenizer = load_tokenizer(self.base)
        if tokenizer.vocabulary != self.known.vocabulary:
            values = {"model": self.known.vocabulary, "tokenizer": tokenizer.vocabulary}
            raise UserError("generate.vocabularies_differ", **values)
        return tokenizer

    def unseen(self, ids: Iterable[int]) -> Iterable[int]:
        """See Start."""
        return load_tokenizer(self.base).unseen.intersection(ids)

    def network(self, settings: RunSettings) -> GPT:
        """See Start. UserError: the base's weights are no longer those that the run was begun with."""
        if not self._is_unchanged():
            raise UserError("pipeline.base_changed", path=quoted(str(self.base.path), plain=True))
        weights = self._weights(settings).state_dict()
        model = super().network(settings)
        model.load_state_dict(weights, strict=not settings.lora.rank)
        return model

    def before(self, settings: RunSettings) -> GPT | None:
        """See Start; None as well where the base's weights have changed."""
        return self._weights(settings).eval() if self._is_unchanged() else None

    def identity(self) -> dict[str, str]:
        """See Start."""
        return {"base_sha256": self.source.sha256}

    def _is_unchanged(self) -> bool:
        return weights_sha256(self.base) == self.source.sha256

    def _weights(self, settings: RunSettings) -> GPT:
        """The base's model with the context of the settings, which may be shorter."""
        weights = load_weights(self.base)[0].state_dict()
        if "positions.weight" in weights:
            weights["positions.weight"] = weights["positions.weight"][: settings.model.context]
        return plain_gpt(settings.model, weights)


def start_of(record: Record[RunSettings]) -> Start:
    """Where a run starts. UserError: see the classes."""
    return FromBase(record) if "base" in record.inputs else Start(record)
