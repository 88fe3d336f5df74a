"""A prompt that ends in a space: the model writes the space, and the text shown is prompt and continuation exactly."""

import pytest
import torch

from modou.generate.decode import Decoder, Request
from modou.generate.engine import Generation, complete
from modou.model.gpt import GPT
from modou.settings.model import ModelSettings
from modou.settings.sampling import SamplingSettings
from modou.settings.text import TokenizerSettings
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.tokenizer import Tokenizer

WHO = ("The weaver", "A heron", "Old Marta", "The bell")
BOOK = "\n".join(f"{who} said to the {what}." for who in WHO for what in ("miller", "river", "lamp")) * 6
GREEDY = SamplingSettings(tokens=12, temperature=0.0)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return SentencePieceTokenizer.train([BOOK], TokenizerSettings(vocabulary=340, threads=1))


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> GPT:
    """Trained for a moment, so that it continues as the book does."""
    torch.manual_seed(1)
    shape = {"vocabulary": tokenizer.vocabulary, "layers": 1, "width": 32, "heads": 2, "context": 32}
    made = GPT(ModelSettings.parse(shape))
    optimizer = torch.optim.AdamW(made.parameters(), lr=0.01)
    rows = [[tokenizer.bos, *tokenizer.encode(line)] for line in BOOK.split("\n")]
    length = min(map(len, rows))
    ids = torch.tensor([row[:length] for row in rows])
    for _ in range(40):
        (made.loss(ids[:, :-1], ids[:, 1:]) / ids[:, 1:].numel()).backward()
        optimizer.step()
        optimizer.zero_grad()
    return made.eval()


def one(model: GPT, tokenizer: Tokenizer, prompt: str, options: SamplingSettings = GREEDY) -> Generation:
    return complete(model, tokenizer, [prompt], options)[0]


@pytest.mark.parametrize("prompt", ["Old Marta said to", "A heron said", "The bell said to the"])
def test_a_space_at_the_end_changes_nothing(model: GPT, tokenizer: Tokenizer, prompt: str) -> None:
    without, spaced = one(model, tokenizer, prompt), one(model, tokenizer, prompt + " ")
    assert without.text.startswith(" ")
    assert prompt + without.text == f"{prompt} {spaced.text}"
    assert without.ids == spaced.ids, "the same tokens, the first with its space"


@pytest.mark.parametrize("seed", range(5))
def test_the_first_token_begins_with_a_space_at_every_temperature(model: GPT, tokenizer: Tokenizer, seed: int) -> None:
    options = GREEDY.changed(temperature=100.0, top_p=1.0, seed=seed, samples=8, tokens=4)
    for found in complete(model, tokenizer, ["The weaver ", "Old Marta said to the "], options):
        whole = tokenizer.decode(found.ids)
        assert whole.startswith(" ")
        assert found.text == whole[1:] or "\ufffd" in whole


def test_only_the_last_space_is_left_to_the_model(model: GPT, tokenizer: Tokenizer) -> None:
    both = complete(model, tokenizer, ["The bell  ", "The bell \n"], GREEDY)
    assert both[0].ids == one(model, tokenizer, "The bell  ").ids
    assert tokenizer.decode(both[0].ids).startswith(" ")
    assert both[1].text == tokenizer.decode([id for id in both[1].ids if id != tokenizer.eos]), "a newline is no space"


def test_prompts_with_and_without_the_space_share_a_batch(model: GPT, tokenizer: Tokenizer) -> None:
    prompts = ["The weaver said ", "A heron", "Old Marta said to the miller and the river ", ""]
    options = GREEDY.changed(temperature=0.7, samples=2)
    together = complete(model, tokenizer, prompts, options)
    for place, prompt in enumerate(prompts):
        alone = complete(model, tokenizer, [prompt], options, keys=[(place,)])
        assert [text.ids for text in together if text.prompt == place] == [text.ids for text in alone]


def test_a_stop_string_is_looked_for_after_the_space_of_the_prompt(model: GPT, tokenizer: Tokenizer) -> None:
    plain = one(model, tokenizer, "A heron said ")
    assert plain.text and not plain.text.startswith(" ")
    stopped = one(model, tokenizer, "A heron said ", GREEDY.changed(stop=(" ",)))
    assert stopped.finish == "stop" and stopped.text == plain.text.split(" ")[0]


def test_a_tokenizer_of_characters_keeps_the_space() -> None:
    own = SentencePieceTokenizer.train([BOOK], TokenizerSettings(kind="char", vocabulary=340))
    assert own.spaced == ()
    torch.manual_seed(2)
    shape = {"vocabulary": own.vocabulary, "layers": 1, "width": 16, "heads": 2, "context": 32}
    model = GPT(ModelSettings.parse(shape)).eval()
    found = one(model, own, "A heron ")
    ids = [own.bos, *own.encode("A heron ")]
    assert found.ids[0] == int(model(torch.tensor([ids]))[0, -1].argmax())


def test_a_space_that_no_text_holds_is_not_asked_for(tokenizer: Tokenizer) -> None:
    lone = [i for i, piece in enumerate(tokenizer.piece_bytes) if piece == b" "]
    known = [i for i, piece in enumerate(tokenizer.piece_bytes) if piece[:1] == b" " and len(piece) > 1]
    assert set(tokenizer.spaced) == {*lone, *known}
    assert SentencePieceTokenizer(tokenizer.model, unseen=known).spaced == ()
    assert SentencePieceTokenizer(tokenizer.model, unseen=known[1:]).spaced == tuple(sorted([*lone, known[0]]))


def test_a_filter_that_excludes_what_is_left_leaves_a_token(model: GPT, tokenizer: Tokenizer) -> None:
    ids = [tokenizer.bos, tokenizer.spaced[0]]
    request = Request(ids, (0,), (tokenizer.spaced[0],))
    options = SamplingSettings(tokens=1, no_repeat_ngram=1, temperature=0.8)
    (token,) = Decoder(model, [request], options).step()
    assert 0 <= token.id < tokenizer.vocabulary and token.id not in ids
