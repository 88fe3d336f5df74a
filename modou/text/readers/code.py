"""Source code: every character as it is."""

from modou.text.readers import plain
from modou.text.readers.file import File

LAYOUT = "exact"
SUFFIXES = frozenset(
    """.asm .awk .bash .bat .bib .c .cc .cfg .clj .cljs .cmake .cmd .coffee .conf .cpp .cs .css .cu .cuh .cxx .d .dart
    .el .elm .erl .ex .exs .f .f90 .fish .fs .fsx .go .gradle .groovy .h .hh .hpp .hs .hxx .ini .ino .java .jl .js
    .jsx .kt .kts .less .lisp .ll .lua .m .mjs .ml .mli .mm .nim .nix .pas .php .pl .pm .properties .proto .ps1 .py
    .pyi .pyx .r .rb .rkt .rs .s .sass .scala .scm .scss .sh .sql .svelte .swift .sv .tcl .tex .tf .toml .ts .tsx
    .v .vb .vhd .vhdl .vim .vue .wat .yaml .yml .zig .zsh""".split()  # noqa: SIM905
)
_NAMES = frozenset(("makefile", "dockerfile", "cmakelists.txt", "rakefile", "gemfile", "justfile"))

lines = plain.lines


def recognises(file: File) -> bool:
    """By the name; what looks like code in a text of another name is known by its lines."""
    return file.suffix in SUFFIXES or file.name.lower().rpartition("/")[2] in _NAMES
