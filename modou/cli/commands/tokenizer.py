"""modou tokenizer: the second stage of pretraining by itself."""

from functools import partial

from modou.cli.spec import COMMON, PRESET, Command, out
from modou.cli.training import pretraining, train

COMMAND = Command(
    "tokenizer",
    partial(train, until="shards"),
    ("[RUN]",),
    (PRESET, out("out_run"), *COMMON),
    ("tokenizer",),
    chosen=pretraining(),
    goes_on=True,
)
