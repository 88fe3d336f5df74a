"""Markdown: its marks are gone, its headings are kept."""

import html

from hypothesis import given, settings
from hypothesis import strategies as st
from reader_helpers import Read, read

from modou.text.report import visible


def md(text: str) -> Read:
    """The text, read."""
    return read(text.encode(), "book.md")


TEXT = """---
title: The Kiln
tags: [clay, fire]
---

# The *Kiln*

Noa **lit** the kiln[^1] at _six_,
and `waited` — see [the map](http://x.y/z "t") or [her notes][n].\\
Then &mdash; smoke.

Second part
-----------

> “Too hot,” said Ren.
> Nobody moved.

- one brick
- two
  bricks

3. Open the door.
4) Close it.

| day | pots |
|-----|-----:|
| Mon | 12   |

![a kiln](kiln.png) <b>Warm</b><br>ash. 2 * 3 * 4 <!-- no --> <ruby>窯<rt>かま</rt></ruby>

```python
# not a heading
def fire():

    return 1
```

***

### 窯の火 ###

[n]: notes.html
[^1]: Built of brick.
    In spring.

The end.
It was a sentence, not a heading.
---
"""


def test_a_text_with_every_mark() -> None:
    found = md(TEXT)
    assert found.shape == [
        "# The Kiln",
        "Noa lit the kiln at six,",
        "and waited — see the map or her notes.",
        "Then — smoke.",
        "# Second part",
        "“Too hot,” said Ren.",
        "Nobody moved.",
        "one brick",
        "two",
        "bricks",
        "3. Open the door.",
        "4) Close it.",
        "day\tpots",
        "Mon\t12",
        "Warm",
        "ash. 2 * 3 * 4 窯",
        "# not a heading",
        "def fire():",
        "    return 1",
        "# 窯の火",
        "The end.",
        "It was a sentence, not a heading.",
    ]
    assert found.headings == ["The Kiln", "Second part", "窯の火"]
    assert found.kinds == {"metadata": 1, "note_mark": 1, "note": 2, "alternative": 1, "comment": 1, "ruby": 1}


def test_a_line_at_the_front_need_not_be_metadata() -> None:
    assert md("---\nIt rained all day\n---\nand all night.").shape == ["# It rained all day", "and all night."]
    assert md("---\n\nIt rained.").texts == ["It rained."]


def test_wrapped_lines_are_joined_and_verse_is_not() -> None:
    wrapped = """Nobody at the kiln had slept since the wind turned, and **the** wood was
running out. Noa went down to the shed where the last of the birch was kept and
brought it up.

a rope of hay,
a bell of clay

窑火烧了整整一夜，谁也没有合眼，柴也快要烧完了，诺亚只好下到
棚子里去，把最后一点桦木搬上来。

雨停了。
她推开门。"""
    assert md(wrapped).texts == [
        "Nobody at the kiln had slept since the wind turned, and the wood was running out. Noa went down to the shed "
        "where the last of the birch was kept and brought it up.",
        "a rope of hay,",
        "a bell of clay",
        "窑火烧了整整一夜，谁也没有合眼，柴也快要烧完了，诺亚只好下到棚子里去，把最后一点桦木搬上来。",
        "雨停了。",
        "她推开门。",
    ]


def test_links_that_are_defined_at_the_end_of_a_long_text() -> None:
    text = "See [her notes][n] first.\n\n" + "The kiln burned for a night and a day.\n\n" * 3000 + "[n]: notes.html\n"
    found = md(text)
    assert found.texts[0] == "See her notes first." and len(found.texts) == 3001


def test_a_long_stretch_in_a_fence_is_not_cut() -> None:
    found = md("```\n" + "# x = [1]\n\n" * 20_000 + "```\n# End\n")
    assert found.headings == ["End"] and len(found.texts) == 20_000


def test_brackets_without_end_take_no_time() -> None:
    text = "![" * 200_000
    assert "".join(md(text).texts) == text


def test_html_that_is_named_markdown_and_the_other_way() -> None:
    assert md("<div>\n<h2>One</h2>\n<p>The kiln.</p>\n</div>").shape == ["# One", "The kiln."]
    assert read(b"# One\n\nThe *kiln*.", "book.txt").texts == ["# One", "The *kiln*."]


WORDS = st.text(st.characters(categories=("L", "Nd"), codec="utf-8"), min_size=1)
WRITTEN = {
    "heading": "## {}\n\n",
    "emphasis": "**{}** *x*\n\n",
    "link": "[{}](y)\n\n",
    "item": "- {}\n\n",
    "code": "```\n{}\n```\n\n",
    "quote": "> {}\n\n",
    "picture": "![{}](y)\n\n",
    "html": "<div>{}</div>\n\n",
}


@given(st.lists(st.tuples(st.sampled_from(sorted(WRITTEN)), WORDS), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_every_character_is_passed_on_or_set_aside(pieces: list[tuple[str, str]]) -> None:
    found = md("x\n\n" + "".join(WRITTEN[kind].format(html.escape(word)) for kind, word in pieces))
    total = 1 + sum(visible(word) + (kind == "emphasis") for kind, word in pieces)
    assert found.characters + found.reading.set_aside.removed == total
