"""Baseline: the article's training recipe as published, trained for some minutes.

    python benchmarks/article.py [--book shuihu] [--minutes 5] [--size 2m|8m] [--position learned|rope]
                                 [--folder DIR] [--device cpu|cuda] [--threads N] [--json FILE]

The recipe: windows that begin at every token, shuffled, batches of 16; no control tokens between chapters, no newlines;
AdamW at 3e-4 with torch's defaults, no schedule, no clipping, dropout 0.1; explicit attention. Written from the
description.

For comparability, the prepared text (cleaned, split by chapters) and the tokenizer (bpe, 8000 pieces, trained on the
training chapters) are modou's: the article's tokenizer changes characters, so its bits per character are not
comparable.

Bits per character: modou.methods.likelihood with windows of 128, each scoring its second half. Test chapters are one
line each, as in training; the control tokens around each chapter, unseen in training, are counted (eight chapters at 50
bits each: 0.01 bits per character). `--minutes` counts the time inside training steps only.
"""

import tempfile
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from article_model import SIZES, ArticleGPT, article_settings
from common import parser, prepared, print_table, write_json

from modou.methods.likelihood import bits_per_character
from modou.model.gpt import GPT
from modou.storage import to_json
from modou.train.measure import wait

BATCH, VOCABULARY, RATE = 16, 8000, 3e-4


class Windows:
    """Every window of a text once per epoch, shuffled anew; the last batch of an epoch may be smaller."""

    def __init__(self, ids_N: torch.Tensor, context: int, generator: torch.Generator) -> None:
        self.ids_N, self.context, self.generator = ids_N, context, generator
        self.order = torch.empty(0, dtype=torch.int64)

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets, (16, context) ids each."""
        if not len(self.order):
            self.order = torch.randperm(len(self.ids_N) - self.context, generator=self.generator)
        starts, self.order = self.order[:BATCH], self.order[BATCH:]
        rows = self.ids_N[starts[:, None] + torch.arange(self.context + 1)]
        return rows[:, :-1], rows[:, 1:]


def train(model: ArticleGPT, windows: Windows, seconds: float, device: torch.device) -> dict[str, Any]:
    """Trains for `seconds` of step time, at least one step; returns speed and loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    spent, steps, tokens, reported, loss = 0.0, 0, 0, 0.0, 0.0
    model.train()
    while spent < seconds or not steps:
        began = time.perf_counter()
        ids_BT, target_BT = (ids.to(device) for ids in windows.batch())
        optimizer.zero_grad()
        nats = model.mean_loss(ids_BT, target_BT)
        nats.backward()
        optimizer.step()
        loss = nats.item()
        wait(device)
        spent += time.perf_counter() - began
        steps, tokens = steps + 1, tokens + ids_BT.numel()
        if spent - reported > 30:
            reported = spent
            print(
                f"{spent:4.0f} s  step {steps}  loss {loss:.3f} nats a token  {tokens / spent:,.0f} tokens/s",
                flush=True,
            )
    return {
        "steps": steps,
        "tokens": tokens,
        "seconds": spent,
        "tokens_per_second": tokens / spent,
        "last_loss": loss,
    }


def measure(options: Any, folder: Path) -> dict[str, Any]:
    """Prepares the text, trains, and measures test bits per character."""
    corpus, tokenizer = prepared(options.book, folder, options.vocabulary)
    device = torch.device(options.device)
    torch.manual_seed(options.seed)
    settings = article_settings(options.size, options.position, tokenizer.vocabulary)
    model = ArticleGPT(settings).to(device)
    ids = np.concatenate([np.array(tokenizer.encode(text), np.int64) for text in corpus.lines("train")])
    windows = Windows(torch.from_numpy(ids), settings.context, torch.Generator().manual_seed(options.seed))
    training = train(model, windows, options.minutes * 60, device)
    # bits_per_character needs only what ArticleGPT has: settings.context, embedding.weight.device, and a call.
    test = bits_per_character(cast(GPT, model), tokenizer, list(corpus.lines("test")))
    return {
        "book": options.book,
        "device": options.device,
        "threads": torch.get_num_threads(),
        "model": {
            "size": options.size,
            "position": options.position,
            "parameters": sum(p.numel() for p in model.parameters()),
            "vocabulary": tokenizer.vocabulary,
        },
        "training": training | {"epochs_of_windows": training["tokens"] / settings.context / len(ids)},
        "test": to_json(test.figures),
    }


def main() -> None:
    """Command line."""
    options = parser(__doc__)
    options.add_argument("--book", default="shuihu", help="a corpus name or a path (default: shuihu)")
    options.add_argument("--minutes", type=float, default=5.0, help="minutes of training steps")
    options.add_argument("--size", choices=[*SIZES], default="2m", help="2m: 2 layers of 128; 8m: 6 layers of 256")
    options.add_argument("--position", choices=["learned", "rope"], default="learned")
    options.add_argument("--vocabulary", type=int, default=VOCABULARY)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options.add_argument("--folder", type=Path, help="keep the prepared text here (default: a temporary folder)")
    asked = options.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as temporary:
        numbers = measure(asked, asked.folder or Path(temporary))
    training, test = numbers["training"], numbers["test"]
    print_table(
        ["article's recipe", "parameters", "steps", "tokens/s", "test bits/char", "95 % interval"],
        [
            [
                f"{asked.size} {asked.position}",
                numbers["model"]["parameters"],
                training["steps"],
                training["tokens_per_second"],
                test["bits_per_char"],
                " - ".join(f"{end:.3f}" for end in test["interval"] or ()),
            ]
        ],
    )
    write_json(asked.json, {"article": numbers})


if __name__ == "__main__":
    main()
