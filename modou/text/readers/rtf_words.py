"""Control words and code pages of the Rich Text Format, by the specification (RTF 1.9.1)."""

import codecs

CHARACTERS = {
    "tab": "\t",
    "emdash": "\u2014",
    "endash": "\u2013",
    "emspace": "\u2003",
    "enspace": "\u2002",
    "qmspace": "\u2005",
    "bullet": "\u2022",
    "lquote": "\u2018",
    "rquote": "\u2019",
    "ldblquote": "\u201c",
    "rdblquote": "\u201d",
    "zwj": "\u200d",
    "zwnj": "\u200c",
}
"""Words that are characters."""

ASIDE = {
    "footnote": "note",
    "annotation": "comment",
    "info": "metadata",
    **dict.fromkeys(("header", "headerl", "headerr", "headerf"), "running_head"),
    **dict.fromkeys(("footer", "footerl", "footerr", "footerf"), "running_head"),
    **dict.fromkeys(("fldinst", "xe", "tc", "txe", "rxe"), "field"),
    **dict.fromkeys(("listtext", "pntext"), "list_mark"),
}
"""Destinations whose text is not that of the document, and its kind."""

IGNORED = frozenset(
    """aftncn aftnsep aftnsepc bkmkend bkmkstart colortbl datastore filetbl ftncn ftnsep ftnsepc generator latentstyles
    listoverridetable listtable nonshppict objdata pgptbl pict private revtbl rsidtbl shppict shprslt sp template
    themedata upr xmlnstbl""".split()  # noqa: SIM905
)
"""Destinations that hold no text, or the same once more."""

KNOWN = frozenset(("annotation", "fldinst", "shpinst", "shptxt", "ud", "nesttableprops", "footnote"))
"""Destinations that are read although other readers may ignore them."""

_CHARSETS = {
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "gb18030",
    136: "cp950",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    255: "cp850",
}
_PAGES = {936: "gb18030", 1361: "johab", 10000: "mac_roman", 65001: "utf-8"}


def codec_of(word: str, number: int) -> str | None:
    """The codec that a word names; None: the one of the document, or an unknown one."""
    if word == "fcharset":
        return _CHARSETS.get(number)
    name = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}.get(word) or _PAGES.get(number, f"cp{number}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return None
