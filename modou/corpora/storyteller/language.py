"""A language of the storyteller, read from TOML files (`zh/`, `en/`): grammar, sentence templates, conventions."""

import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from modou.corpora.storyteller import numerals
from modou.corpora.storyteller.events import StoryEvent, event_rules
from modou.corpora.storyteller.grammar import Grammar, Matcher, Template, parse_template
from modou.corpora.storyteller.grammar import Literal as Fixed

LanguageName = numerals.Language
AMOUNTS = range(2, 100)
"""Sums of money that occur."""


@dataclass(frozen=True)
class Rule:
    """A sentence template of a kind of event. `anchor`: its longest literal text, a cheap test before parsing."""

    kind: str
    template: Template
    anchor: str


@dataclass(frozen=True)
class Language:
    """Grammar, sentence rules and heading templates by kind of event, and conventions (conventions.toml)."""

    name: LanguageName
    grammar: Grammar
    rules: Mapping[str, Sequence[Rule]]
    headings: Mapping[str, Sequence[Template]]
    conventions: Mapping[str, Any]

    @property
    def full_name_share(self) -> float:
        """Probability that a person is called by the full name."""
        return float(self.conventions["full_name_share"])

    def money(self, amount: int) -> str:
        """A sum of money in words."""
        return str(self.conventions["money"]).format(number=numerals.spell(amount, self.name))

    def forms_of(self, full_name: str, female: bool, rng: random.Random) -> dict[str, str]:
        """Further texts of {a.…}: a form of address in Chinese, pronouns in English."""
        if self.name == "zh":
            title = self.grammar.draw("female_title" if female else "male_title", rng)
            return {"call": full_name[0] + title}
        he, his, him = ("she", "her", "her") if female else ("he", "his", "him")
        return {"he": he, "his": his, "him": him}

    def next_season(self, season: str, rng: random.Random) -> str:
        """The season after `season`; a random one if it is empty."""
        seasons = self.grammar.words["season"]
        return seasons[(seasons.index(season) + 1) % len(seasons)] if season else rng.choice(seasons)

    def finish(self, sentence: str) -> str:
        """The sentence, capitalised in English."""
        return sentence[0].upper() + sentence[1:] if self.name == "en" else sentence

    def parse(self, sentence: str) -> StoryEvent | None:
        """The event that a sentence tells, with canonical entities; None: no rule produces it."""
        forms = [sentence]
        if self.name == "en" and sentence[:1].isupper():
            forms.append(sentence[0].lower() + sentence[1:])
        for form in forms:
            matcher = Matcher(self.grammar, form)
            for rules in self.rules.values():
                for rule in rules:
                    if rule.anchor in form:
                        bindings = matcher.match(rule.template)
                        if bindings is not None:
                            return StoryEvent(rule.kind, bindings)
        return None


def _canonical_zh(symbol: str, text: str) -> str:
    return str(numerals.read(text.removesuffix("两"), "zh")) if symbol == "money" else text


def _canonical_en(symbol: str, text: str) -> str:
    if symbol == "money":
        return str(numerals.read(text.rsplit(" ", 1)[0], "en"))
    return text.split(" ", 1)[0] if symbol == "person" else text


@cache
def load_language(name: LanguageName) -> Language:
    """The language from its data folder."""
    folder = files("modou.corpora.storyteller").joinpath(name)
    words: dict[str, Sequence[str]] = {"number": [numerals.spell(amount, name) for amount in AMOUNTS]}
    sayings: dict[str, Sequence[str]] = {}
    phrases: dict[str, list[Template]] = {}
    for file in _toml_files(folder):
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        words.update({key: list("".join(value.split())) for key, value in table.get("characters", {}).items()})
        words.update({key: _entries(value) for key, value in table.get("words", {}).items()})
        sayings.update({key: _entries(value) for key, value in table.get("sayings", {}).items()})
        phrases.update({key: [parse_template(v) for v in values] for key, values in table.get("phrases", {}).items()})
    grammar = Grammar(
        {**words, **sayings}, phrases, frozenset(sayings), _canonical_zh if name == "zh" else _canonical_en
    )
    rules: dict[str, list[Rule]] = {kind: [] for kind in event_rules()}
    for file in _toml_files(folder.joinpath("sentences")):
        for kind, sources in tomllib.loads(file.read_text(encoding="utf-8")).items():
            rules[kind] += [_rule(kind, parse_template(source)) for source in sources]
    frame = tomllib.loads(folder.joinpath("conventions.toml").read_text(encoding="utf-8"))
    headings = {kind: [parse_template(v) for v in values] for kind, values in frame.pop("headings").items()}
    return Language(name, grammar, rules, headings, frame)


def _toml_files(folder: Traversable) -> list[Traversable]:
    found = [item for item in folder.iterdir() if item.name.endswith(".toml") and item.name != "conventions.toml"]
    return sorted(found, key=lambda item: item.name)


def _entries(text: str) -> list[str]:
    """Entries of a word table, separated by semicolons where there are any, else by white space."""
    return [part.strip() for part in text.split(";") if part.strip()] if ";" in text else text.split()


def _rule(kind: str, template: Template) -> Rule:
    anchor = max((node.text for node in template if isinstance(node, Fixed)), key=len)
    return Rule(kind, template, anchor)
