"""Recognise notices of web sites, and the words of authors to their readers, by the phrases they consist of."""

import re
import unicodedata

from modou.text.notice_phrases import (
    ADDRESS_HINTS,
    AUTHOR_HINTS,
    AUTHORS,
    CALLS,
    CHINESE,
    COPIED,
    ENGLISH,
    NOTICE_HINTS,
    TELLER,
)

_LONGEST = 250
_DOMAIN = r"(?:com|net|org|cn|cc|info|tw|me|xyz|la|io|top|vip|example)"
_HIDDEN_DOT = r"(?:点|。|\[\.\]|\(\.\)|[\[(]dot[\])])"
_ADDRESS = re.compile(
    r"https?://\S+|\bwww(?:\.|点|。)\S+|w-w-w\S*"
    rf"|(?<![a-z0-9])[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*(?:\.{_DOMAIN}|{_HIDDEN_DOT}(?:com|net|org|cn|cc))(?![a-z])\S*"
)
_NAMED = re.compile(r"(?:网址|地址|域名):?$")
_SENTENCE = re.compile(r"[。!?]|.{21}")
_IDEOGRAPH = re.compile("[\u3400-\u9fff]")
_SIMPLE = str.maketrans(
    "請記書網頁機閱讀歡點錄說薦訂賞謝續無彈號論壇節報錯內載動來將親終電",
    "请记书网页机阅读欢点录说荐订赏谢续无弹号论坛节报错内载动来将亲终电",
)
_NOTICE = re.compile("|".join((*CHINESE, *ENGLISH)))
_AUTHOR = re.compile("|".join(AUTHORS))
_CALL = re.compile(CALLS)
_COPIED = [re.compile(sign) for sign in COPIED]
_TELLER = re.compile(TELLER)
_BRACKETS = re.compile(r"^[(\[【「『<*~\s]+|[)\]】」』>*~\s]+$")
_QUOTES = tuple("“”‘’「『\"'—")


def folded(line: str) -> str:
    """A line in compatibility form and small letters; in Chinese without white space and with simplified characters."""
    text = unicodedata.normalize("NFKC", line.strip()).casefold()
    if _IDEOGRAPH.search(text):
        return "".join(text.split()).translate(_SIMPLE)
    return " ".join(text.split())


def _bare(line: str, hints: re.Pattern[str]) -> str | None:
    """The folded line without enclosing brackets, or None if it cannot be a notice."""
    if not 2 <= len(line) <= _LONGEST or not hints.search(line.lower()) or line.lstrip().startswith(_QUOTES):
        return None
    return _BRACKETS.sub("", folded(line))


def is_notice(line: str) -> bool:
    """Whether a line as a whole is a notice of a site."""
    text = _bare(line, NOTICE_HINTS)
    if not text:
        return False
    address = _ADDRESS.search(text)
    named = address and not _SENTENCE.search(text, 0, address.start()) and _NAMED.search(text, 0, address.start())
    if named or (address and _CALL.match(text)) or _NOTICE.fullmatch(text):
        return True
    return sum(bool(sign.search(text)) for sign in _COPIED) >= 3 and not _TELLER.search(text)


def is_address(line: str) -> bool:
    """Whether a line is little more than a web address."""
    if not 4 <= len(line) <= 100 or not ADDRESS_HINTS.search(line.lower()):
        return False
    text = folded(line)
    found = _ADDRESS.search(text)
    if not found or text.endswith(("。", "”", '"')):
        return False
    rest = text[: found.start()] + text[found.end() :]
    return sum(map(str.isalnum, rest)) <= 10 and not (text.endswith((".", "!", "?")) and " " in rest.strip())


def is_authors(line: str) -> bool:
    """Whether a line as a whole is what an author or translator tells the readers, or marks an end."""
    text = _bare(line, AUTHOR_HINTS)
    return bool(text and _AUTHOR.fullmatch(text))
