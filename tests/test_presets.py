"""Every preset that ships fits its method; those of `modou run` train for a few steps, the two that are too large for a
laptop at reduced width."""

from pathlib import Path
from typing import Any

import pytest
from method_helpers import pretrain

from modou.cli.arguments import parse
from modou.cli.help import command_page
from modou.cli.table import COMMANDS
from modou.corpora.storyteller.book import write_book
from modou.messages import UserError
from modou.model.census import describe
from modou.settings.base import merge
from modou.settings.methods import PpoRun
from modou.settings.presets import preset_names, presets, read_preset
from modou.settings.run import RunSettings
from modou.train.events import Ended

FEW = {"train": {"steps": 3, "evaluate_every": 3, "batch": 4, "micro_batch": 2, "compile": False, "minutes": 0}}
SMALL = {"model": {"width": 64, "layers": 2, "heads": 4, "context": 64}}
LARGE = {"100m": (90e6, 115e6), "1b": (0.9e9, 1.15e9)}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("book") / "book.txt"
    path.write_text("\n\n".join(write_book("en", 60_000, 3)), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", preset_names("pretrain"))
def test_a_preset_trains_for_a_few_steps(name: str, book: Path, tmp_path: Path) -> None:
    values: dict[str, Any] = merge(read_preset(name), FEW)
    if name in LARGE:
        values = merge(values, SMALL | {"model": SMALL["model"] | ({"kv_heads": 2} if name == "1b" else {})})
    values = merge(values, {"evaluate": {"quick_characters": 200, "written_characters": 500}})
    ended = [
        event for event in pretrain(str(book), RunSettings.parse(values), tmp_path / name) if isinstance(event, Ended)
    ]
    assert [event.step for event in ended] == [3]
    assert (tmp_path / name / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("name", LARGE)
def test_the_large_presets_have_the_size_they_are_named_for(name: str) -> None:
    settings = RunSettings.parse(read_preset(name))
    total = describe(settings.model.changed(vocabulary=settings.tokenizer.vocabulary)).total
    low, high = LARGE[name]
    assert low <= total <= high


def test_the_article_presets_have_the_size_of_the_article() -> None:
    sizes = {}
    for name in ("article-learned", "article-rope", "article-2m"):
        settings = RunSettings.parse(read_preset(name))
        sizes[name] = describe(settings.model.changed(vocabulary=settings.tokenizer.vocabulary)).total
    # The article's own counts less its head bias of 8,000: 8,875,840 and 2,469,184.
    assert sizes == {"article-learned": 8_867_840, "article-rope": 8_835_072, "article-2m": 2_461_184}


def test_the_three_compared_presets_differ_in_their_layers_alone() -> None:
    modern, classic, learned = (read_preset(f"shuihu-{name}") for name in ("rope", "classic", "learned"))
    assert classic == merge(modern, {"model": {"style": "classic"}})
    assert learned == merge(classic, {"model": {"position": "learned"}})


@pytest.mark.parametrize("name", presets())
def test_a_preset_holds_settings_of_its_method(name: str) -> None:
    preset = presets()[name]
    root = RunSettings if preset.method == "pretrain" else COMMANDS[preset.method].root
    settings = root().with_values(preset.tables)
    assert all(settings.is_set(group, option) for group, options in preset.tables.items() for option in options)
    assert read_preset(name, preset.method) == preset.tables


def test_a_preset_of_another_method_is_refused_and_those_of_this_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"modou sft.*poems\.ppo"):
        parse("ppo", ["r", "d", "--preset", "poems.sft"]).settings_of(PpoRun)
    with pytest.raises(UserError, match=r"modou ppo.*shuihu-rope"):
        parse("run", ["b", "--preset", "poems.ppo"]).settings()
    mine = tmp_path / "mine.toml"
    mine.write_text('method = "dpo"\n[dpo]\nbeta = 0.2\n', encoding="utf-8")
    with pytest.raises(UserError, match="modou dpo"):
        read_preset(str(mine), "sft")
    assert read_preset(str(mine), "dpo") == {"dpo": {"beta": 0.2}}


def test_an_unknown_preset_is_answered_with_every_name_and_its_command() -> None:
    with pytest.raises(UserError) as caught:
        read_preset("poems")
    for name in presets():
        assert name in str(caught.value)
    assert "modou ppo: poems.ppo" in str(caught.value)


def test_flags_go_over_the_preset_of_a_method() -> None:
    settings = parse("ppo", ["r", "d", "--preset", "poems.ppo", "--rounds", "5"]).settings_of(PpoRun)
    assert (settings.rollout.rounds, settings.rollout.group, settings.ppo.gae_lambda) == (5, 1, 0.5)


def test_help_names_the_presets_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODOU_LANG", "en")
    page = " ".join(command_page("sft", 100).split())
    assert "(poems.reader, poems.sft, storyteller.sft)" in page and "poems.ppo" not in page
