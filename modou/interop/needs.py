"""What an export to a library of its own needs: that library, and a model that writes."""

from importlib.util import find_spec

from modou.interop.portable import Portable
from modou.messages import UserError
from modou.tokenizer.sentencepiece import SentencePieceTokenizer


def require(model: Portable, target: str, library: str) -> None:
    """UserError: the library is not installed; the model is a reward model, which has no form there, or has another
    tokenizer than ours."""
    if find_spec(library) is None:
        raise UserError("interop.no_library", target=target, library=library)
    if model.scores:
        raise UserError("interop.scores_elsewhere", target=target)
    if not isinstance(model.tokenizer, SentencePieceTokenizer):
        raise UserError("interop.tokenizer_elsewhere", target=target)
