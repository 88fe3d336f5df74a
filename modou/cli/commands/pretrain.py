"""modou pretrain: the third stage of pretraining by itself."""

from modou.cli.asked import Asked
from modou.cli.spec import COMMON, PRESET, Command, out, seed
from modou.cli.training import MINUTES, PRETRAIN, SHAPE, TEMPERATURE, overwritten, pretraining, run_folder, train


def run(asked: Asked) -> int:
    return train(asked, "train", run_folder(asked))


COMMAND = Command(
    "pretrain",
    run,
    ("[RUN]",),
    (PRESET, out("out_run"), seed("train.seed", "sampling.seed"), *COMMON),
    ("model", "train", "optimizer", "schedule", "sampling", "evaluate"),
    # What is measured at the end, `modou evaluate` is told.
    (*overwritten(PRETRAIN), "evaluate.written_characters", "evaluate.lengths"),
    {**MINUTES, **SHAPE, **TEMPERATURE},
    chosen=pretraining(),
    goes_on=True,
)
