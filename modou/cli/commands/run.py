"""modou run: from a book to a model and its report."""

from modou.cli.asked import Asked
from modou.cli.spec import BASE, COMMON, GIVEN, PRESET, REPLAN, Command, Own, out, seed
from modou.cli.training import MINUTES, OF_BOOK, PRETRAIN, SHAPE, TEMPERATURE, overwritten, pretraining, train
from modou.messages import UserError


def run(asked: Asked) -> int:
    if asked.words.get("BOOK") is None and asked["out"] is None:
        raise UserError("cli.no_book")
    return train(asked)


COMMAND = Command(
    "run",
    run,
    ("[BOOK]",),
    (
        *(PRESET, BASE, out("out_book"), *GIVEN, Own("extend", "switch"), REPLAN),
        *(seed("train.seed", "sampling.seed"), *COMMON),
    ),
    PRETRAIN.groups,
    overwritten(PRETRAIN),
    {**MINUTES, **OF_BOOK, **SHAPE, **TEMPERATURE},
    chosen=pretraining(),
    goes_on=True,
)
