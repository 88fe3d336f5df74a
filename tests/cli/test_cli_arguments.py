"""The command line's options: their surface is frozen, every mistake is one line, flags are told from defaults."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modou.cli.arguments import COMMANDS, options, parse
from modou.cli.help import describe
from modou.messages import UserError, catalogue
from modou.settings.run import RunSettings


def test_every_setting_but_the_hidden_is_an_option_somewhere() -> None:
    offered = {option.name for command in COMMANDS for option in options(command) if option.field is not None}
    fields = {
        f"{group}.{name}"
        for root in {spec.root for spec in COMMANDS.values()}
        for group, outer in root.model_fields.items()
        for name in outer.annotation.model_fields
    }
    assert offered == fields - {"model.vocabulary"}


def test_every_setting_has_a_docstring_and_a_chinese_help_and_no_help_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {f"{group}.{name}" for group, table in catalogue("options/zh").items() for name in table}
    offered = {option.name for command in COMMANDS for option in options(command) if option.field is not None}
    assert listed == offered
    for language in ("en", "zh"):
        monkeypatch.setenv("MODOU_LANG", language)
        for command in COMMANDS:
            for option in options(command):
                assert describe(option).strip(), option.name


def test_aliases_lead_to_real_options_and_no_flag_means_two_things() -> None:
    for command, spec in COMMANDS.items():
        flags = [flag for option in options(command) for flag in option.flags]
        assert len(flags) == len(set(flags)), command
        assert set(spec.aliases) <= set(flags), command


def test_only_what_was_given_is_set() -> None:
    settings = parse("run", ["book.txt", "--layers", "3", "--no-model.tied", "--temperature=0.5"]).settings()
    assert (settings.model.layers, settings.model.tied, settings.sampling.temperature) == (3, False, 0.5)
    assert settings.is_set("model", "layers") and settings.is_set("model", "tied")
    assert not settings.is_set("model", "width") and not settings.is_set("train", "steps")


def test_a_default_that_is_given_counts_as_given() -> None:
    default = RunSettings().model.layers
    assert parse("run", ["b", "--model.layers", str(default)]).settings().is_set("model", "layers")


def test_flags_go_over_a_preset(tmp_path: Path) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text('[model]\nlayers = 2\nwidth = 64\nheads = 2\n[evaluate]\nprompts = ["话说"]\n', encoding="utf-8")
    settings = parse("run", ["b", "--preset", str(preset), "--model.width", "32"]).settings()
    assert (settings.model.layers, settings.model.width, settings.evaluate.prompts) == (2, 32, ("话说",))


def test_lists_are_repeated_or_separated_but_text_keeps_its_commas() -> None:
    lists = ["--evaluate.lengths", "2,4", "--evaluate.lengths=8", "--clean.skip", "unwrap，spaces"]
    settings = parse("run", ["b", *lists, "--sampling.stop", "啊，", "--sampling.stop", "a,b"]).settings()
    assert settings.clean.skip == ("unwrap", "spaces")
    one_by_one = parse("clean", ["book.txt", "--no-clean.unwrap", "--no-clean.private-use"]).settings().clean
    assert one_by_one.skip == ("unwrap", "private_use")
    assert settings.evaluate.lengths == (2, 4, 8)
    assert settings.sampling.stop == ("啊，", "a,b")


def test_dashes_and_underscores_are_alike_and_the_last_of_two_wins() -> None:
    settings = parse("run", ["b", "--model.kv-heads", "2", "--model.kv_heads", "1"]).settings()
    assert settings.model.kv_heads == 1
    assert parse("run", ["b", "--train.document-mask"]).settings().train.document_mask is True


def test_words_may_stand_anywhere_and_dashes_end_the_options() -> None:
    asked = parse("generate", ["--tokens", "5", "runs/a", "--json", "话说"])
    assert asked.words == {"RUN": "runs/a", "PROMPT": "话说"}
    assert asked.switched("json") and asked.given == {"sampling": {"tokens": "5"}}
    assert parse("generate", ["runs/a", "--", "--tokens"]).words["PROMPT"] == "--tokens"
    assert parse("generate", ["runs/a", "-"]).words["PROMPT"] == "-"
    assert parse("generate", ["runs/a", "- she said"]).words["PROMPT"] == "- she said"


@pytest.mark.parametrize(
    ("command", "argv", "says"),
    [
        ("run", ["b", "--minuts", "3"], "--minutes"),
        ("run", ["b", "--model.layer", "3"], "--model.layers"),
        ("run", ["b", "--context", "3"], "--model.context"),
        ("run", ["b", "--kv-heads", "3"], "--model.kv_heads"),
        ("run", ["b", "--model.vocabulary", "999"], "--tokenizer.vocabulary"),
        ("generate", ["r", "--model.layers", "3"], "plan, pretrain, run"),
        ("run", ["b", "--tokens", "3"], "generate"),
        ("run", ["b", "--top-p", "0.5"], "--sampling.top_p"),
        ("chat", ["r", "--samples", "2"], "generate"),
        ("run", ["b", "--zzzzzz"], "--help"),
        ("run", ["b", "-x"], "-x"),
        ("run", ["b", "--minutes"], "--minutes M"),
        ("run", ["b", "--minutes", "--json"], "--minutes M"),
        ("run", ["b", "--json=1"], "--json"),
        ("run", ["a", "b"], "b is one word too many"),
        ("corpus", ["storyteller"], "FILE"),
    ],
)
def test_mistakes_name_the_option_and_the_remedy(command: str, argv: list[str], says: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(command, argv)
    assert says in str(caught.value)


WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from([flag for command in COMMANDS for option in options(command) for flag in option.flags]),
    st.sampled_from(
        ["--", "-", "-h", "--no-model.tied", "--json=", "--x=1", "-1", "-1.5", "@file", "--model.layers=0"]
    ),
)


@given(st.sampled_from(list(COMMANDS)), st.lists(WORDS, max_size=8))
def test_no_command_line_crashes(command: str, argv: list[str]) -> None:
    try:
        asked = parse(command, argv)
        if asked["preset"] is None:
            asked.settings()
    except UserError as error:
        assert "\n" not in str(error)
