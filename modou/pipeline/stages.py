"""The stages before training: a book becomes clean text, a tokenizer, token files. What is done is skipped."""

from collections.abc import Iterator
from typing import Any

from modou import storage
from modou.corpora import named as corpora
from modou.data.shards import Shards, write_shards
from modou.pipeline.events import PipelineEvent, StageEnded
from modou.pipeline.frozen import Frozen
from modou.pipeline.plan import TextFacts
from modou.runs.folder import RunFolder
from modou.text.corpus import Corpus, prepare
from modou.text.overlap import find_overlap
from modou.tokenizer.card import make_card
from modou.tokenizer.tokenizer import Tokenizer

LISTED = 20
"""Shared passages listed in the report."""


def clean(folder: RunFolder, frozen: Frozen) -> Iterator[PipelineEvent]:
    """Book to corpus/: cleaned.txt, its split, the cleaning report."""
    done = folder.corpus / "facts.json"
    if done.exists():
        yield StageEnded("clean", storage.read_json(done), skipped=True)
        return
    book = corpora.open_corpus(frozen.source, encoding=frozen.settings.clean.encoding, seed=1)
    corpus = prepare(book, folder.corpus, frozen.settings.clean)
    facts = corpus_facts(corpus)
    storage.write_json_atomically(done, facts)
    yield StageEnded("clean", facts)


def corpus_facts(corpus: Corpus) -> dict[str, Any]:
    """What cleaning found and how the text was split."""
    train = "".join(corpus.texts("train"))[:2_000_000]
    chinese = sum("\u3400" <= character <= "\u9fff" for character in train) > len(train) / 4
    overlap = find_overlap(corpus.lines("train"), (*corpus.lines("validation"), *corpus.lines("test")))
    return {
        "cleaning": corpus.report,
        "split": {
            **corpus.summary,
            "shared_passages": {
                "count": len(overlap.passages),
                "characters": overlap.characters,
                "longest": [passage.text for passage in overlap.passages[:LISTED]],
            },
        },
        "language": "zh" if chinese else "en",
        "distinct_characters": len(set(train)),
    }


def text_facts(folder: RunFolder) -> TextFacts:
    """What the plan must know of the text."""
    facts = storage.read_json(folder.corpus / "facts.json")
    characters = facts["split"]["characters"]["train"]
    return TextFacts(characters, facts["distinct_characters"], facts["language"] == "zh")


def train_tokenizer(folder: RunFolder, frozen: Frozen) -> Iterator[PipelineEvent]:
    """Training chapters to tokenizer/: the model and its card."""
    done = folder.tokenizer / "card.json"
    if done.exists():
        yield StageEnded("tokenizer", storage.read_json(done), skipped=True)
        return
    corpus = Corpus(folder.corpus)
    tokenizer = Tokenizer.train(corpus.texts("train"), frozen.settings.tokenizer)
    tokenizer.save(folder.tokenizer)
    card = make_card(tokenizer, corpus.texts("train"), corpus.texts("test"))
    storage.write_json_atomically(done, card)
    yield StageEnded("tokenizer", card)


def write_tokens(folder: RunFolder) -> Iterator[PipelineEvent]:
    """Training chapters to corpus/tokens/: what the model reads; the tokenizer is told what is not among it."""
    tokenizer = Tokenizer.load(folder.tokenizer)
    shards = write_shards(Corpus(folder.corpus).texts("train"), tokenizer, folder.corpus / "tokens")
    Tokenizer(tokenizer.model, unseen=shards.unseen()).save(folder.tokenizer)
    yield StageEnded("shards", {"tokens": shards.tokens, "documents": shards.documents})


def open_tokens(folder: RunFolder, tokenizer: Tokenizer) -> Shards:
    """The token files that `write_tokens` wrote."""
    return Shards(folder.corpus / "tokens", tokenizer)
