import copy
import json
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from html_helpers import HOSTILE, ODD, Reader, hostile, places
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from report_data import REPORT, history

from modou.messages import catalogue
from modou.report import values
from modou.report.figures import spread
from modou.report.markup import Html, element, joined
from modou.report.page import report_page, write_report
from modou.report.parts import thinned
from modou.report.values import at, finite
from modou.runs.folder import RunFolder

LANGUAGES = ("zh", "en")


@pytest.fixture
def report() -> dict[str, Any]:
    """Every section."""
    return copy.deepcopy(REPORT)


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_is_one_well_formed_offline_document(report: dict[str, Any], language: Any) -> None:
    page = report_page(report, language)
    reader = Reader(page)
    assert page.startswith("<!DOCTYPE html>")
    assert len(reader.ids) == len(set(reader.ids))
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "base"}
    assert "http://" not in page and "https://" not in page and "url(//" not in page and "@import" not in page
    assert reader.links and all(link.startswith("#") and link[1:] in reader.ids for link in reader.links)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(reader.ids)
    assert {"training", "timeline", "finals", "quality", "memory", "variety", "cleaning", "split"} <= set(reader.ids)
    assert {"tokenizer", "model", "plan", "advice", "about", "limits"} <= set(reader.ids)
    data = {attributes.get("data-from") for attributes, _ in reader.data}
    assert {"split.characters.train", "split.shared_passages.count", "model.total"} <= data


def test_numbers_shown_are_the_numbers_of_the_report(report: dict[str, Any]) -> None:
    reader = Reader(report_page(report, "en"))
    named = [(attributes, text) for attributes, text in reader.data if "data-from" in attributes]
    assert len(named) > 60
    for attributes, text in named:
        exact = at(report, attributes["data-from"] or "")
        assert float(attributes["value"] or "nan") == exact
        assert isinstance(exact, int | float)
        if re.fullmatch(r"[+−]?[\d,]+(\.\d+)?%?", text):
            shown = float(text.replace(",", "").replace("−", "-").removesuffix("%")) / (100 if "%" in text else 1)
            digits = len(text.removesuffix("%").partition(".")[2]) + (2 if "%" in text else 0)
            assert shown == pytest.approx(exact, abs=0.51 * 10**-digits)
    assert ("test.bits_per_char", "5.22") in {(a["data-from"], t) for a, t in named}
    assert ("advantage.kn5.bits_per_char", "+0.48") in {(a["data-from"], t) for a, t in named}


def test_words_of_the_headline(report: dict[str, Any]) -> None:
    text = Reader(report_page(report, "en")).text
    assert f"the perplexity is {round(2**5.2173)} per character" in text
    assert "the model saves 0.48 bits" in text
    assert "Training has not finished" in text
    report["advantage"]["kn5"] = {"bits_per_char": -0.2, "interval": [-0.3, -0.1]}
    assert "needs 0.20 bits more" in Reader(report_page(report, "en")).text
    report["advantage"]["kn5"] = {"bits_per_char": 0.02, "interval": [-0.03, 0.07]}
    assert "the difference of 0.02 bits is not significant" in Reader(report_page(report, "en")).text


def test_each_change_stands_before_and_after_with_its_reason(report: dict[str, Any]) -> None:
    page = report_page(report, "en")
    text = Reader(page).text
    assert "chapter headings 17 times, 470 characters removed" in text
    assert "Headings divide the text into chapters" in text and "2 more in held-out chapters stay" in text
    assert "<td><del>第九回</del></td><td><small>(removed)</small></td>" in page
    assert "<td>桥上<del>,</del>有人</td><td>桥上<ins>，</ins>有人</td>" in page
    assert "<code>--no-clean.headings</code>" in page and "<code>--clean.keep &quot;第九回&quot;</code>" in page
    assert "120,345 = 119,876 + 470 − 1" in text and "unaccounted" not in text
    report["cleaning"]["characters"]["input"] += 3
    assert "3 characters are unaccounted for" in Reader(report_page(report, "en")).text


def test_what_no_option_puts_back_says_so(report: dict[str, Any]) -> None:
    rule = report["cleaning"]["rules"][0]
    rule |= {"name": "reader", "kinds": {"cue_times": 12}}
    text = Reader(report_page(report, "en")).text
    assert "no option puts it back" in text and "--no-clean" not in text
    assert f"{catalogue('text')['aside_cue_times']['en']}12" in text
    rule |= {"name": "duplicates", "examples": [{"before": "第九回", "after": ""}]}
    text = Reader(report_page(report, "en")).text
    assert "--no-clean.duplicates" in text and "--clean.keep" not in text
    rule |= {"name": "furniture", "examples": [{"before": "-----", "after": ""}]}
    assert '--clean.keep "regular expression"' in Reader(report_page(report, "en")).text


def test_every_measured_point_is_drawn_and_tabled(report: dict[str, Any]) -> None:
    page = report_page(report, "en")
    table = page[page.index("The numbers of every evaluation") :]
    assert table[: table.index("</table>")].count("<tr>") == 41
    drawn = re.search(r'<svg class="chart wide".*?</svg>', page, re.DOTALL)
    assert drawn is not None
    assert max(path.count("L ") for path in re.findall(r' d="([^"]*)"', drawn[0])) > 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_size_stays_below_a_megabyte(report: dict[str, Any], language: Any) -> None:
    report["training"]["history"] = history(200)
    text = "月亮从桥的那一边升起来，" * 400
    report["samples"] = [{"step": i, "prompt": "月", "seed": i % 4, "text": text} for i in range(100)]
    report["final_samples"] = [{"prompt": "月", "seed": i, "text": text} for i in range(100)]
    assert len(report_page(report, language).encode()) < 1_000_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_text_stays_text(report: dict[str, Any], language: Any) -> None:
    tame = Reader(report_page(report, language))
    evil = hostile(report)
    evil["settings"][HOSTILE] = evil["model"]["parameters"][HOSTILE] = 1
    page = report_page(evil, language)
    reader = Reader(page)
    assert reader.tags <= tame.tags
    assert reader.attributes <= tame.attributes
    assert "alert(1)" in reader.text
    page.encode("utf-8")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_raw_message_key(report: dict[str, Any], language: Any) -> None:
    text = Reader(report_page(report, language)).text
    assert not re.search(r"report\.[a-z_]+(?<!report\.json)\b", text.replace("report.json", ""))
    assert "{" not in text and "None" not in text and "nan" not in text.lower().split()
    keys = {key for key in catalogue("report") if "_" in key}
    assert not keys & set(re.findall(r"[a-z]+(?:_[a-z0-9]+)+", text))


def test_the_page_speaks_the_language_asked_for(report: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODOU_LANG", "en")
    assert '<html lang="zh-Hans">' in report_page(report, "zh") and "学习过程" in report_page(report, "zh")
    assert '<html lang="en">' in report_page(report, "en") and "How it learned" in report_page(report, "en")


def test_any_section_may_be_missing(report: dict[str, Any]) -> None:
    Reader(report_page({}, "zh"))
    for key in report:
        Reader(report_page({key: report[key]}, "en"))
    assert 'id="memory"' not in report_page({**report, "novelty": {}}, "en")


@pytest.mark.slow
def test_any_one_section_may_be_missing(report: dict[str, Any]) -> None:
    for key in report:
        page = report_page({name: value for name, value in report.items() if name != key}, "zh")
        Reader(page)
        assert "</html>" in page


# Pages take a while, so shrinking a failure would take minutes.
@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_odd_values_anywhere_do_no_harm(report: dict[str, Any], data: st.DataObject) -> None:
    odd = copy.deepcopy(report)
    odd["training"]["history"] = history(4)
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
    reader = Reader(report_page(finite(odd), "zh"))
    assert not re.search(r"\b(nan|inf|None)\b", reader.text)


def test_not_a_number_becomes_null(report: dict[str, Any], tmp_path: Path) -> None:
    report["test"]["bits_per_char"] = math.nan
    report["training"]["history"][3]["validation_bits_per_char"] = math.inf
    page = write_report(report, RunFolder(tmp_path / "new"), "en")
    written = json.loads((tmp_path / "new" / "report.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert written["test"]["bits_per_char"] is None
    assert "On validation chapters" in page.read_text(encoding="utf-8")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["report.html", "report.json"]


def test_same_report_same_bytes(report: dict[str, Any], tmp_path: Path) -> None:
    import matplotlib as mpl

    first = write_report(report, RunFolder(tmp_path), "zh").read_bytes()
    with mpl.rc_context({"lines.linewidth": 9, "axes.facecolor": "red", "svg.fonttype": "path"}):
        second = write_report(copy.deepcopy(report), RunFolder(tmp_path), "zh").read_bytes()
    assert first == second


def test_shapes_of_modou_evaluate_are_read() -> None:
    writer = {
        "novel_share_by_n": [0.0, 0.2, 0.6, 0.9, 1.0],
        "longest_copy": {"length": 9, "text": "河边有人唱了一支歌", "chapter": 2},
        "copied": {"share": 0.125, "at_least": 14},
    }
    varied = {"distinct": {"1": 0.4, "2": 0.8, "3": 0.9}, "seq_rep_4": 0.031, "loop_rate": {"share": 0.05}}
    report = {"novelty": {"generated": writer, "held_out": writer}, "variety": {"generated": varied}}
    text = Reader(report_page(report, "en")).text
    assert "12.5% lies inside passages of 14" in text and "has 9 characters" in text and "training chapter 3" in text
    assert "80.0%" in text and "3.1%" in text and "5.0%" in text


@given(st.text(), st.text())
def test_markup_escapes_text_and_keeps_html(text: str, value: str) -> None:
    made = element("p", text, element("b", "x"), title=value)
    reader = Reader(made)
    assert reader.tags == {"p", "b"} and reader.attributes == {"title"}
    assert joined([made, None]) == made and isinstance(made, Html)


@given(st.lists(st.floats(0, 100), max_size=8))
def test_labels_are_spread_apart(places: list[float]) -> None:
    moved = spread(sorted(places), 5, 100)
    assert all(b - a >= 5 - 1e-9 for a, b in pairwise(moved))
    assert all(place <= 100 for place in moved)


@given(st.integers(2, 300), st.integers(4, 60), st.integers(0, 299))
def test_thinning_keeps_first_last_and_best(count: int, most: int, best: int) -> None:
    kept = thinned(list(range(count)), most, min(best, count - 1))
    assert len(kept) <= most and kept[0] == 0 and kept[-1] == count - 1
    assert min(best, count - 1) in kept and kept == sorted(set(kept))


def test_values_read_what_is_there() -> None:
    found = {"a": {"b": 2, "c": math.nan, "d": True, "e": "x"}}
    assert values.number(found, "a.c", "a.d", "a.b") == 2 and values.number(found, "a.e", "a.b.z") is None
    assert values.points({"l": [0.1, None, 0.3]}, "l") == [(1, 0.1), (3, 0.3)] and values.points({"l": {}}, "l") == []
