"""The stages before pretraining: cleaning and splitting the text, training a tokenizer, writing token files."""

from collections.abc import Iterator
from typing import Any

from modou import storage
from modou.corpora import named
from modou.data.shards import Shards, write_shards
from modou.messages import UserError
from modou.methods.planning import TextFacts
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.stages import require_stage
from modou.settings.run import RunSettings
from modou.text.corpus import REPORT, SPLIT, TEXT, Corpus, prepare
from modou.text.overlap import find_overlap
from modou.tokenizer.card import make_card
from modou.tokenizer.tokenizer import FILE_NAME, UNSEEN_NAME, Tokenizer
from modou.train.events import Event, StageEnded

LISTED = 20
"""Passages shared by the splits that the report lists, at most."""


def clean(run: RunFolder, record: Record[RunSettings]) -> Iterator[Event]:
    """Cleans the book and writes corpus/: text, split, cleaning report. UserError: the book is missing or changed."""
    source = record.inputs["book"]
    if named.content_sha256(source.path) != source.sha256:
        raise UserError("run.book_differs", path=source.path, run=run.path)
    book = named.open_corpus(source.path, encoding=record.settings.clean.encoding, seed=1)
    corpus = prepare(book, run.corpus, record.settings.clean)
    yield StageEnded("clean", corpus_facts(corpus), files=tuple(run.corpus / name for name in (TEXT, SPLIT, REPORT)))


def corpus_facts(corpus: Corpus) -> dict[str, Any]:
    """Statistics of the cleaning and the split, the language, and the passages that splits share."""
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
                "longest": overlap.passages[:LISTED],
            },
        },
        "language": "zh" if chinese else "en",
        "distinct_characters": len(set(train)),
    }


def text_facts(run: RunFolder) -> TextFacts:
    """The input of the plan, from the record of the cleaning stage."""
    facts = require_stage(run, "clean").numbers
    return TextFacts(facts["split"]["characters"]["train"], facts["distinct_characters"], facts["language"] == "zh")


def train_tokenizer(run: RunFolder, settings: RunSettings) -> Iterator[Event]:
    """Trains the tokenizer on the training split and writes it and its card."""
    corpus = open_corpus(run)
    tokenizer = Tokenizer.train(corpus.texts("train"), settings.tokenizer)
    tokenizer.save(run.tokenizer)
    card = make_card(tokenizer, corpus.texts("train"), corpus.texts("test"))
    storage.write_json_atomically(run.card, card)
    yield StageEnded("tokenizer", card, files=(run.tokenizer / FILE_NAME, run.card))


def write_tokens(run: RunFolder) -> Iterator[Event]:
    """Writes the training split as token files; the tokenizer records which ids never occur in it."""
    require_stage(run, "tokenizer")
    # What was unseen before is left out: this stage writes it anew, also where it is damaged.
    tokenizer = Tokenizer((run.tokenizer / FILE_NAME).read_bytes())
    shards = write_shards(open_corpus(run).texts("train"), tokenizer, run.tokens)
    Tokenizer(tokenizer.model, unseen=shards.unseen()).save(run.tokenizer)
    files = [run.tokenizer / UNSEEN_NAME, *sorted(path for path in run.tokens.iterdir() if path.is_file())]
    kept = tuple(path for path in files if path.exists())
    yield StageEnded("shards", {"tokens": shards.tokens, "documents": shards.documents}, files=kept)


def open_corpus(run: RunFolder) -> Corpus:
    """The cleaned text and its split. UserError: missing, or changed since they were written."""
    require_stage(run, "clean")
    return Corpus(run.corpus)


def open_tokens(run: RunFolder, tokenizer: Tokenizer) -> Shards:
    """The token files of `write_tokens`. UserError: missing, or changed since they were written."""
    require_stage(run, "shards")
    return Shards(run.tokens, tokenizer)


def prompts(corpus: Corpus, settings: RunSettings, count: int = 3, characters: int = 8) -> list[str]:
    """The prompts of the settings, or the first characters of the first `count` validation chapters."""
    if settings.evaluate.prompts:
        return list(settings.evaluate.prompts)
    return [text.split("\n")[0][:characters] for text in corpus.texts("validation")][:count]
