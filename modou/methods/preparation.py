"""The stages before pretraining: cleaning and splitting the text, training a tokenizer, writing token files."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Literal

from modou import storage
from modou.corpora import named
from modou.data.shards import Shards, write_shards
from modou.messages import UserError
from modou.methods.background import in_background
from modou.methods.planning import TextFacts
from modou.methods.start import Start
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.stages import figures, require_stage
from modou.settings.run import RunSettings
from modou.text.corpus import REPORT, SPLIT, TEXT, Corpus, Summary, prepare
from modou.text.overlap import batches, find_overlap
from modou.text.readers.book import Book
from modou.text.report import Cleaning, note
from modou.text.split import Part
from modou.tokenizer.card import make_card
from modou.tokenizer.loading import load_tokenizer
from modou.tokenizer.tokenizer import UNSEEN_NAME, Tokenizer
from modou.train.events import Event, StageEnded

HELD_OUT: tuple[Part, ...] = ("validation", "test")
LISTED = 20
"""Passages shared by the splits that the report lists, at most."""
_CLEANING = 0.7
"""Share of the stage's time for cleaning; the rest is the search for what the splits share."""
KNOWN = 0.75
"""Where training text holds at least this share of the held-out characters, they are not called new."""


@dataclass(frozen=True)
class SharedPassages:
    """Passages of 30 characters or more that training and held-out text share."""

    count: int
    """Number of passages."""
    characters: int
    """Their characters in the held-out text."""
    longest: list[str]
    """The longest passages."""


@dataclass(frozen=True)
class Split(Summary):
    """How a text was divided into training, validation and test."""

    shared_passages: SharedPassages
    """What training and held-out text share."""

    @property
    def known(self) -> float | None:
        """Share of the held-out characters that stand in the training text, too; None where most do not."""
        share = self.shared_passages.characters / max(1, self.characters["validation"] + self.characters["test"])
        return min(1.0, share) if share >= KNOWN else None


@dataclass(frozen=True)
class CleanFigures:
    """What the stage clean found."""

    cleaning: Cleaning
    """What cleaning changed."""
    split: Split
    """How the text was divided."""
    language: Literal["zh", "en"]
    """Chinese or English, by the text's characters."""
    distinct_characters: int
    """Different characters of the training text, or of its first two million."""


@dataclass(frozen=True)
class ShardFigures:
    """What the stage shards wrote."""

    tokens: int
    """Tokens of the training text."""
    documents: int
    """Its chapters, or pieces of them."""


def clean(run: RunFolder, record: Record[RunSettings]) -> Iterator[Event]:
    """Cleans the book and writes corpus/: text, split, cleaning report. UserError: the book is missing or changed."""
    for source in (record.inputs[name] for name in ("book", *HELD_OUT) if name in record.inputs):
        if named.content_sha256(source.path) != source.sha256:
            raise UserError("run.book_differs", path=source.path, run=run.path)
    settings = record.settings.clean
    columns = settings.columns
    book = named.open_corpus(record.inputs["book"].path, encoding=settings.encoding, columns=columns, seed=1)
    given: dict[Part, Book] = {}
    for part in HELD_OUT:
        if part in record.inputs:
            given[part] = named.open_corpus(record.inputs[part].path, columns=columns)

    def cleaned(tell: Callable[[float], None]) -> CleanFigures:
        corpus = prepare(book, run.corpus, settings, given, lambda share: tell(share * _CLEANING))
        return corpus_facts(corpus, lambda share: tell(_CLEANING + share * (1 - _CLEANING)))

    found = yield from in_background("clean", cleaned)
    yield StageEnded("clean", found, files=tuple(run.corpus / name for name in (TEXT, SPLIT, REPORT)))


def corpus_facts(corpus: Corpus, progress: Callable[[float], None] = lambda share: None) -> CleanFigures:
    """Statistics of the cleaning and the split, the language, and the passages that splits share. `progress` is often
    told the share that is done."""
    train = Counter(islice(chain.from_iterable(corpus.texts("train")), 2_000_000))
    chinese = sum(train[character] for character in train if "\u3400" <= character <= "\u9fff") > train.total() / 4
    shared = _shared(corpus, progress)
    split = Split(**vars(corpus.summary), shared_passages=shared)
    report = corpus.report
    if split.known is not None:
        remark = note("text.note_known", share=split.known)
        report = replace(report, notes=[*report.notes, {"key": remark.key, "text": str(remark)}])
    return CleanFigures(report, split, "zh" if chinese else "en", len(train))


def _shared(corpus: Corpus, progress: Callable[[float], None]) -> SharedPassages:
    """What training and held-out text share."""
    passages, characters, compared = list[str](), 0, 0
    whole = max(1, sum(corpus.characters(part) for part in HELD_OUT))
    for batch in batches(chain.from_iterable(corpus.lines(part) for part in HELD_OUT)):
        size = sum(map(len, batch))

        def tell(share: float, before: int = compared, size: int = size) -> None:
            progress(min(1.0, (before + share * size) / whole))

        found = find_overlap(_watched(corpus.lines("train"), corpus.characters("train"), tell), batch)
        passages += found.passages
        characters += found.characters
        compared += size
    longest = sorted(passages, key=lambda passage: (-len(passage), passage))
    return SharedPassages(len(passages), characters, longest[:LISTED])


def _watched(lines: Iterable[str], characters: int, progress: Callable[[float], None]) -> Iterator[str]:
    """The lines; `progress` is told the share of all characters before each."""
    read = 0
    for line in lines:
        progress(read / max(1, characters))
        read += len(line)
        yield line


def text_facts(run: RunFolder) -> TextFacts:
    """The input of the plan, from the record of the cleaning stage."""
    facts = figures(run, "clean", CleanFigures)
    return TextFacts(facts.split.characters["train"], facts.distinct_characters, facts.language == "zh")


def make_tokenizer(run: RunFolder, settings: RunSettings, start: Start) -> Iterator[Event]:
    """Trains the tokenizer on the training split, or takes the base's, and writes it and its card."""
    corpus = open_corpus(run)
    tokenizer = start.tokenizer(corpus, settings)
    tokenizer.save(run.tokenizer)
    card = make_card(tokenizer, corpus.texts("train"), corpus.texts("test"))
    storage.write_json_atomically(run.card, storage.to_json(card))
    files = tuple(run.tokenizer / name for name in tokenizer.files)
    yield StageEnded("tokenizer", card, files=(*files, run.card))


def write_tokens(run: RunFolder, start: Start) -> Iterator[Event]:
    """Writes the training split as token files; the tokenizer records which ids the model never sees."""
    require_stage(run, "tokenizer")
    (run.tokenizer / UNSEEN_NAME).unlink(missing_ok=True)  # this stage writes it anew, also where it is damaged
    tokenizer = load_tokenizer(run.tokenizer)
    shards = write_shards(open_corpus(run).texts("train"), tokenizer, run.tokens)
    tokenizer.with_unseen(start.unseen(shards.unseen())).save(run.tokenizer)
    files = [run.tokenizer / UNSEEN_NAME, *sorted(path for path in run.tokens.iterdir() if path.is_file())]
    kept = tuple(path for path in files if path.exists())
    yield StageEnded("shards", ShardFigures(shards.tokens, shards.documents), files=kept)


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
