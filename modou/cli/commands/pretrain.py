"""modou pretrain: the third stage of pretraining by itself."""

from functools import partial

from modou.cli.spec import COMMON, PRESET, REPLAN, Command, out, seed
from modou.cli.training import MINUTES, PRETRAIN, SHAPE, TEMPERATURE, overwritten, pretraining, train

COMMAND = Command(
    "pretrain",
    partial(train, until="train"),
    ("[RUN]",),
    (PRESET, out("out_run"), REPLAN, seed("train.seed", "sampling.seed"), *COMMON),
    ("model", "lora", "train", "optimizer", "schedule", "sampling", "evaluate"),
    # Of the final evaluation alone.
    (*overwritten(PRETRAIN), "evaluate.written_characters", "evaluate.lengths"),
    {**MINUTES, **SHAPE, **TEMPERATURE},
    chosen=pretraining(),
    goes_on=True,
)
