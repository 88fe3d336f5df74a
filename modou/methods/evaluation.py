"""The evaluation of a pretrained run: bits per character, baselines, novelty and variety of its samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from modou.evaluate.baselines import Baseline, baselines
from modou.evaluate.bits import CodeLength, Gain
from modou.evaluate.ngram import KneserNey
from modou.evaluate.novelty import Novelty, TrainText
from modou.evaluate.variety import Variety, human_slices, variety
from modou.generate.engine import complete
from modou.methods.likelihood import TextScore, bits_per_character, excerpts, text_score
from modou.methods.preparation import open_corpus, prompts
from modou.model.gpt import GPT
from modou.runs.folder import RunFolder
from modou.runs.weights import load_model
from modou.settings.run import RunSettings
from modou.text.corpus import Corpus
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.events import Event, Sample, StageEnded, StageProgress
from modou.train.malloc import keep_freed_memory

WRITTEN = 300
"""Characters of each sample."""
PARTS = 7


@dataclass(frozen=True, kw_only=True)
class FinalSample(Sample):
    """A text of the finished model."""

    sample: int
    """Number of the text among those with this prompt, from 0."""
    sampler: dict[str, Any]
    """Options of sampling."""


@dataclass(frozen=True, kw_only=True)
class TextEvaluation:
    """The evaluation of a pretrained run."""

    checkpoint: dict[str, int]
    """The checkpoint that was evaluated: "step", the optimizer steps before it."""
    test: TextScore
    """The test text: the main figure."""
    validation: CodeLength
    """The validation text."""
    train: CodeLength
    """An equal amount of training text."""
    gap: dict[str, float]
    """Overfitting: "bits_per_char", validation less training."""
    baselines: dict[str, Baseline]
    """Simple models on the test text: Kneser-Ney of order 1 to 6, "kn1" … "kn6", and "xz"; "train": the text they were
    fitted to. "base": the run that training started from."""
    advantage: dict[str, Gain]
    """Bits per character saved against a baseline, "kn5" or "base": those of the baseline less those of the run."""
    lengths: dict[str, CodeLength | None] | None = None
    """The test text with windows of a multiple of the training context, by the multiple (where requested); null:
    beyond the end of learned position embeddings."""
    final_samples: list[FinalSample]
    """Texts of the finished model."""
    novelty: dict[str, Novelty]
    """How much of "generated", "held_out" and "kn5" texts occurs in the training text."""
    variety: dict[str, Variety]
    """Diversity and repetition of the same; a text that is too short is left out."""


def evaluate_text(
    folder: RunFolder, settings: RunSettings, which: str | int, before: GPT | None = None
) -> Iterator[Event]:
    """Evaluates a checkpoint on held-out chapters and on its samples; the last event is StageEnded with all metrics.
    before: the model that training started from."""
    keep_freed_memory()
    model, tokenizer, step = load_model(folder, which)
    corpus = open_corpus(folder)
    train, test = ([tokenizer.normalise(text) for text in corpus.texts(part)] for part in ("train", "test"))
    tests = bits_per_character(model, tokenizer, test)
    yield StageProgress("evaluate", 1, PARTS)
    validation = bits_per_character(model, tokenizer, list(corpus.texts("validation")))
    yield StageProgress("evaluate", 2, PARTS)
    seen = bits_per_character(model, tokenizer, excerpts(train, tests.characters))
    yield StageProgress("evaluate", 3, PARTS)
    compared = baselines(train, test)
    figures, advantage = compared.figures, {"kn5": tests.gain_over(compared.order_5)}
    if before is not None:
        base = bits_per_character(before, tokenizer, test)
        figures, advantage = {**figures, "base": base.figures}, {**advantage, "base": tests.gain_over(base)}
    yield StageProgress("evaluate", 4, PARTS)
    multiples = settings.evaluate.lengths
    lengths = context_lengths(model, tokenizer, test, multiples) if multiples else None
    yield StageProgress("evaluate", 5, PARTS)
    written = write_samples(model, tokenizer, corpus, settings)
    yield StageProgress("evaluate", 6, PARTS)
    texts = [sample.text for sample in written]
    novel, varied = novelty_and_variety(train, test, texts, compared.kneser_ney.of_order(5))
    found = TextEvaluation(
        checkpoint={"step": step},
        test=text_score(tests, tokenizer, test),
        validation=validation.figures,
        train=seen.figures,
        gap={"bits_per_char": validation.value - seen.value},
        baselines=figures,
        advantage=advantage,
        lengths=lengths,
        final_samples=written[: len(prompts(corpus, settings))],
        novelty=novel,
        variety=varied,
    )
    yield StageEnded("evaluate", found)


def context_lengths(
    model: GPT, tokenizer: Tokenizer, test: Sequence[str], multiples: Sequence[int]
) -> dict[str, CodeLength | None]:
    """Bits per character with windows of 1 and of each of `multiples` times the training context; None beyond the
    end of learned position embeddings."""
    found: dict[str, CodeLength | None] = {}
    for multiple in (1, *multiples):
        context = multiple * model.settings.context
        possible = model.settings.position == "rope" or multiple == 1
        found[str(multiple)] = bits_per_character(model, tokenizer, test, context).figures if possible else None
    return found


def write_samples(model: GPT, tokenizer: Tokenizer, corpus: Corpus, settings: RunSettings) -> list[FinalSample]:
    """Samples for every prompt, about `evaluate.written_characters` in all."""
    beginnings = prompts(corpus, settings)
    samples = max(1, round(settings.evaluate.written_characters / WRITTEN / len(beginnings)))
    sampling = settings.sampling.changed(tokens=WRITTEN, samples=samples)
    made = complete(model, tokenizer, beginnings, sampling)
    ordered = sorted(made, key=lambda text: (text.sample, text.prompt))
    sampler = sampling.model_dump(include={"temperature", "top_k", "top_p", "min_p", "repetition_penalty"})
    return [
        FinalSample(beginnings[text.prompt], sampling.seed, text.text, sample=text.sample, sampler=sampler)
        for text in ordered
    ]


def novelty_and_variety(
    train: Sequence[str], test: Sequence[str], written: Sequence[str], kneser_ney: KneserNey
) -> tuple[dict[str, Novelty], dict[str, Variety]]:
    """Novelty and variety of the samples, of held-out text, and of samples from a Kneser-Ney model of order 5."""
    memory = TrainText(train)
    length = min(WRITTEN, *(len(text) for text in written), *(len(text) for text in test)) if written else 0
    human = human_slices(test, max(length, 1), len(written))
    baseline = [kneser_ney.sample(WRITTEN, seed) for seed in range(min(10, len(written)))]
    reach = memory.coverage_length(test)
    searched = {"generated": written, "held_out": test, "kn5": baseline}
    measured = {name: variety(texts, length) for name, texts in (searched | {"held_out": human}).items()}
    return (
        {name: memory.novelty(texts, reach) for name, texts in searched.items()},
        {name: found for name, found in measured.items() if found is not None},
    )
