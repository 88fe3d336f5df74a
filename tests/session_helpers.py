"""Runs to talk with: a small base and an SFT of it, made by the commands; and a model that never ends its answer."""

import json
from itertools import pairwise
from pathlib import Path

import torch
from train_helpers import DOES, WHAT, WHERE, WHO, sentences, tokenizer

from modou.cli.main import status_of
from modou.data.conversation import Template
from modou.generate.session import Session
from modou.model.gpt import GPT
from modou.settings.model import ModelSettings

QUESTIONS = [f"{who}{place}？" for who, place in zip(WHO, WHERE, strict=True)]
ANSWERS = [f"{does}{what}。" for does, what in zip(DOES, WHAT, strict=True)]
SMALL = (
    *("--tokenizer.vocabulary", "330", "--layers", "2", "--width", "16", "--model.heads", "2"),
    *("--model.context", "128", "--train.steps", "4", "--train.batch", "4", "--train.evaluate_every", "2"),
    *("--train.threads", "1", "--evaluate.quick_characters", "200", "--evaluate.written_characters", "500"),
)
WORD = "春天"
"""What the endless model says, again and again."""


def make_runs(folder: Path) -> None:
    """`folder`/base, and `folder`/sft, which answers."""
    (folder / "book.txt").write_text(sentences(110, 1), encoding="utf-8")
    assert status_of(["run", str(folder / "book.txt"), "--out", str(folder / "base"), *SMALL]) == 0
    rows = [{"instruction": q, "output": a} for q, a in zip(QUESTIONS, ANSWERS, strict=True)] * 2
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (folder / "chat.jsonl").write_text("".join(lines), encoding="utf-8")
    words = ["sft", str(folder / "base"), str(folder / "chat.jsonl"), "--out", str(folder / "sft")]
    assert status_of([*words, "--train.batch", "4", "--train.threads", "1"]) == 0


def scripted(answers: bool, *ids: int) -> Session:
    """A session whose likeliest text is `ids` over and over, after an assistant's mark or [bos] (no id twice)."""
    own = tokenizer()
    model = GPT(ModelSettings(vocabulary=own.vocabulary, width=64, heads=2, layers=1, context=64, tied=False)).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        model.embedding.weight.normal_()
        for parameter in model.blocks.parameters():
            parameter.zero_()
        model.head.weight.zero_()
        for before, after in pairwise((own.assistant if answers else own.bos, *ids, ids[0])):
            model.head.weight[after] += model.embedding.weight[before] * 10
    return Session(model, own, Template(own) if answers else None, 0, Path("scripted"))


def endless(answers: bool = True) -> Session:
    """A session that says WORD again and again: only Ctrl-C, or the number of tokens, stops it."""
    return scripted(answers, *tokenizer().encode(WORD))
