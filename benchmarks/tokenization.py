"""Tokenizers: training time, and characters per second of encoding, decoding and writing token files.

    python benchmarks/tokenization.py [--book shuihu] [--kinds bpe unigram char] [--vocabulary 8000] [--seconds 2]
                                      [--threads N] [--json FILE]

(Named so as not to shadow Python's module tokenize.) Encoding and decoding use one thread; token files are written by
one process, and by as many as `write_shards` chooses. Rates: fastest repetition within `--seconds`."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import parser, print_table, write_json

from modou.corpora.named import open_corpus
from modou.data.shards import write_shards
from modou.settings.text import TokenizerSettings
from modou.text.corpus import prepare
from modou.tokenizer.sentencepiece import SentencePieceTokenizer

KINDS = ("bpe", "unigram", "char")


def fastest(work: Callable[[], object], seconds: float) -> float:
    """Time of the fastest of as many calls as fit into `seconds`, at least one."""
    best, began = float("inf"), time.perf_counter()
    while True:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
        if time.perf_counter() - began > seconds:
            return best


def measure(kind: str, texts: list[str], held_out: list[str], options: Any, folder: Path) -> dict[str, Any]:
    """The figures of one kind of tokenizer."""
    settings = TokenizerSettings(kind=kind, vocabulary=options.vocabulary, threads=options.threads or 2)
    began = time.perf_counter()
    tokenizer = SentencePieceTokenizer.train(texts, settings)
    training = time.perf_counter() - began
    characters = sum(len(text) for text in texts)
    ids = [tokenizer.encode(text) for text in texts]
    assert [tokenizer.decode(tokens) for tokens in ids] == texts

    def write(workers: int | None) -> None:
        shutil.rmtree(folder / "shards", ignore_errors=True)
        write_shards(texts, tokenizer, folder / "shards", workers)

    encoding = fastest(lambda: [tokenizer.encode(text) for text in texts], options.seconds)
    decoding = fastest(lambda: [tokenizer.decode(tokens) for tokens in ids], options.seconds)
    return {
        "vocabulary": tokenizer.vocabulary,
        "train_seconds": training,
        "encode_characters_per_second": characters / encoding,
        "decode_characters_per_second": characters / decoding,
        "shards_characters_per_second": characters / fastest(lambda: write(1), options.seconds),
        "parallel_shards_characters_per_second": characters / fastest(lambda: write(None), options.seconds),
        "characters_per_token": {
            "train": characters / sum(map(len, ids)),
            "held_out": sum(map(len, held_out)) / sum(len(tokenizer.encode(text)) for text in held_out),
        },
    }


def main() -> None:
    """Command line."""
    options = parser(__doc__)
    options.add_argument("--book", default="shuihu", help="a corpus name or a path (default: shuihu)")
    options.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options.add_argument("--vocabulary", type=int, default=8000)
    options.add_argument("--seconds", type=float, default=2.0, help="how long each rate is repeated")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        corpus = prepare(open_corpus(asked.book), Path(temporary) / "corpus")
        texts, held_out = list(corpus.texts("train")), list(corpus.texts("test"))
        kinds = {kind: measure(kind, texts, held_out, asked, Path(temporary)) for kind in asked.kinds}
    names = ("train_seconds", "encode_characters_per_second", "decode_characters_per_second")
    names += ("shards_characters_per_second", "parallel_shards_characters_per_second")
    print_table(
        [
            "kind",
            "train s",
            "encode char/s",
            "decode char/s",
            "files char/s",
            "parallel char/s",
            "char/token (held out)",
        ],
        [[kind, *(row[n] for n in names), row["characters_per_token"]["held_out"]] for kind, row in kinds.items()],
    )
    characters = sum(map(len, texts))
    write_json(asked.json, {"tokenize": {"book": asked.book, "characters": characters, "kinds": kinds}})


if __name__ == "__main__":
    main()
