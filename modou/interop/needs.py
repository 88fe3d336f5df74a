"""What an export to a library of its own needs: that library, and a model that writes."""

from importlib.util import find_spec

from modou.interop.portable import Portable
from modou.messages import UserError


def require(model: Portable, target: str, library: str) -> None:
    """UserError: the library is not installed, or the model is a reward model, which has no form there."""
    if find_spec(library) is None:
        raise UserError("interop.no_library", target=target, library=library)
    if model.scores:
        raise UserError("interop.scores_elsewhere", target=target)
