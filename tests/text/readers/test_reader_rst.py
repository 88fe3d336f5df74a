"""reStructuredText: titles are headings, marks are gone."""

from hypothesis import given, settings
from hypothesis import strategies as st
from reader_helpers import Read, read

from modou.text.report import visible


def rst(text: str) -> Read:
    """The text, read."""
    return read(text.encode(), "book.rst")


TEXT = r"""
=========
 The Dam
=========

:Author: Pia
:Date: 1931

.. contents:: Here
   :depth: 2
.. _top: http://x.y

One
---

Pia **held** the *rope* [1]_, and ``waited`` by `the gate <http://x.y>`_ or gate_;
see :ref:`her notes <notes>`, |name| and 2 \* 3 * 4. snake_case_word stays::

    # not a heading
    ----------------
    x = **kept**

.. note:: Mind
   the :emphasis:`step`.

.. code-block:: python
   :linenos:

   def fall():
       return 1

- one brick
* two

1. Open the door.

| a rope
|   a bell

+-----+------+
| day | logs |
+=====+======+
| Mon | 12   |
+-----+------+

..
   A remark
   of two lines.

.. [1] Of hemp,
   from Riga.
.. |name| replace:: Dam
.. image:: dam.png

----

堤の夜
======

End.
"""


def test_a_text_with_every_mark() -> None:
    found = rst(TEXT)
    assert found.shape == [
        "# The Dam",
        "# One",
        "Pia held the rope, and waited by the gate or gate; see her notes, name and 2 * 3 * 4. snake_case_word stays:",
        "    # not a heading",
        "    ----------------",
        "    x = **kept**",
        "Mind",
        "the step.",
        "   def fall():",
        "       return 1",
        "one brick",
        "two",
        "1. Open the door.",
        "a rope",
        "  a bell",
        "day\tlogs",
        "Mon\t12",
        "# 堤の夜",
        "End.",
    ]
    assert found.kinds == {"metadata": 2, "directive": 7, "note_mark": 1, "note": 1, "comment": 1}


def test_a_paragraph_over_a_rule_is_no_title() -> None:
    assert rst("First line\nof two\n------\n\nMore.\n").headings == []


def test_wrapped_lines_are_joined() -> None:
    text = """The dam had been built of the stones of the old mill, and in the spring
one could hear it from the church.

1. Pia opened the first of the gates, the one that nobody had touched since
   the flood.
2. She waited.

Term
    Short."""
    assert rst(text).texts == [
        "The dam had been built of the stones of the old mill, and in the spring one could hear it from the church.",
        "1. Pia opened the first of the gates, the one that nobody had touched since the flood.",
        "2. She waited.",
        "Term",
        "    Short.",
    ]


def test_many_lines_and_a_long_one() -> None:
    assert len(rst("One line.\n" * 30_000).texts) == 30_000
    assert rst("word " * 20 + "\n" + ("word " * 20 + "\n") * 20_000).characters == 4 * 20 * 20_001
    assert rst("*" * 200_000 + "a").characters == 200_001


def test_a_title_at_the_end() -> None:
    assert rst("Text.\n\nLast\n====").shape == ["Text.", "# Last"]


WORDS = st.text(st.characters(categories=("L", "Nd"), codec="utf-8"), min_size=1)
WRITTEN = {
    "title": "{}\n========================================================================\n\n",
    "strong": "**{}** *x*\n\n",
    "literal": "``{}``\n\n",
    "item": "- {}\n\n",
    "comment": ".. {}\n\n",
    "note": ".. [1] {}\n\n",
    "block": "x::\n\n   {}\n\n",
}


@given(st.lists(st.tuples(st.sampled_from(sorted(WRITTEN)), WORDS), max_size=8))
@settings(max_examples=40, deadline=None)
def test_every_character_is_passed_on_or_set_aside(pieces: list[tuple[str, str]]) -> None:
    found = rst("x\n\n" + "".join(WRITTEN[kind].format(word) for kind, word in pieces))
    extra = {"strong": 1, "note": 3, "block": 2}
    total = 1 + sum(visible(word) + extra.get(kind, 0) for kind, word in pieces)
    assert found.characters + found.reading.set_aside.removed == total
