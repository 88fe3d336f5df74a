"""Remove page furniture: page numbers, ruled lines, web addresses, notices of web sites."""

import re
from collections.abc import Iterable, Iterator

from modou.text.readers.file import Line
from modou.text.report import RuleReport

_LONGEST = 100
_PAGE = re.compile(
    r"[-—–·•~\[\]（(【《<]*\s*(?:第\s*|page\s+|p\.\s*)?\d{1,4}\s*(?:页|頁)?(?:\s*(?:/|of|共)\s*\d{1,4}\s*(?:页|頁)?)?"
    r"\s*[-—–·•~\[\]）)】》>]*",
    re.IGNORECASE,
)
_RULE = re.compile(r"(?:[-—–_=*＊·•~～#+※☆★◆◇■□●○◎═─━]\s*){3,}")
_ADDRESS = re.compile(r"https?://|\bwww\.|\b[a-z0-9-]+\.(?:com|net|org|cn|cc|info|tw|me|xyz)\b", re.IGNORECASE)
_NOTICE = re.compile(
    r"[（(【\[「]?\s*(?:本章完|未完待续|未完待續|全书完|全書完|全文完|待续|本章未完"
    r"|请?点击下一页.*|上一[页章].*下一[页章].*"
    r"|(?:请|記住|记住|收藏|欢迎|歡迎|更多|最新|手机用户|手機用戶|本书由|本書由|本书来自|本書來自|电子书|电子書|TXT).{0,40}"
    r"(?:本站|网站|網站|阅读|閱讀|下载|下載|收藏|首发|首發|制作|整理|论坛|論壇)[^，。]{0,20})"
    r"\s*[）)】\]」]?[。.!！…]*",
    re.IGNORECASE,
)


def _is_furniture(line: str) -> bool:
    text = line.strip()
    if not text or len(text) > _LONGEST:
        return False
    return bool(_PAGE.fullmatch(text) or _RULE.fullmatch(text) or _NOTICE.fullmatch(text) or _is_address_line(text))


def _is_address_line(text: str) -> bool:
    """Whether a line is little more than a web address."""
    found = _ADDRESS.search(text)
    return bool(found) and (len(text) <= 40 or len(text.split()) <= 4) and not text.endswith(("。", "”", '"'))


def apply(lines: Iterable[Line], tally: RuleReport) -> Iterator[Line]:
    """Lines without furniture; no blank line is left, so that a paragraph continues across a page break."""
    for line in lines:
        if isinstance(line, str) and _is_furniture(line) and not tally.keeps(line):
            tally.touch(line.strip())
        else:
            yield line
