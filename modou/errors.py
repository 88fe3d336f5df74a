"""A user's mistake: one clear line with the remedy, exit status 2."""

from modou import messages


class UserError(ValueError):
    """Raised for what the user can mend. `key` names the message in the catalogue, `values` fill it in."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values

    def __str__(self) -> str:
        return " ".join(messages.text(self.key, **self.values).split())
