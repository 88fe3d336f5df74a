"""The page of `modou compare`: whole, offline, in both languages; what is not known is said; nothing can break it."""

import copy
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from compared_data import JUDGE, comparison, questions
from html_helpers import HOSTILE, ODD, Reader, hostile, places
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from modou.messages import catalogue
from modou.report.compared.page import compared_page, write_compared
from modou.report.values import at, finite

LANGUAGES = ("zh", "en")
SECTIONS = {"measures", "wins", "distance", "length", "forgetting", "answers", "asked"}


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """Five runs, a reward model, rules: every section. Not to be changed."""
    return comparison()


@pytest.fixture
def found(whole: dict[str, Any]) -> dict[str, Any]:
    """The same, to be spoiled."""
    return copy.deepcopy(whole)


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_is_one_well_formed_offline_document(whole: dict[str, Any], language: Any) -> None:
    page = compared_page(whole, language)
    reader = Reader(page)
    assert page.startswith("<!DOCTYPE html>")
    assert len(reader.ids) == len(set(reader.ids))
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "base"}
    assert "http://" not in page and "https://" not in page and "url(//" not in page and "@import" not in page
    assert all(link.startswith("#") and link[1:] in reader.ids for link in reader.links)
    assert set(reader.ids) >= SECTIONS and "unknown" not in reader.ids
    assert not re.search(r"#0([1-8])(0\1){2}", page), "every colour is the style sheet's"
    assert f'<html lang="{"zh-Hans" if language == "zh" else "en"}">' in page


def test_numbers_shown_are_the_numbers_of_the_comparison(whole: dict[str, Any]) -> None:
    named = [(a, text) for a, text in Reader(compared_page(whole, "en")).data if "data-from" in a]
    assert len(named) > 80
    for attributes, text in named:
        assert float(attributes["value"] or "nan") == at(whole, attributes["data-from"] or ""), text


def test_the_outcome_of_each_run_in_words(whole: dict[str, Any]) -> None:
    text = Reader(compared_page(whole, "en")).text
    assert "tang-sft is the baseline: form right" in text
    assert "tang-grpo beats tang-sft: judged by tang-sft-reward" in text
    assert "tang loses to tang-sft" in text
    assert text.count("which is reward hacking") == 0, "PPO loses by the rules, but not surely"
    spoiled = copy.deepcopy(whole)
    spoiled["runs"]["tang-ppo"]["wins"]["rules"] = {"mean": 0.3, "count": 40, "interval": [0.2, 0.4]}
    assert Reader(compared_page(spoiled, "en")).text.count("which is reward hacking") == 1
    spoiled["runs"]["tang-ppo"]["wins"][JUDGE] = {"mean": 0.52, "count": 40, "interval": [0.4, 0.6]}
    assert "tang-ppo does not differ significantly from tang-sft" in Reader(compared_page(spoiled, "en")).text


def test_every_run_is_drawn_and_tabled(whole: dict[str, Any]) -> None:
    page = compared_page(whole, "en")
    assert page.count('class="chart panel"') == 5
    assert page.count('class="chart wide"') == page.count('class="chart narrow"') == 3
    table = page[page.index("The evaluations during training") :]
    assert table[: table.index("</table>")].count("<tr>") == 1 + 2 * 10
    assert page.count("<dt>") > 5 * 5 and "(nothing)" in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_rule_as_judge_and_what_the_commonest_answer_would_get(language: Any) -> None:
    page = compared_page(questions(), language)
    text = Reader(page).text
    assert ("always the most frequent answer" if language == "en" else "最常见的答案") in text and "20.0%" in text
    assert "the rule exact" in text or "规则 exact" in text
    assert "铁匠。" in text


def test_what_is_not_known_is_said(found: dict[str, Any]) -> None:
    for run in found["runs"].values():
        run["judges"], run["rules"] = {}, {}
        run["wins"], run["by_answer"] = {}, {"length": run["by_answer"]["length"]}
        del run["drift"], run["copied"]
    reader = Reader(compared_page(found, "en"))
    assert "unknown" in reader.ids and not {"distance", "length", "wins", "forgetting"} & set(reader.ids)
    for said in ("No judge was given", "no rule can judge", "forgetting was not measured", "copying was not measured"):
        assert said in reader.text
    assert "has neither judge nor rules" in reader.text
    one = {**found, "runs": {"tang-ppo": comparison()["runs"]["tang-ppo"]}}
    reader = Reader(compared_page(one, "en"))
    assert "There is only one run" in reader.text and {"length", "measures"} <= set(reader.ids)
    assert not {"distance", "wins", "forgetting"} & set(reader.ids)
    Reader(compared_page({}, "zh"))
    Reader(compared_page({"runs": {"": {}}}, "en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_text_stays_text(found: dict[str, Any], language: Any) -> None:
    tame = Reader(compared_page(found, language))
    evil = hostile(found)
    evil["runs"] = {name + HOSTILE: run for name, run in evil["runs"].items()}
    for run in evil["runs"].values():
        for group in ("judges", "wins", "rules", "by_answer"):
            run[group][HOSTILE] = next(iter(run[group].values()), {})
    page = compared_page(evil, language)
    reader = Reader(page)
    assert reader.tags <= tame.tags
    assert reader.attributes <= tame.attributes
    assert "alert(1)" in reader.text
    page.encode("utf-8")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_raw_message_key(whole: dict[str, Any], language: Any) -> None:
    text = Reader(compared_page(whole, language)).text
    assert "{" not in text and "None" not in text and "nan" not in text.lower().split()
    keys = {key for key in catalogue("report") if "_" in key}
    assert not keys & set(re.findall(r"[a-z]+(?:_[a-z0-9]+)+", text))


def test_size_stays_below_a_megabyte() -> None:
    many = comparison(500)
    for run in many["runs"].values():
        run["samples"] = [{"prompt": "月" * 5000, "text": "亮" * 5000}] * 5
    runs = list(many["runs"].values())
    many["runs"] = {f"{name} {n}": run for n in range(2) for name, run in zip("abcde", runs, strict=True)}
    assert len(compared_page(many, "zh").encode()) < 1_000_000


def test_odd_names_and_figures_without_spread(found: dict[str, Any]) -> None:
    first = next(iter(found["runs"].values()))
    first["by_answer"] = {"length": [3] * 4, JUDGE: [1.0] * 4}
    odd = {**found, "runs": {"a.b": first, "很长的名字" * 9: copy.deepcopy(first)}}
    reader = Reader(compared_page(odd, "zh"))
    assert {"distance", "length"} <= set(reader.ids) and "很长的名字" in reader.text


# Pages take a while, so shrinking a failure would take minutes.
@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(data=st.data())
def test_odd_values_anywhere_do_no_harm(data: st.DataObject) -> None:
    odd = comparison(6)
    every = places(odd)
    for _ in range(data.draw(st.integers(4, 16))):
        place = data.draw(st.sampled_from(every))
        here = odd
        try:
            for key in place[:-1]:
                here = here[key]
            here[place[-1]] = copy.deepcopy(data.draw(ODD))
        except (KeyError, IndexError, TypeError):
            continue
    reader = Reader(compared_page(finite(odd), "zh"))
    assert not re.search(r"\b(nan|inf|None)\b", reader.text)


def test_both_files_are_written_and_again_the_same(found: dict[str, Any], tmp_path: Path) -> None:
    found["runs"]["tang"]["kl"]["mean"] = math.nan
    page = write_compared(found, tmp_path / "new", "zh")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["compare.html", "compare.json"]
    written = json.loads((tmp_path / "new" / "compare.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert written["runs"]["tang"]["kl"]["mean"] is None
    assert page.read_bytes() == write_compared(written, tmp_path, "zh").read_bytes()
