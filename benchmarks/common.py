"""Shared by the benchmarks: worker processes, prepared text, tables, JSON."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from modou.corpora.named import open_corpus
from modou.settings.text import TokenizerSettings
from modou.text.corpus import SPLIT, Corpus, prepare
from modou.tokenizer.loading import load_tokenizer
from modou.tokenizer.sentencepiece import FILE_NAME, SentencePieceTokenizer
from modou.tokenizer.tokenizer import Tokenizer


class Worker:
    """A benchmark script in a separate process that answers JSON messages, one per line.

    Variants in separate workers share no heap, allocator setting or thread pool; running them in turn exposes them to
    the same load of the machine.
    """

    def __init__(self, script: str, *arguments: str) -> None:
        command = [sys.executable, script, "--worker", *arguments]
        here = str(Path(__file__).parents[1])
        path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
            env=os.environ | {"PYTHONPATH": path},
        )  # fmt: skip

    def ask(self, question: Any) -> dict[str, Any]:
        """Sends a message and returns the answer. RuntimeError: the worker died."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """The next message of the worker."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with code {self.process.wait()}")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def prepared(book: str, folder: Path, vocabulary: int, size: int | None = None) -> tuple[Corpus, Tokenizer]:
    """A corpus (name or path), cleaned and split, with its tokenizer, in `folder`; existing files are reused.

    UserError: no such text, too short."""
    if not (folder / SPLIT).exists():
        sized: dict[str, Any] = {"size": size} if size else {}
        prepare(open_corpus(book, **sized), folder)
    corpus = Corpus(folder)
    tokens = folder / f"tokenizer-{vocabulary}"
    if not (tokens / FILE_NAME).exists():
        SentencePieceTokenizer.train(corpus.texts("train"), TokenizerSettings(vocabulary=vocabulary)).save(tokens)
    return corpus, load_tokenizer(tokens)


def parser(description: str | None) -> argparse.ArgumentParser:
    """An argument parser with the options common to all benchmarks."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file")
    made.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's choice)")
    return made


def write_json(path: Path | None, numbers: dict[str, Any]) -> None:
    """Writes `numbers` to `path`, if given."""
    if path:
        path.write_text(json.dumps(numbers, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def shown(value: Any) -> str:
    """A value as text of a table cell."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints a table, the first column left-aligned, the others right-aligned."""
    cells = [list(head), *([shown(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        print("  ".join([row[0].ljust(widths[0]), *rest]), flush=True)
