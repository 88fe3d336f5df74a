"""What the documents say of the code is so: paths, names, options, commands, links, the picture of its packages."""

import ast
import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import names_page
import pytest

from modou.cli import arguments
from modou.cli.table import COMMANDS
from modou.runs.folder import RunFolder

ROOT = Path(__file__).parent.parent
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
PAGES = [*READMES, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOW = [page for page in PAGES if page.parent.name != "experiments"]
"""Experiments quote commands as they were run; docs/experiments/README.md says what has another name today."""
ARCHITECTURE = [ROOT / "docs" / name for name in ("architecture.md", "architecture.zh-CN.md")]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_exist(page: Path) -> None:
    """Those of the repository's own folders. A name in capitals is one to choose."""
    found = re.findall(r"(?<![\w./~-])((?:modou|tests|benchmarks|docs)/[\w./*-]*\w/?)", read(page))
    wanted = [path for path in found if not re.search(r"\b[A-Z]{2,}\b", path)]
    assert [path for path in wanted if not list(ROOT.glob(path.removesuffix("/")))] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    lost: list[str] = []
    for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            lost.append(target)
    assert lost == []


@cache
def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub links them."""
    headings = re.findall(r"^#+ (.+)$", read(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_in_modules_exist(page: Path) -> None:
    text = read(page)
    wanted = set(re.findall(r"(?<![\w./])modou(?:\.[a-zA-Z_]\w*)+", text))
    for module, names in re.findall(r"^from (modou[\w.]*) import ([\w, ]+)$", text, flags=re.MULTILINE):
        wanted |= {f"{module}.{name.strip()}" for name in names.split(",")}
    assert [name for name in sorted(wanted) if not is_there(name)] == []


def is_there(dotted: str) -> bool:
    """Whether it is a module, or stands in one."""
    try:
        importlib.import_module(dotted)
        return True
    except ModuleNotFoundError:
        module, _, name = dotted.rpartition(".")
        return bool(module) and is_there(module) and hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("page", NOW, ids=name_of)
def test_commands_and_options_are_known(page: Path) -> None:
    text = read(page)
    for block in blocks(text, "sh"):
        for line in (line.split(" #")[0] for line in block.splitlines() if line.startswith("modou ")):
            command, *words = shlex.split(line)[1:]
            arguments.parse(command, words)
    assert set(told(text)) - {flag for command in COMMANDS for flag in flags(command)} == set()
    for command, rest in re.findall(r"`modou ([a-z]+)\b([^`]*)`", text):
        assert command in COMMANDS and set(re.findall(r"--[a-z]\S*", rest)) <= flags(command), f"{command}{rest}"


def flags(command: str) -> set[str]:
    return {flag for option in arguments.options(command) for flag in option.flags}


def told(text: str) -> Iterator[str]:
    """Options of settings, anywhere in a text; a switch may be told as it is turned off."""
    for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*\.[a-z_]*[a-z]", text):
        yield flag.replace("--no-", "--")


def imports() -> dict[str, set[str]]:
    """The packages of modou, and what each imports from the others, at any place in its code."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "modou").rglob("*.py"):
        own = path.relative_to(ROOT / "modou").with_suffix("").parts[0]
        if not own.startswith("__"):  # what is imported to begin with, and what programs are given
            others = {name.split(".")[1] for name in imported(read(path)) if name.startswith("modou.")}
            found.setdefault(own, set()).update(others - {own})
    return found


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def without_implied(graph: dict[str, set[str]]) -> set[tuple[str, str]]:
    """The arrows that do not follow from others."""

    def reached(start: str) -> set[str]:
        return graph.get(start, set()).union(*map(reached, graph.get(start, ())))

    return {
        (start, end)
        for start, ends in graph.items()
        for end in ends
        if not any(end in reached(other) for other in ends - {end})
    }


def drawn(page: Path) -> set[tuple[str, str]]:
    """The arrows of the picture."""
    (picture,) = blocks(read(page), "mermaid")
    lines = re.findall(r"^ +(\w+) --> (.+)$", picture, flags=re.MULTILINE)
    return {(start, end.strip()) for start, ends in lines for end in ends.split("&")}


@pytest.mark.parametrize("page", ARCHITECTURE, ids=name_of)
def test_the_picture_of_the_packages_is_that_of_the_imports(page: Path) -> None:
    contract = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
    layers = [layer.removeprefix("modou.") for layer in contract["layers"]]
    arrows = drawn(page)
    assert sorted(arrows) == sorted(without_implied(imports()))
    assert all(layers.index(start) < layers.index(end) for start, end in arrows)
    assert {end for arrow in arrows for end in arrow} == set(layers)
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]*) \|", read(page), flags=re.MULTILINE))))
    assert set(layers) | {"presets"} <= named


def test_both_pages_of_architecture_name_the_same_files() -> None:
    english, chinese = (re.findall(r"(?:modou|tests)/[\w./]+", read(page)) for page in ARCHITECTURE)
    assert english == chinese


@pytest.mark.parametrize("page", READMES, ids=name_of)
def test_the_readme_shows_what_lies_in_a_run_folder(page: Path) -> None:
    (picture,) = (block for block in blocks(read(page), "text") if "settings.toml" in block)
    places = [path for path in vars(RunFolder(Path("run"))).values() if len(path.parts) > 1]
    assert set(re.findall(r"(?<![\w.-])[a-z]+(?:\.\w+|(?=/))", picture)) == {path.parts[1] for path in places}


def test_the_tables_of_names_are_those_of_the_dataclasses() -> None:
    text = read(names_page.PAGE)
    assert names_page.page(text) == text, "python tests/names_page.py makes them anew"
