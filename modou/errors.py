"""What the user is told beside results: a mistake, which ends the command, and a notice, after which it goes on.

A mistake is one clear line with the remedy, exit status 2. A notice is a warning of the logger "modou": the command
line shows it on standard error and in --json; elsewhere Python's logging shows it, unless it was set up otherwise.
"""

import logging

from modou import messages


class UserError(ValueError):
    """Raised for what the user can mend. `key` names the message in the catalogue, `values` fill it in."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values

    def __str__(self) -> str:
        return " ".join(messages.text(self.key, **self.values).split())


def tell(notice: str) -> None:
    """Tells the user what was done otherwise than asked, in one sentence of their language."""
    logging.getLogger("modou").warning("%s", notice)
