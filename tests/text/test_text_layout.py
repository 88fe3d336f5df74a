"""Where lines are units they stay lines; prose is cut into sentences; the choice is told."""

from pathlib import Path

import pytest

from modou.settings.text import CleanSettings
from modou.text.corpus import PARTS, Corpus, prepare
from modou.text.readers.book import TextBook, read_book

PLAY = """INT. BAKERY - DAWN

Flour hangs in the light. MARTA kneads. The door opens.

MARTA
You are late. The oven waits for nobody.

OLIN
(out of breath)
The river took the bridge.

EXT. RIVER - DAY

Planks drift past. Nobody speaks.

OLIN
There goes the mill. And the goat.

MARTA
Not the goat!
"""
RECIPE = """Pear cake

2 pears
200 g flour
1 egg

1. Peel the pears. Cut them.
2. Stir flour and egg.
3. Bake for forty minutes. Let it rest.

Onion soup

4 onions
1 l water

1. Slice the onions.
2. Fry them slowly. Do not hurry.
3. Pour the water on.
"""
POEM = """The kettle sings, the kettle sleeps,
A moth goes round. The window weeps
And nobody has come to stay;
The clock has given noon away.

I had a coat. I had a key,
A field of rye that looked at me,
And where it went I cannot say,
The crows have carried it away.

So pour the tea. The tea is cold.
The kettle knows what it was told,
And tells it to the moth at night
Who goes around and round the light.
"""
CHAT = "".join(
    f"{who}: {said}\n"
    for n in range(12)
    for who, said in (("阿青", f"第{n}口井看了吗？水很清。"), ("小黄", "看了。没有豆子。"))
)
LOG = "".join(
    f"2031-05-{day:02d} 07:1{n}:00 pump {n} started. Pressure {day * n} ok.\n" for day in range(1, 9) for n in range(4)
)
CODE = """import math


class Well:
    def __init__(self, depth):
        self.depth = depth

    def fall(self, g=9.81):
        return math.sqrt(2 * self.depth / g)


for depth in (5, 10, 20):
    well = Well(depth)
    if well.fall() > 1:
        print(depth, well.fall())
"""
PROSE = (
    "第一天夜里下了雨。豆子落在井边，阿青没有看见！\n“你来得太晚了。”小黄说。他坐下了。\n天亮以后，藤爬上了墙。\n" * 8
)
STORY = "\n\n".join(
    f"The {n}th morning was grey. Nobody went out before noon, and the dog slept on." for n in range(12)
)
WRAPPED = (
    """The river had been rising all week and nobody in the village could
remember such a spring. They carried the chairs upstairs. Then they
carried the table, and after the table the old clock which had not
worked since the war.

"""
    * 6
)


def corpus_of(text: str, folder: Path, **settings: object) -> tuple[Corpus, str]:
    """The corpus, and its text as a whole."""
    path = folder / "book.txt"
    path.write_text(text, encoding="utf-8", newline="")
    corpus = prepare(read_book(path), folder / "run", CleanSettings.parse(settings))
    return corpus, (corpus.folder / "cleaned.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [PLAY, RECIPE, POEM, CHAT, LOG], ids=["play", "recipe", "poem", "chat", "log"])
def test_lines_that_are_units_stay(text: str, tmp_path: Path) -> None:
    corpus, cleaned = corpus_of(text * 3, tmp_path)
    assert cleaned.strip() == (text * 3).strip()
    assert [file.layout for file in corpus.report.files] == ["lines"]
    assert [item["key"] for item in corpus.report.notes].count("text.note_layout_lines") == 1
    assert "\n".join("\n".join(corpus.texts(part)) for part in PARTS).split() == (text * 3).split()


DOCUMENTED = """class Oven:
    \'\'\'An oven. It waits for nobody.\'\'\'

    def heat(self, pears):
        # Warm it first. Then wait.
        for pear in pears:
            yield pear

"""
SHELL = """#!/bin/sh
for pear in *.txt; do
    cat "$pear"
    cp "$pear" oven/
done
if [ -f key ]; then
    rm key
fi

"""


@pytest.mark.parametrize("code", [DOCUMENTED, SHELL], ids=["documented", "shell"])
def test_the_lines_of_a_block_of_code_are_code(code: str, tmp_path: Path) -> None:
    corpus, cleaned = corpus_of(code * 5, tmp_path)
    assert cleaned == code * 5
    assert corpus.report.files[0].layout == "exact"


def test_what_terminals_obey_makes_no_file_binary(tmp_path: Path) -> None:
    line = "\x1b]0;mill\x07\x1b[32mThe wheel turned\x1b[0m {} times.\x08"
    _, cleaned = corpus_of("\n".join(line.format(n) for n in range(40)), tmp_path)
    assert cleaned.strip().split("\n") == [f"The wheel turned {n} times." for n in range(40)]


def test_equal_lines_are_verse_though_each_ends_a_sentence(tmp_path: Path) -> None:
    poem = "{}\n\n磨声停晚照，藤影上空墙。\n{}字随灯落，一秋逐雁长。\n客来无好酒，豆熟有余香。\n\n"
    text = "".join(poem.format(f"井边{one}", one) for one in "一二三四五六七八九十")
    corpus, cleaned = corpus_of(text, tmp_path)
    assert cleaned.strip() == text.strip()
    assert corpus.report.files[0].layout == "lines"


def test_a_refrain_is_no_repeated_chapter(tmp_path: Path) -> None:
    song = "豆子落在井边\n第{}个夜晚\n\n啊 天亮以后\n啊 藤爬上墙头\n等你回来\n\n"
    text = "".join(song.format(one) for one in "一二三四五六七八九十")
    _, cleaned = corpus_of(text, tmp_path)
    assert cleaned.strip() == text.strip()


@pytest.mark.parametrize("line", ["<{name}> {text}", "{name}:\n{text}\n", "{name}：{text}"])
def test_what_several_people_say_stays_in_lines(line: str, tmp_path: Path) -> None:
    said = ["The oven waits. It waits for nobody.", "Not the goat! Anything else.", "Who took the key? It was here."]
    text = "\n".join(line.format(name=("Marta", "Olin", "Bea")[n % 3], text=said[n * n % 3]) for n in range(30))
    _, cleaned = corpus_of(text, tmp_path)
    assert cleaned.strip() == text.strip()


def test_numbered_verses_stay_whole(tmp_path: Path) -> None:
    text = "\n".join(
        f"{n} The river rose. Nobody crossed it on day {n * 7}, and the goat stood on the roof." for n in range(1, 31)
    )
    _, cleaned = corpus_of(text, tmp_path)
    assert cleaned.strip() == text


def test_code_stays_to_the_character(tmp_path: Path) -> None:
    _, cleaned = corpus_of(CODE * 2, tmp_path)
    assert cleaned == CODE * 2
    compile(cleaned, "book.txt", "exec")


@pytest.mark.parametrize("text", [PROSE, STORY, WRAPPED], ids=["dialogue", "paragraphs", "wrapped"])
def test_prose_is_cut_into_sentences(text: str, tmp_path: Path) -> None:
    corpus, cleaned = corpus_of(text, tmp_path)
    assert [file.layout for file in corpus.report.files] == ["prose"]
    assert "\n他坐下了。\n" in cleaned or "\nNobody went" in cleaned or "\nThey carried the chairs" in cleaned


def test_the_layout_can_be_set(tmp_path: Path) -> None:
    _, as_prose = corpus_of(POEM, tmp_path, layout="prose")
    assert "\nThe window weeps" in as_prose and "\n\n" not in as_prose
    _, exact = corpus_of("  " + STORY, tmp_path, layout="exact")
    assert exact == "  " + STORY + "\n"


def test_a_long_line_is_divided_between_parts_and_nowhere_else(tmp_path: Path) -> None:
    text = "acgt" * 9_000
    corpus = prepare(TextBook("dna", lambda: iter((text,))), tmp_path)
    assert (tmp_path / "cleaned.txt").read_text(encoding="utf-8") == text + "\n"
    assert {unit.part for unit in corpus.units} == set(PARTS)
    assert sum(corpus.characters(part) for part in PARTS) == len(text)
