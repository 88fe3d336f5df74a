"""From a book to what pretraining reads: clean text and its split, a tokenizer, token files."""

from collections.abc import Iterator
from typing import Any

from modou import storage
from modou.corpora import named
from modou.data.shards import Shards, write_shards
from modou.errors import UserError
from modou.methods.planning import TextFacts
from modou.runs.folder import RunFolder
from modou.runs.record import Record, book_source
from modou.runs.stages import require_stage
from modou.settings.run import RunSettings
from modou.text.corpus import REPORT, SPLIT, TEXT, Corpus, prepare
from modou.text.overlap import find_overlap
from modou.tokenizer.card import make_card
from modou.tokenizer.tokenizer import FILE_NAME, UNSEEN_NAME, Tokenizer
from modou.train.events import Event, StageEnded

LISTED = 20
"""Shared passages listed in the report."""


def clean(run: RunFolder, record: Record[RunSettings]) -> Iterator[Event]:
    """Book to corpus/: cleaned.txt, its split, the cleaning report. UserError: the book is gone, or another now."""
    source = record.inputs["book"]
    if not book_source(source.path).holds_the_same(source):
        raise UserError("run.book_differs", path=source.path, run=run.path)
    book = named.open_corpus(source.path, encoding=record.settings.clean.encoding, seed=1)
    corpus = prepare(book, run.corpus, record.settings.clean)
    yield StageEnded("clean", corpus_facts(corpus), files=tuple(run.corpus / name for name in (TEXT, SPLIT, REPORT)))


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


def text_facts(run: RunFolder) -> TextFacts:
    """What the plan must know of the text."""
    facts = require_stage(run, "clean").numbers
    return TextFacts(facts["split"]["characters"]["train"], facts["distinct_characters"], facts["language"] == "zh")


def train_tokenizer(run: RunFolder, settings: RunSettings) -> Iterator[Event]:
    """Training chapters to tokenizer/: the model and its card."""
    corpus = open_corpus(run)
    tokenizer = Tokenizer.train(corpus.texts("train"), settings.tokenizer)
    tokenizer.save(run.tokenizer)
    card = make_card(tokenizer, corpus.texts("train"), corpus.texts("test"))
    storage.write_json_atomically(run.card, card)
    yield StageEnded("tokenizer", card, files=(run.tokenizer / FILE_NAME, run.card))


def write_tokens(run: RunFolder) -> Iterator[Event]:
    """Training chapters to corpus/tokens/: what the model reads; the tokenizer is told what is not among it."""
    require_stage(run, "tokenizer")
    # What was unseen before is left out: this stage writes it anew, also where it is damaged.
    tokenizer = Tokenizer((run.tokenizer / FILE_NAME).read_bytes())
    shards = write_shards(open_corpus(run).texts("train"), tokenizer, run.tokens)
    Tokenizer(tokenizer.model, unseen=shards.unseen()).save(run.tokenizer)
    files = [run.tokenizer / UNSEEN_NAME, *sorted(path for path in run.tokens.iterdir() if path.is_file())]
    kept = tuple(path for path in files if path.exists())
    yield StageEnded("shards", {"tokens": shards.tokens, "documents": shards.documents}, files=kept)


def open_corpus(run: RunFolder) -> Corpus:
    """The cleaned text and its split. UserError: not there, or not as they were written."""
    require_stage(run, "clean")
    return Corpus(run.corpus)


def open_tokens(run: RunFolder, tokenizer: Tokenizer) -> Shards:
    """The token files that `write_tokens` wrote. UserError: not there, or not as they were written."""
    require_stage(run, "shards")
    return Shards(run.tokens, tokenizer)


def prompts(corpus: Corpus, settings: RunSettings, count: int = 3, characters: int = 8) -> list[str]:
    """The user's prompts, or openings of validation chapters."""
    if settings.evaluate.prompts:
        return list(settings.evaluate.prompts)
    return [text.split("\n")[0][:characters] for text in corpus.texts("validation")][:count]
