"""Convert traditional to simplified characters with OpenCC."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from itertools import zip_longest
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
        changed = [at for at, (a, b) in enumerate(zip_longest(sentence, after)) if a != b]
        before, now = ("".join(text[at : at + 1] for at in changed) for text in (sentence, after))
        near = slice(max(0, changed[0] - 10), changed[0] + 20)
        tally.touch(before, now, times=len(changed), example=(sentence[near], after[near]))
    return after
