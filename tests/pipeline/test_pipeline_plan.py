"""The dial: what is asked for stays, more time gives no smaller model, and only a text like ours has an expectation."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modou.methods.planning import (
    LADDER,
    Budget,
    Plan,
    TextFacts,
    choose_size,
    choose_vocabulary,
    expected_bits,
    plan_training,
)
from modou.model.census import describe
from modou.settings.run import RunSettings
from modou.train.ways import REFERENCE, TimedWay, Way

NOVEL = TextFacts(characters=900_000, distinct=4100, chinese=True)


def planned(
    minutes: float, tables: dict[str, Any], tokens: int = 600_000, timed: Sequence[TimedWay] = ()
) -> tuple[RunSettings, Plan]:
    """The plan of a machine where the last of the timed ways is the quickest."""
    best = timed[-1].way if timed else REFERENCE
    budget = Budget(
        minutes, 1e11, lambda settings: 1e11 / describe(settings.model).flops_per_token, lambda *_: (best, list(timed))
    )
    return plan_training(NOVEL, tokens, 4096, budget, RunSettings.parse(tables))


def test_what_is_asked_for_stays_and_every_choice_has_a_reason() -> None:
    asked = {"model": {"width": 64, "heads": 2, "layers": 3, "dropout": 0.3}, "train": {"batch": 5, "minutes": 7.0}}
    settings, found = planned(7.0, asked)
    tables = settings.model_dump()
    for group, values in asked.items():
        assert {name: tables[group][name] for name in values} == values
    chosen = {choice.name for choice in found.choices}
    assert not chosen & {f"{group}.{name}" for group, values in asked.items() for name in values}
    assert "model.context" in chosen and all(choice.reason.strip() for choice in found.choices)


@given(st.floats(1e9, 1e20), st.floats(1, 1e6))
def test_more_flops_never_give_a_smaller_model(flops: float, times: float) -> None:
    assert LADDER.index(choose_size(flops)) <= LADDER.index(choose_size(flops * times))


@given(st.integers(1, 10**8), st.integers(1, 8000))
def test_a_text_of_few_characters_affords_more_pieces_within_bounds(characters: int, distinct: int) -> None:
    plain = choose_vocabulary(TextFacts(characters, 8000, chinese=True))
    found = choose_vocabulary(TextFacts(characters, distinct, chinese=True))
    assert 300 + min(distinct, 4000) <= found <= max(plain, 1.5 * 45 * characters ** (1 / 3) + 256)
    assert choose_vocabulary(TextFacts(651_933, 1983, chinese=True)) == 5632, "measured: storyteller"


def test_the_oftener_a_text_is_read_the_more_dropout() -> None:
    dropouts = [planned(10.0, {}, tokens)[0].model.dropout for tokens in (10**8, 10**6, 10**5, 10**4)]
    assert dropouts[0] == 0.0 and dropouts == sorted(dropouts) and len(set(dropouts)) > 2


@pytest.mark.parametrize(
    ("facts", "flops"),
    [
        (TextFacts(723_001, 1983, chinese=True), 2e13),  # generated: our own storyteller, which needs 1.2 bits
        (TextFacts(900_000, 4100, chinese=False), 2e13),
        (TextFacts(9_000_000, 6000, chinese=True), 2e13),
        (NOVEL, 1e15),
    ],
)
def test_no_expectation_where_our_runs_say_nothing(facts: TextFacts, flops: float) -> None:
    assert expected_bits(flops, facts) is None


def test_more_training_lowers_what_is_expected() -> None:
    bits = [expected_bits(flops, NOVEL) for flops in (1e13, 2e13, 5e13, 1.2e14)]
    assert None not in bits and bits == sorted(bits, key=lambda value: -(value or 0))
    assert 4.8 < (bits[-1] or 0) < (bits[0] or 0) < 5.6


@pytest.mark.parametrize(
    ("minutes", "tokens", "context"), [(10.0, 97, 96), (10.0, 128, 127), (10.0, 129, 128), (0.0, 200, 199), (0.0, 4, 4)]
)
def test_the_context_is_no_longer_than_the_text(minutes: float, tokens: int, context: int) -> None:
    settings, found = planned(minutes, {"train": {"steps": 20, "minutes": minutes}}, tokens)
    assert settings.model.context == context
    reasons = {choice.name: choice.reason for choice in found.choices}
    assert (f"only {tokens} tokens" in reasons["model.context"]) == (tokens != 129)


def test_a_context_that_was_asked_for_stays_for_a_short_text() -> None:
    settings, found = planned(10.0, {"model": {"context": 512}}, 97)
    assert settings.model.context == 512
    assert not any(choice.name == "model.context" for choice in found.choices)
    assert planned(0.0, {"train": {"steps": 20}}, 10**6)[0].model.context == 256


def test_a_quicker_way_is_told_and_feeds_a_larger_model() -> None:
    ways = [TimedWay(REFERENCE, 1.0, 0.0, 0.0), TimedWay(Way("bfloat16", "products"), 4.0, 0.0, 0.01)]
    plain, _ = planned(10.0, {})
    quick, found = planned(10.0, {}, timed=ways)
    assert describe(quick.model).total > describe(plain.model).total
    assert (quick.train.precision, quick.train.attention) == ("bfloat16", "products")
    assert {"train.precision", "train.attention"} <= {choice.name for choice in found.choices}
    assert found.ways == ways
    settings, found = planned(10.0, {}, timed=ways[:1])
    assert settings.train.precision == "float32"
    assert [choice.name for choice in found.choices if choice.name.startswith("train.p")] == ["train.precision"]
