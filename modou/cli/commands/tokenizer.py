"""modou tokenizer: the second stage of pretraining by itself."""

from modou.cli.asked import Asked
from modou.cli.spec import COMMON, PRESET, Command, out
from modou.cli.training import pretraining, run_folder, train


def run(asked: Asked) -> int:
    return train(asked, "shards", run_folder(asked))


COMMAND = Command(
    "tokenizer",
    run,
    ("[RUN]",),
    (PRESET, out("out_run"), *COMMON),
    ("tokenizer",),
    chosen=pretraining(),
    goes_on=True,
)
