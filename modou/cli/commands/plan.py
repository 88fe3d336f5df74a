"""modou plan: what would be trained, and why. The run folder keeps the plan, and training follows it."""

from modou.cli.asked import Asked
from modou.cli.spec import COMMON, PRESET, Command, out, seed
from modou.cli.training import MINUTES, SHAPE, pretraining, train


def run(asked: Asked) -> int:
    """Pretraining up to its plan."""
    return train(asked, "plan")


COMMAND = Command(
    "plan",
    run,
    ("BOOK",),
    (PRESET, out("out_book"), seed("train.seed", "sampling.seed"), *COMMON),
    ("clean", "tokenizer", "model", "train", "optimizer", "schedule"),
    aliases={**MINUTES, **SHAPE},
    chosen=pretraining(),
    goes_on=True,
)
