"""modou plan: chooses model and training settings with reasons, and stores them in the run folder for training."""

from functools import partial

from modou.cli.spec import BASE, COMMON, PRESET, Command, out, seed
from modou.cli.training import MINUTES, OF_BOOK, SHAPE, pretraining, train

COMMAND = Command(
    "plan",
    partial(train, until="plan"),
    ("BOOK",),
    (PRESET, BASE, out("out_book"), seed("train.seed", "sampling.seed"), *COMMON),
    ("clean", "tokenizer", "model", "lora", "train", "optimizer", "schedule"),
    aliases={**MINUTES, **OF_BOOK, **SHAPE},
    chosen=pretraining(),
    goes_on=True,
)
