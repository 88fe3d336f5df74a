"""The evaluation of a pretrained run: bits per character, baselines, novelty and variety of its samples."""

from collections.abc import Iterator, Sequence
from typing import Any

from modou.evaluate.baselines import baselines
from modou.evaluate.ngram import KneserNey
from modou.evaluate.novelty import TrainText
from modou.evaluate.subsample import subsample
from modou.evaluate.variety import human_slices, variety
from modou.generate.engine import complete
from modou.methods.likelihood import bits_per_character, excerpts
from modou.methods.preparation import open_corpus, prompts
from modou.model.gpt import GPT
from modou.runs.folder import RunFolder
from modou.runs.weights import load_model
from modou.settings.run import RunSettings
from modou.text.corpus import Corpus
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.events import Event, StageEnded, StageProgress

WRITTEN = 300
"""Characters of each sample."""
PARTS = 7


def evaluate_text(folder: RunFolder, settings: RunSettings, which: str | int) -> Iterator[Event]:
    """Evaluates a checkpoint on held-out chapters and on its samples; the last event is StageEnded with all metrics."""
    model, tokenizer, step = load_model(folder, which)
    corpus = open_corpus(folder)
    train, test = list(corpus.texts("train")), list(corpus.texts("test"))
    numbers: dict[str, Any] = {"checkpoint": {"step": step}}
    tests = bits_per_character(model, tokenizer, test)
    numbers["test"] = tests.to_json()
    yield StageProgress("evaluate", 1, PARTS)
    numbers["validation"] = bits_per_character(model, tokenizer, list(corpus.texts("validation"))).to_json()
    yield StageProgress("evaluate", 2, PARTS)
    seen = bits_per_character(model, tokenizer, excerpts(train, tests.characters))
    numbers["train"] = seen.to_json()
    numbers["gap"] = {"bits_per_char": numbers["validation"]["bits_per_char"] - seen.value}
    yield StageProgress("evaluate", 3, PARTS)
    compared = baselines(train, test)
    numbers["baselines"] = compared.to_json()
    numbers["advantage"] = {"kn5": tests.gain_over(compared.kneser_ney[5])}
    yield StageProgress("evaluate", 4, PARTS)
    if settings.evaluate.lengths:
        numbers["lengths"] = context_lengths(model, tokenizer, test, settings.evaluate.lengths)
    yield StageProgress("evaluate", 5, PARTS)
    written = write_samples(model, tokenizer, corpus, settings)
    numbers["final_samples"] = written[: len(prompts(corpus, settings))]
    yield StageProgress("evaluate", 6, PARTS)
    numbers |= novelty_and_variety(train, test, [sample["text"] for sample in written])
    yield StageEnded("evaluate", numbers)


def context_lengths(model: GPT, tokenizer: Tokenizer, test: Sequence[str], multiples: Sequence[int]) -> dict[str, Any]:
    """Bits per character with windows of 1 and of each of `multiples` times the training context; None beyond the
    end of learned position embeddings."""
    found: dict[str, Any] = {}
    for multiple in (1, *multiples):
        context = multiple * model.settings.context
        possible = model.settings.position == "rope" or multiple == 1
        found[str(multiple)] = bits_per_character(model, tokenizer, test, context).to_json() if possible else None
    return found


def write_samples(model: GPT, tokenizer: Tokenizer, corpus: Corpus, settings: RunSettings) -> list[dict[str, Any]]:
    """Samples for every prompt, about `evaluate.written_characters` in all, each with prompt, seed and sampler."""
    beginnings = prompts(corpus, settings)
    samples = max(1, round(settings.evaluate.written_characters / WRITTEN / len(beginnings)))
    sampling = settings.sampling.changed(tokens=WRITTEN, samples=samples)
    made = complete(model, tokenizer, beginnings, sampling)
    ordered = sorted(made, key=lambda text: (text.sample, text.prompt))
    sampler = sampling.model_dump(include={"temperature", "top_k", "top_p", "min_p", "repetition_penalty"})
    return [
        {"prompt": beginnings[text.prompt], "sample": text.sample, "seed": sampling.seed, "text": text.text}
        | {"sampler": sampler}
        for text in ordered
    ]


def novelty_and_variety(train: Sequence[str], test: Sequence[str], written: Sequence[str]) -> dict[str, Any]:
    """Novelty and variety of the samples, of held-out text, and of samples from a 5-gram Kneser-Ney model."""
    memory = TrainText(train)
    length = min(WRITTEN, *(len(text) for text in written), *(len(text) for text in test)) if written else 0
    human = human_slices(test, max(length, 1), len(written))
    kneser_ney = KneserNey.fit(subsample(train).texts, 5)
    baseline = [kneser_ney.sample(WRITTEN, seed) for seed in range(min(10, len(written)))]
    reach = memory.coverage_length(test)
    return {
        "novelty": {
            name: memory.novelty(texts, reach).to_json()
            for name, texts in (("generated", written), ("held_out", test), ("kn5", baseline))
        },
        "variety": {
            name: found.to_json()
            for name, texts in (("generated", written), ("held_out", human), ("kn5", baseline))
            if (found := variety(texts, length)) is not None
        },
    }
