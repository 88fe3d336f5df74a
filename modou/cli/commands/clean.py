"""modou clean: the first stage of pretraining by itself."""

from modou.cli.asked import Asked
from modou.cli.spec import COMMON, PRESET, Command, out
from modou.cli.training import train


def run(asked: Asked) -> int:
    return train(asked, "clean")


COMMAND = Command("clean", run, ("BOOK",), (PRESET, out("out_book"), *COMMON), ("clean",), goes_on=True)
