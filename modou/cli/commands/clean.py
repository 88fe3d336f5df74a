"""modou clean: the first stage of pretraining by itself."""

from functools import partial

from modou.cli.spec import BASE, COMMON, GIVEN, PRESET, Command, out
from modou.cli.training import OF_BOOK, train

COMMAND = Command(
    "clean",
    partial(train, until="clean"),
    ("BOOK",),
    (PRESET, BASE, out("out_book"), *GIVEN, *COMMON),
    ("clean",),
    aliases=OF_BOOK,
    goes_on=True,
)
