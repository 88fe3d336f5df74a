"""Regular Tang verse: poems, questions that ask for one, and rules that check one.

The rules are never used to train the reward model: they evaluate it.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from modou.corpora.named import TANG_POEMS, public_file
from modou.tasks.poems.rhyme import rhymes
from modou.tasks.poems.settings import SETTINGS, PoemSettings
from modou.text.readers.book import open_text
from modou.text.rules.simplify import converter

FORMS: Mapping[str, tuple[int, int]] = {"五绝": (4, 5), "七绝": (4, 7), "五律": (8, 5), "七律": (8, 7)}
"""Number of lines, and of characters per line."""
_LINE = re.compile(r"[^，。！？；、：\s]([^，。！？；、：\n]*[^，。！？；、：\s])?")
_ONLY_CHARACTERS = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff〇]+")
_NOTES = re.compile(r"[（(【\[].*?[）)】\]]|[\s　]+")


@dataclass(frozen=True)
class Poem:
    """A poem of a known form."""

    title: str
    author: str
    form: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The poem with punctuation and line breaks."""
        return verse(self.lines)

    @property
    def head(self) -> str:
        """The first characters of its lines, for acrostics."""
        return "".join(line[0] for line in self.lines)


@dataclass(frozen=True)
class Order:
    """What a question asks for: a form, and optionally a title or the first characters of the lines."""

    form: str
    title: str | None = None
    head: str | None = None

    def facts(self) -> dict[str, str]:
        """The facts of the question."""
        return {name: value for name, value in vars(self).items() if value is not None}


def order_of(facts: Mapping[str, Any]) -> Order:
    """The order from the facts of a question. KeyError: no form."""
    return Order(facts["form"], facts.get("title"), facts.get("head"))


# -- the poems --


def read_poems() -> list[Poem]:
    """The regular poems of the Complete Tang Poems in simplified characters, each once, in their order there.

    Poems with editors' marks (lost or doubtful characters) are left out. UserError: no corpus, or no opencc.
    """
    convert = converter()
    poems: dict[tuple[str, ...], Poem] = {}
    with open_text(public_file(TANG_POEMS)) as stream:
        for line in stream:
            row = json.loads(convert(line))
            lines = tuple(lines_of("".join(row["paragraphs"])))
            form = form_of(lines)
            if form is not None:
                title = _NOTES.sub("", row["title"])
                poems.setdefault(lines, Poem(title, row["author"], form, lines))
    return list(poems.values())


def verse(lines: Sequence[str]) -> str:
    """Lines as text: two to a row, with a comma between them and a full stop at the end."""
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return "\n".join(f"{first}，{second}。" for first, second in pairs)


def lines_of(text: str) -> list[str]:
    """The lines of a poem with any punctuation."""
    return [text[start:end] for start, end in spans_of(text)]


def spans_of(text: str) -> list[tuple[int, int]]:
    """Start and end of each line in the text."""
    return [found.span() for found in _LINE.finditer(text)]


def form_of(lines: Sequence[str]) -> str | None:
    """The form of the lines; None: not a regular one."""
    for form, (count, length) in FORMS.items():
        if len(lines) == count and all(len(line) == length for line in lines):
            return form if all(map(is_line, lines)) else None
    return None


def is_line(line: str) -> bool:
    """Whether it consists of Chinese characters only."""
    return bool(_ONLY_CHARACTERS.fullmatch(line))


# -- how they are asked for --

BY_TITLE = (
    "写一首{form}，题目是《{title}》。",
    "以《{title}》为题，作一首{form}。",
    "请作{form}一首，题为“{title}”。",
    "《{title}》，{form}。",
    "用{form}的格式写《{title}》。",
    "我想读一首{form}，题目叫{title}。",
    "{title}（{form}）",
    "就“{title}”写{form}一首",
)
BY_HEAD = (
    "写一首藏头{form}，每句的第一个字连起来是“{head}”。",
    "请用“{head}”作一首藏头诗，要{form}。",
    "{form}，藏头：{head}",
    "以“{head}”为每句开头，写一首{form}。",
    "帮我写{form}，各句首字依次是：{spaced}",
    "藏头诗一首，藏“{head}”，{form}。",
)
BY_FORM = ("写一首{form}。", "来一首{form}", "请作{form}一首。", "随便写首{form}吧")


def question(order: Order, dice: random.Random) -> str:
    """A randomly chosen wording of the order."""
    if order.head is not None:
        return dice.choice(BY_HEAD).format(form=order.form, head=order.head, spaced="、".join(order.head))
    if order.title is not None:
        return dice.choice(BY_TITLE).format(form=order.form, title=order.title)
    return dice.choice(BY_FORM).format(form=order.form)


def orders(
    poems: Sequence[Poem], dice: random.Random, settings: PoemSettings = SETTINGS
) -> Iterator[tuple[Poem, Order]]:
    """A random order for each poem, which it satisfies: by title, as an acrostic, or by form alone."""
    for poem in poems:
        drawn = dice.random()
        if drawn < settings.by_title and 0 < len(poem.title) <= settings.longest_title:
            yield poem, Order(poem.form, title=poem.title)
        elif drawn < settings.by_title + settings.by_head:
            yield poem, Order(poem.form, head=poem.head)
        else:
            yield poem, Order(poem.form)


def with_other_heads(
    asked: Iterable[tuple[Poem, Order]], poems: Sequence[Poem], dice: random.Random, settings: PoemSettings = SETTINGS
) -> Iterator[tuple[Poem, Order]]:
    """The same with other first characters in many of the acrostics, drawn uniformly from the characters of `poems`.

    Users may ask for any name, but most characters never begin a line of verse, and a model does not learn to copy what
    it never saw there. Characters of a single poem are not used: they may have no token of their own.
    """
    found = Counter(character for poem in poems for character in set("".join(poem.lines)))
    characters = sorted(character for character, count in found.items() if count > 1)
    for poem, order in asked:
        if order.head is not None and dice.random() < settings.other_heads:
            heads = dice.choices(characters, k=len(poem.lines))
            poem = replace(poem, lines=tuple(head + line[1:] for head, line in zip(heads, poem.lines, strict=True)))
            order = replace(order, head=poem.head)
        yield poem, order


# -- rules --


@dataclass(frozen=True)
class Judgement:
    """The results of the rules for one answer."""

    form: bool
    """It has exactly the form asked for."""
    rhymed: bool
    """The even lines rhyme."""
    head: bool | None
    """The lines begin with the characters asked for; None if none were."""
    repeated: bool
    """A line occurs twice."""


def judge(text: str, order: Order) -> Judgement:
    """Checks an answer with all rules."""
    lines = lines_of(text)
    head = None
    if order.head is not None:
        head = "".join(line[0] for line in lines) == order.head
    return Judgement(
        form=form_of(lines) == order.form,
        rhymed=rhymes([line[-1] for line in lines[1::2]]),
        head=head,
        repeated=len(set(lines)) < len(lines),
    )


def reward_of(text: str, order: Order) -> float:
    """The share of the rules that an answer satisfies, 0 to 1; 0 if it has not the form asked for."""
    found = judge(text, order)
    if not found.form:
        return 0.0
    kept = [True, found.rhymed, not found.repeated, *([found.head] if found.head is not None else [])]
    return sum(kept) / len(kept)
