"""The package of an EPUB: which pages, in which order, which of them are not text, and where chapters begin."""

import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from modou.messages import UserError
from modou.text.readers import archive
from modou.text.readers.file import File
from modou.text.readers.markup import attribute, elements, local, xml_tree

_LARGEST = 1 << 24
"""Bytes of a package document or table of contents, at most."""
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
"""Ways to obfuscate fonts: the text itself is not encrypted."""
_PAGES = ("application/xhtml+xml", "text/html", "text/x-oeb1-document", "application/xml", "text/xml")


@dataclass
class Item:
    """A page of the spine. `aside`: the kind of text, if it is not text to learn from; `title`: of the chapter that
    begins with the page; `anchors`: titles of chapters by the id of the element where they begin."""

    path: str
    aside: str = ""
    title: str = ""
    anchors: dict[str, str] = field(default_factory=dict[str, str])


class Package:
    """The package of a book. UserError: encrypted, or no package that can be read."""

    def __init__(self, book: zipfile.ZipFile, file: File) -> None:
        self._book, self._file = book, file
        self._members = {info.filename: info for info in book.infolist()}
        self._folded = {name.lower(): info for name, info in self._members.items()}
        self._refuse_encrypted()
        container = self._tree("META-INF/container.xml")
        roots = elements(container, "rootfile")
        path = roots[0].get("full-path", "") if roots else ""
        self._opf = self._tree(path)
        self._folder = posixpath.dirname(path)
        if not elements(self._opf, "spine"):
            raise UserError("text.broken_book", path=file.path)

    def member(self, path: str) -> zipfile.ZipInfo | None:
        """The member of a path; capital letters may differ."""
        return self._members.get(path) or self._folded.get(path.lower())

    def spine(self) -> list[Item]:
        """The pages in reading order."""
        manifest = {item.get("id"): item for item in elements(self._opf, "item")}
        front = [one for one in elements(self._opf, "reference") if one.get("type", "").lower() in ("cover", "toc")]
        covers = {self._path(one.get("href", "")) for one in front}
        items: dict[str, Item] = {}
        for reference in elements(self._opf, "itemref"):
            found = manifest.get(reference.get("idref"))
            if found is None or found.get("media-type", _PAGES[0]) not in _PAGES:
                continue
            item = Item(self._path(found.get("href", "")))
            if "nav" in found.get("properties", "").split() or item.path in covers:
                item.aside = "navigation"
            elif reference.get("linear") == "no":
                item.aside = "supplement"
            items.setdefault(item.path, item)
        for path, anchor, title in self._contents(manifest):
            item = items.get(path)
            if item and anchor:
                item.anchors.setdefault(anchor, title)
            elif item and not item.title:
                item.title = title
        return list(items.values())

    def _contents(self, manifest: dict[str | None, Any]) -> Iterator[tuple[str, str, str]]:
        """Page, id and title of every entry of the table of contents."""
        kinds = [item for item in manifest.values() if "nav" in item.get("properties", "").split()]
        kinds += [item for item in manifest.values() if item.get("media-type") == "application/x-dtbncx+xml"]
        for item in kinds[:1]:
            path = self._path(item.get("href", ""))
            if self.member(path) is None:
                return
            tree = self._tree(path)
            for place, title in [*_nav(tree), *_ncx(tree)]:
                target, _, anchor = place.partition("#")
                if title and target:
                    yield self._path(target, posixpath.dirname(path)), unquote(anchor), title

    def _path(self, reference: str, folder: str | None = None) -> str:
        """The path within the archive that a reference means; none leads out of it."""
        target = unquote(urlsplit(reference.partition("#")[0].replace("\\", "/")).path) if ":" not in reference else ""
        base = self._folder if folder is None else folder
        return posixpath.normpath(posixpath.join("/", base, target)).lstrip("/")

    def _tree(self, path: str) -> Any:
        info = self.member(path.lstrip("/"))
        if info is None or info.file_size > _LARGEST:
            raise UserError("text.broken_book", path=self._file.path)
        with self._file.readable(), archive.member_opener(self._book, info, f"{self._file.name}/{path}")() as stream:
            data = stream.read(_LARGEST)
        tree = xml_tree(data)
        if tree is None:
            raise UserError("text.broken_book", path=self._file.path)
        return tree

    def _refuse_encrypted(self) -> None:
        if self.member("META-INF/encryption.xml") is None:
            return
        methods = elements(self._tree("META-INF/encryption.xml"), "EncryptionMethod")
        if any(method.get("Algorithm") not in _FONTS for method in methods):
            raise UserError("text.drm", path=self._file.path)


def _title(element: Any) -> str:
    return " ".join(element.xpath("string()").split())


def _nav(tree: Any) -> Iterator[tuple[str, str]]:
    """Entries of a navigation document (EPUB 3)."""
    for nav in elements(tree, "nav"):
        kinds = attribute(nav, "type").split()
        if not kinds or "toc" in kinds:
            yield from ((link.get("href", ""), _title(link)) for link in elements(nav, "a"))


def _ncx(tree: Any) -> Iterator[tuple[str, str]]:
    """Entries of an NCX (EPUB 2)."""
    for point in elements(tree, "navPoint"):
        labels = [child for child in point if isinstance(child.tag, str) and local(child.tag) == "navLabel"]
        places = [child for child in point if isinstance(child.tag, str) and local(child.tag) == "content"]
        if labels and places:
            yield places[0].get("src", ""), _title(labels[0])
