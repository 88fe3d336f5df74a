"""Convert traditional to simplified characters with OpenCC."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import cast

from modou.messages import UserError
from modou.text.report import RuleReport


@cache
def converter() -> Callable[[str], str]:
    """A function from traditional to simplified text. UserError: OpenCC is not installed."""
    try:
        opencc = import_module("opencc")
    except ImportError:
        raise UserError("text.opencc_missing") from None
    return cast(Callable[[str], str], opencc.OpenCC("t2s").convert)


def apply(sentence: str, tally: RuleReport) -> str:
    """The simplified sentence. UserError: OpenCC is not installed."""
    after = converter()(sentence)
    if after != sentence:
        changed = [(a, b) for a, b in zip(sentence, after, strict=False) if a != b]
        tally.touch("", times=len(changed), example=" ".join(f"{a}→{b}" for a, b in changed[:6]))
        tally.characters += len(changed)
        tally.added += max(0, len(after) - len(sentence))
        tally.removed += max(0, len(sentence) - len(after))
    return after
