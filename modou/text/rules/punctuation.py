"""Replace half-width punctuation between Chinese characters by full-width punctuation."""

import re

from modou.text.examples import around
from modou.text.report import RuleReport

_IDEOGRAPH = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_BEFORE = rf"(?<=[{_IDEOGRAPH}”’」』）》】].)"
"""What stands before the mark's first character."""
_AFTER = rf"(?=[{_IDEOGRAPH}“”‘’「」『』（）《》【】。，、；：？！…—\"']|\s*$)"
_HALF = re.compile(rf"[,.?!:;．｡､]{_BEFORE}(?:(?<=\.)\.{{2,}}|(?<=[?!])[?!]+|){_AFTER}")
_FULL = {",": "，", ".": "。", "?": "？", "!": "！", ":": "：", ";": "；", "．": "。", "｡": "。", "､": "、"}


def apply(sentence: str, tally: RuleReport) -> str:
    """The sentence with full-width punctuation."""

    def full(found: re.Match[str]) -> str:
        mark = found.group()
        wide = "……" if mark.startswith("..") else "".join(_FULL[char] for char in mark)
        tally.touch(mark, wide, example=around(sentence, *found.span(), wide))
        return wide

    return _HALF.sub(full, sentence)
