"""Generation: the same text with and without a cache, alone and in a batch, streamed and whole."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modou.generate.decode import window_start
from modou.generate.engine import Generation, GenerationNotice, Piece, complete, encode, generate
from modou.generate.sampling import SampleRng, choose
from modou.messages import UserError
from modou.model.gpt import GPT
from modou.settings.model import ModelSettings
from modou.settings.sampling import SamplingSettings
from modou.settings.text import TokenizerSettings
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.tokenizer import Tokenizer

STORY = "".join(f"第{i}天，豆子从墙角钻出来，量一量有{i % 7}寸。“慢慢长！”婆婆说。\n" for i in range(40))
CONTEXT = 32
LAYOUTS = {
    "learned": {"style": "classic", "position": "learned"},
    "rope": {"style": "classic", "position": "rope"},
    "modern": {"style": "modern", "position": "rope", "kv_heads": 2},
}
SAMPLING = SamplingSettings(tokens=20, temperature=1.0, top_p=0.9)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return SentencePieceTokenizer.train([STORY], TokenizerSettings(kind="char", vocabulary=340))


def random_model(tokenizer: Tokenizer, layout: str = "modern", spread: float = 1.0) -> GPT:
    """Random weights, large enough that the next token depends on all the text before it."""
    torch.manual_seed(5)
    shape = {"layers": 2, "width": 32, "heads": 4, "context": CONTEXT, "tied": False, **LAYOUTS[layout]}
    model = GPT(ModelSettings.parse({"vocabulary": tokenizer.vocabulary, **shape})).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=spread * parameter.shape[1] ** -0.5 * 2)
    return model


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> GPT:
    return random_model(tokenizer)


def by_definition(
    model: GPT, tokenizer: Tokenizer, prompt: str, options: SamplingSettings, key: Sequence[int]
) -> tuple[list[int], list[float]]:
    """One text without cache or batch: the whole window through the model for every token."""
    ids, scores, dice = [tokenizer.bos, *tokenizer.encode(prompt)], [], SampleRng(options.seed, key)
    before = len(ids)
    while len(ids) < before + options.tokens:
        with torch.no_grad():
            logits_BV = model(torch.tensor([ids[window_start(len(ids), CONTEXT) :]]))[:, -1]
        uniform_B = torch.tensor([dice.uniform()], dtype=torch.float64)
        chosen = choose(logits_BV, options, uniform_B, torch.tensor([ids]))
        ids.append(int(chosen.ids_B))
        scores.append(float(chosen.log_probabilities_B))
        if ids[-1] == tokenizer.eos:
            break
    return ids[before:], scores


def texts(generations: Sequence[Generation]) -> list[str]:
    return [generation.text for generation in generations]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "options",
    [
        SAMPLING.changed(temperature=0.0),
        SAMPLING,
        SAMPLING.changed(tokens=3 * CONTEXT, temperature=0.7, repetition_penalty=1.2, no_repeat_ngram=3, top_k=50),
    ],
    ids=["greedy", "top-p", "past the context, all filters"],
)
def test_cached_batched_text_is_the_text_by_definition(
    tokenizer: Tokenizer, layout: str, options: SamplingSettings
) -> None:
    model = random_model(tokenizer, layout)
    prompts = ["", "豆子", "婆婆说：", "第3天，豆子从墙角钻出来，量一量有2寸。“慢慢长！”", STORY[:50]]
    found = complete(model, tokenizer, prompts, options.changed(samples=2))
    for generation in found:
        prompt, key = prompts[generation.prompt], (generation.prompt, generation.sample)
        ids, scores = by_definition(model, tokenizer, prompt, options, key)
        assert generation.ids == ids
        assert generation.log_probabilities == pytest.approx(scores, abs=1e-5)
        kept = ids[:-1] if ids[-1] == tokenizer.eos else ids
        assert generation.text == tokenizer.decode(kept)
        assert generation.finish == ("end" if ids[-1] == tokenizer.eos else "length")


def test_greedy_is_the_likeliest_token_each_time_and_the_same_for_all_samples(tokenizer: Tokenizer, model: GPT) -> None:
    options = SAMPLING.changed(temperature=0.0, samples=3)
    first, second, third = complete(model, tokenizer, ["豆子"], options)
    assert first.ids == second.ids == third.ids
    assert first.ids == complete(model, tokenizer, ["豆子"], options.changed(seed=99, samples=1))[0].ids


def test_a_text_depends_on_its_seed_and_number_only(tokenizer: Tokenizer, model: GPT) -> None:
    five = texts(complete(model, tokenizer, ["豆子"], SAMPLING.changed(samples=5)))
    assert len(set(five)) == 5
    assert texts(complete(model, tokenizer, ["豆子"], SAMPLING.changed(samples=2))) == five[:2]
    assert texts(complete(model, tokenizer, ["豆子"], SAMPLING.changed(seed=2)))[0] not in five
    many = complete(model, tokenizer, ["豆子"], SAMPLING.changed(samples=70))  # two batches
    assert texts(many)[:5] == five


def test_keys_name_the_random_numbers_of_a_prompt(tokenizer: Tokenizer, model: GPT) -> None:
    both = complete(model, tokenizer, ["豆子", "婆婆"], SAMPLING, keys=[(7, 0), (7, 1)])
    alone = complete(model, tokenizer, ["婆婆"], SAMPLING, keys=[(7, 1)])
    assert both[1].ids == alone[0].ids
    assert complete(model, tokenizer, ["婆婆"], SAMPLING, keys=[(8, 1)])[0].ids != alone[0].ids


def test_pieces_join_to_the_whole_and_never_show_half_a_character(tokenizer: Tokenizer, model: GPT) -> None:
    options = SAMPLING.changed(tokens=80, samples=4, top_p=1.0)
    whole = complete(model, tokenizer, ["豆"], options)
    joined = [""] * options.samples
    byte_tokens = 0
    for piece in generate(model, tokenizer, ["豆"], options):
        assert isinstance(piece, Piece)
        joined[piece.sample] += piece.text
        byte_tokens += tokenizer.is_byte(piece.id)
        # What is on the screen is settled: later tokens never change it.
        assert whole[piece.sample].text.startswith(joined[piece.sample])
    assert byte_tokens > 50
    assert joined == texts(whole)
    assert joined == [tokenizer.decode(generation.ids) for generation in whole]


def test_a_character_of_three_byte_pieces_comes_out_whole(tokenizer: Tokenizer) -> None:
    written = [tokenizer.bos, *tokenizer.encode("麒嬔")]  # characters the training text lacks
    assert len(written) == 7
    model = chain_model(tokenizer, written)
    shown = [piece.text for piece in generate(model, tokenizer, [""], SAMPLING.changed(temperature=0.0, tokens=6))]
    assert shown == ["", "", "麒", "", "", "嬔"]
    half = complete(model, tokenizer, [""], SAMPLING.changed(temperature=0.0, tokens=4))[0]
    assert half.text == "麒�"


def chain_model(tokenizer: Tokenizer, chain: Sequence[int]) -> GPT:
    """A GPT whose head is set so that each id is followed by the next one of a chain (no id may repeat)."""
    assert len(set(chain)) == len(chain)
    model = GPT(ModelSettings(vocabulary=tokenizer.vocabulary, width=64, heads=2, layers=1, tied=False)).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        model.embedding.weight.normal_()
        for parameter in model.blocks.parameters():
            parameter.zero_()
        model.head.weight.zero_()
        for before, after in pairwise(chain):
            model.head.weight[after] = model.embedding.weight[before] * 10
    return model


@pytest.mark.parametrize("heat", [0.0, 1.0, 5.0])
def test_what_was_never_seen_is_never_drawn_but_an_end_is(tokenizer: Tokenizer, model: GPT, heat: float) -> None:
    options = SAMPLING.changed(temperature=heat, top_p=1.0, samples=20)
    usual = {id for one in complete(model, tokenizer, ["", "小豆"], options) for id in one.ids}
    told = SentencePieceTokenizer(tokenizer.model, unseen=usual)
    written = [id for one in complete(model, told, ["", "小豆"], options, ends=()) for id in one.ids]
    assert written and usual.isdisjoint(written)
    chain = [tokenizer.bos, *tokenizer.encode("豆长寸"), tokenizer.eos]
    result = complete(
        chain_model(tokenizer, chain),
        SentencePieceTokenizer(tokenizer.model, unseen=[chain[-1]]),
        [""],
        SAMPLING.changed(top_k=1),
    )
    assert [(one.text, one.finish) for one in result] == [("豆长寸", "end")]


def test_the_end_mark_ends_a_text_and_is_not_shown(tokenizer: Tokenizer) -> None:
    chain = [tokenizer.bos, *tokenizer.encode("豆长寸"), tokenizer.eos]
    model = chain_model(tokenizer, chain)
    options = SAMPLING.changed(temperature=0.0)
    result = complete(model, tokenizer, [""], options)[0]
    assert (result.text, result.finish, result.ids) == ("豆长寸", "end", chain[1:])
    other = complete(model, tokenizer, [""], options, ends=[chain[2]])[0]
    assert (other.text, other.finish) == ("豆", "end")
    short = complete(model, tokenizer, [""], options.changed(tokens=2))[0]
    assert (short.text, short.finish) == ("豆长", "length")


def test_a_stop_string_ends_a_text_and_is_never_streamed(tokenizer: Tokenizer) -> None:
    model = chain_model(tokenizer, [tokenizer.bos, *tokenizer.encode("豆子从墙角钻出来")])
    options = SAMPLING.changed(temperature=0.0, stop=("角钻",))
    pieces = [piece for piece in generate(model, tokenizer, [""], options) if isinstance(piece, Piece)]
    assert "".join(piece.text for piece in pieces) == "豆子从墙"
    assert (pieces[-1].finish, pieces[-1].text) == ("stop", "")
    assert pieces[-2].text == ""  # 角 was held back
    unfinished = complete(model, tokenizer, [""], options.changed(stop=("来了",), tokens=8))[0]
    assert unfinished.text == "豆子从墙角钻出来"


@given(
    stops=st.lists(st.sampled_from(["豆", "子", "。\n", "天，", "“", "�", "第1", "\n"]), max_size=3),
    seed=st.integers(0, 50),
    prompts=st.lists(st.text("豆子天婆婆说第0123，", max_size=45), min_size=1, max_size=4),
    tokens=st.integers(1, 45),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_streamed_is_whole_and_a_stop_string_is_never_shown(
    tokenizer: Tokenizer, model: GPT, stops: list[str], seed: int, prompts: list[str], tokens: int
) -> None:
    options = SAMPLING.changed(stop=tuple(stops), seed=seed, tokens=tokens)
    whole = complete(model, tokenizer, prompts, options)
    free = complete(model, tokenizer, prompts, options.changed(stop=()))
    for cut, uncut in zip(whole, free, strict=True):
        assert uncut.text.startswith(cut.text)
        assert not any(stop in cut.text for stop in stops)
        assert (cut.finish == "stop") == any(stop in uncut.text for stop in stops)
        assert uncut.ids[: len(cut.ids)] == cut.ids
        assert 1 <= len(cut.ids) <= tokens


def test_a_prompt_longer_than_the_context_is_used_from_its_end_and_said(tokenizer: Tokenizer, model: GPT) -> None:
    events = list(generate(model, tokenizer, ["豆", STORY[:200]], SAMPLING))
    notices = [event for event in events if isinstance(event, GenerationNotice)]
    assert [notice.prompt for notice in notices] == [1]
    assert events[0] is notices[0]
    assert str(notices[0]).startswith("the prompt has 201 tokens, more than the context of 32: only its last 25")
    _, long = complete(model, tokenizer, ["豆", STORY[:200]], SAMPLING)
    assert len(long.ids) == SAMPLING.tokens or long.finish == "end"


@given(st.integers(1, 5000), st.integers(4, 300))
def test_the_window_is_between_half_and_all_of_the_context(length: int, context: int) -> None:
    start = window_start(length, context)
    assert start == 0 if length <= context else context // 2 < length - start <= context
    assert 0 <= window_start(length + 1, context) - start <= context - context // 2


def test_ids_as_prompt_are_taken_as_they_are(tokenizer: Tokenizer, model: GPT) -> None:
    assert encode("豆", tokenizer, 340) == [tokenizer.bos, *tokenizer.encode("豆")]
    assert encode([], tokenizer, 340) == encode("", tokenizer, 340) == [tokenizer.bos]
    as_ids = complete(model, tokenizer, [encode("豆", tokenizer, 340)], SAMPLING)
    assert as_ids[0].ids == complete(model, tokenizer, ["豆"], SAMPLING)[0].ids
    with pytest.raises(UserError, match="is not within 0 to"):
        complete(model, tokenizer, [[1, model.settings.vocabulary]], SAMPLING)


def test_another_models_tokenizer_is_refused(tokenizer: Tokenizer) -> None:
    model = GPT(ModelSettings(vocabulary=20, layers=1, width=8, heads=2, context=8))
    with pytest.raises(UserError, match="use the tokenizer of the same run"):
        complete(model, tokenizer, ["豆"], SAMPLING)


def test_no_prompt_no_text(tokenizer: Tokenizer, model: GPT) -> None:
    assert complete(model, tokenizer, [], SAMPLING) == []


def test_the_model_is_left_as_it_was(tokenizer: Tokenizer) -> None:
    model = random_model(tokenizer).train()
    stream = generate(model, tokenizer, ["豆"], SAMPLING)
    next(stream)
    assert not model.training
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    stream.close()
    assert model.training
    model(torch.tensor([[1, 2, 3]])).sum().backward()
