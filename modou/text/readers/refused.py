"""Files of kinds that are not read: each is refused by name, with what to do."""

import re
from collections.abc import Iterator

from modou.messages import UserError
from modou.text.readers import archive
from modou.text.readers.file import File, Line, Reading

LAYOUT = None
_MARKS: tuple[tuple[str, int, bytes], ...] = (
    ("kindle", 60, b"BOOKMOBI"),
    ("kindle", 60, b"TEXtREAd"),
    ("kindle", 0, b"TPZ"),
    ("kindle", 0, b"\xeaDRMION\xee"),
    ("kindle", 0, b"CONT\x02\x00"),
    ("old_book", 0, b"ITOLITLS"),
    ("old_book", 0, b"ITSF\x03\x00"),
    ("scanned", 0, b"AT&TFORM"),
    ("picture", 0, b"\x89PNG\r\n\x1a\n"),
    ("picture", 0, b"\xff\xd8\xff"),
    ("picture", 0, b"GIF87a"),
    ("picture", 0, b"GIF89a"),
    ("picture", 8, b"WEBP"),
    ("picture", 0, b"II*\x00"),
    ("picture", 0, b"MM\x00*"),
    ("picture", 0, b"8BPS"),
    ("sound", 0, b"ID3"),
    ("sound", 0, b"OggS\x00"),
    ("sound", 0, b"fLaC\x00"),
    ("sound", 8, b"WAVEfmt "),
    ("sound", 0, b"#!AMR"),
    ("video", 0, b"\x1aE\xdf\xa3"),
    ("video", 8, b"AVI LIST"),
    ("video", 0, b"FLV\x01"),
    ("video", 0, b"\x00\x00\x01\xba"),
    ("video", 0, b"0&\xb2u\x8ef\xcf\x11"),
    ("packed", 0, b"Rar!\x1a\x07"),
    ("packed", 0, b"7z\xbc\xaf\x27\x1c"),
    ("packed", 257, b"ustar"),
    ("packed", 0, b"MSCF\x00\x00\x00\x00"),
    ("program", 0, b"\x7fELF"),
    ("program", 0, b"\xcf\xfa\xed\xfe"),
    ("program", 0, b"\xca\xfe\xba\xbe"),
    ("program", 0, b"\x00asm\x01\x00"),
    ("program", 0, b"!<arch>\n"),
    ("database", 0, b"SQLite format 3\x00"),
    ("database", 4, b"Standard Jet DB"),
    ("database", 4, b"Standard ACE DB"),
    ("font", 0, b"OTTO\x00"),
    ("font", 0, b"\x00\x01\x00\x00\x00"),
    ("font", 0, b"ttcf\x00"),
    ("font", 0, b"wOFF"),
    ("font", 0, b"wOF2"),
    ("arrays", 0, b"\x93NUMPY"),
    ("arrays", 0, b"GGUF"),
    ("arrays", 0, b"\x89HDF\r\n\x1a\n"),
    ("arrays", 0, b"\x80\x02"),
    ("arrays", 0, b"\x80\x03"),
    ("arrays", 0, b"\x80\x04\x95"),
    ("arrays", 0, b"\x80\x05\x95"),
)
"""Kind, place and bytes there."""
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BRANDS = {b"hei": "picture", b"mif": "picture", b"avi": "picture", b"M4A": "sound", b"M4B": "sound"}
"""Brands of the ISO container; others are video."""
_NAMES = {
    "kindle": ".mobi .azw .azw3 .azw4 .kfx .prc .pdb",
    "old_book": ".lit .chm .lrf .snb .umd .tcr .rb",
    "scanned": ".djvu .djv",
    "slides": ".ppt .pps",
    "sheet": ".xls",
    "picture": ".jpg .jpeg .png .gif .webp .tif .tiff .heic .heif .bmp .ico .psd .avif .jp2",
    "sound": ".mp3 .m4a .wav .ogg .flac .aac .wma .opus .amr .mid",
    "video": ".mp4 .mkv .avi .mov .webm .wmv .flv .m4v .mpg .mpeg .ts .rmvb",
    "packed": ".rar .7z .tar .cab .iso .dmg .lzh .lz4 .z",
    "program": ".exe .dll .so .dylib .o .a .class .pyc .wasm .bin",
    "database": ".sqlite .sqlite3 .db .mdb .accdb .dbf",
    "font": ".ttf .otf .woff .woff2 .ttc",
    "arrays": ".npy .pt .pth .ckpt .safetensors .pickle .pkl .gguf .h5 .hdf5 .onnx .model",
}
_BY_NAME = {suffix: kind for kind, suffixes in _NAMES.items() for suffix in suffixes.split()}
_ZIPPED = (
    ("slides", re.compile(r"ppt/presentation\.xml|Index/Presentation\.iwa|index\.apxl")),
    ("sheet", re.compile(r"Index/Tables/.*|Index/CalculationEngine\.iwa|xl/workbook\.bin")),
    ("pages", re.compile(r"Index/Document\.iwa|Index\.zip|index\.xml\.gz")),
    ("arrays", re.compile(r"(?:.*/)?data\.pkl|.*\.npy")),
    ("program", re.compile(r"AndroidManifest\.xml|META-INF/MANIFEST\.MF")),
)
"""Members by which a zip archive is known."""
_DECLARED = {
    b"x-ibooks+zip": "ibooks",
    b"opendocument.presentation": "slides",
    b"opendocument.spreadsheet": "sheet",
    b"opendocument.graphics": "picture",
}
"""Words in the kind that an archive says it is."""


def recognises(file: File) -> bool:
    """By its first bytes, or by its name if it is not text."""
    return _kind(file) is not None


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """UserError: what the file is, and what to do."""
    raise UserError(f"text.refused_{_kind(file)}", path=file.name)


def _kind(file: File) -> str | None:
    head = file.head
    if head.startswith(b"PK\x03\x04"):
        return _zipped(file)
    if head.startswith(_OLE):
        return _compound(file)
    if file.suffix == ".svg" and b"<svg" in head:
        return "picture"
    if not _is_binary(head):
        return None
    for kind, place, mark in _MARKS:
        if head.startswith(mark, place):
            return kind
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:11], "video")
    if head.startswith(b"MZ"):
        return "program"
    if head[8:10] == b'{"' and file.suffix == ".safetensors":
        return "arrays"
    return _BY_NAME.get(file.suffix)


def _compound(file: File) -> str:
    """What a compound file of Microsoft holds: an old document, or a new one with a password."""
    if "EncryptedPackage".encode("utf-16-le") in file.head or file.suffix in (".docx", ".xlsx", ".pptx"):
        return "locked"
    return {".xls": "sheet", ".ppt": "slides", ".pps": "slides", ".msi": "program", ".msg": "mail"}.get(
        file.suffix, "word"
    )


def _zipped(file: File) -> str | None:
    with archive.opened(file) as found:
        names, declared = found.namelist(), archive.declared_kind(found)
    for word, kind in _DECLARED.items():
        if word in declared:
            return kind
    for kind, pattern in _ZIPPED:
        if any(pattern.fullmatch(name) for name in names):
            return kind
    return None


def _is_binary(head: bytes) -> bool:
    """Whether bytes cannot be text of any encoding that ASCII is part of, nor UTF-16 with a mark."""
    return b"\x00" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff"))
