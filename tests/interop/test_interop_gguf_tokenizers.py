"""GGUF with tokenizers of other people's models: the same tokens for every text, or a refusal by name."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from foreign_helpers import END, LINES, foreign
from greedy_helpers import assert_same_text
from hypothesis import given, settings
from hypothesis import strategies as st
from interop_helpers import CONTEXT, exported, portable
from llama_cpp_helpers import LlamaCpp, llama_cpp

from modou.data.conversation import Message, Template
from modou.interop.portable import Portable
from modou.messages import UserError
from modou.tokenizer.byte_level import ByteLevelTokenizer

SPLIT = {"type": "Split", "pattern": {"Regex": LINES}, "behavior": "Isolated", "invert": False}
THREES = {**SPLIT, "pattern": {"Regex": LINES.replace(r"\p{N}|", r"\p{N}{1,3}|")}}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
WORDS = {**BYTES, "use_regex": True}
DIGITS = {"type": "Digits", "individual_digits": True}


def sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(parts)}


def ignoring_merges() -> dict[str, Any]:
    model = json.loads(foreign().files["tokenizer.json"])["model"]
    return {**model, "ignore_merges": True}


def token(name: str) -> dict[str, Any]:
    """An entry of "added_tokens" for a token of the vocabulary, found only as a word of its own."""
    id = json.loads(foreign().files["tokenizer.json"])["model"]["vocab"][name]
    flags = dict.fromkeys(("lstrip", "rstrip", "normalized", "special"), False)
    return {"id": id, "content": name, "single_word": True, **flags}


KINDS: dict[str, ByteLevelTokenizer] = {
    "gpt-2": foreign(),
    "smollm": foreign(pre_tokenizer=sequence(DIGITS, WORDS)),
    "qwen2": foreign("qwen", rows=430),
    "llama-bpe": foreign(pre_tokenizer=sequence(THREES, BYTES), model=ignoring_merges()),
}
PIECES = (
    "蜗牛",
    "哈哈哈",
    "the ",
    "'s",
    "'LL",
    "café",
    " ",
    "   ",
    "\n",
    "\r\n",
    "\t",
    "12345",
    "½",
    "……",
    "\u3000",
    "😀",
    "👩‍👩‍👧",
)
MARKS = (END, "<|im_start|>", "<think>", "</think>", "<think", "<|user|>", "<s>")
ANY = st.characters(exclude_categories=["Cs"])
TEXTS = st.one_of(
    st.text(ANY),
    st.lists(st.one_of(st.sampled_from(PIECES + MARKS), ANY)).map("".join),
    st.tuples(st.sampled_from(PIECES + MARKS), st.integers(1, 30)).map(lambda pair: pair[0] * pair[1]),
)


def with_tokenizer(own: ByteLevelTokenizer, **changes: Any) -> Portable:
    model = portable("qwen3", endless=False, vocabulary=own.vocabulary, **changes)
    return replace(model, tokenizer=own)


@pytest.fixture(scope="module", params=KINDS)
def cutter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A model with that tokenizer, and llama.cpp with its file."""
    model = with_tokenizer(KINDS[request.param].extended(), answers=True)
    folder = exported(model, tmp_path_factory.mktemp(request.param) / "out", "gguf")
    with llama_cpp(folder / "bean.gguf", CONTEXT) as server:
        yield model, server


@settings(max_examples=300, deadline=None)
@given(text=TEXTS)
def test_every_text_becomes_the_same_tokens(cutter: tuple[Portable, LlamaCpp], text: str) -> None:
    model, server = cutter
    text = model.tokenizer.normalise(text)
    assert server.ids(text) == model.tokenizer.encode(text)


def test_texts_and_conversations_are_the_same(cutter: tuple[Portable, LlamaCpp]) -> None:
    model, server = cutter
    own = model.tokenizer
    ids = [own.bos, *own.encode("第3天，小蜗牛")]
    assert server.ask("/tokenize", content="第3天，小蜗牛", add_special=True)["tokens"] == ids
    assert assert_same_text(model, ids, server.written(ids, 100), 100, 5e-5) > 5
    talk = Message("system", "慢\n"), Message("user", " The snail's 12 steps? ")
    messages = [{"role": message.role, "content": message.content} for message in talk]
    answer = server.ask("/v1/chat/completions", messages=messages, max_tokens=1, temperature=0)
    assert answer["usage"]["prompt_tokens"] == len(Template(own).prompt(talk))
    rendered = server.ask("/apply-template", messages=messages)["prompt"]
    found = server.ask("/tokenize", content=rendered, add_special=True, parse_special=True)["tokens"]
    assert tuple(found) == Template(own).prompt(talk)


REFUSED = {
    "no-cuts": (foreign("whole"), "pre_tokenizer"),
    "fallback": (foreign("fallback"), "pre_tokenizer"),
    "other-cuts": (foreign(pre_tokenizer=sequence({**SPLIT, "pattern": {"Regex": r"\s+"}}, BYTES)), "pre_tokenizer"),
    "removed-digits": (foreign(pre_tokenizer=sequence({**DIGITS, "individual_digits": False}, WORDS)), "pre_tokenizer"),
    "merges": (foreign(model=ignoring_merges()), "ignore_merges"),
    "single-word": (foreign(added_tokens=[{**token(END), "special": True}, token("a")]), "single_word"),
    "nfkc": (foreign(normalizer={"type": "NFKC"}), "normalizer"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_tokenizer_that_llama_cpp_lacks_is_refused_by_name(name: str, tmp_path: Path) -> None:
    own, part = REFUSED[name]
    with pytest.raises(UserError, match="--to hf") as caught:
        exported(with_tokenizer(own), tmp_path / "out", "gguf")
    assert part in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_card_says_what_is_left_to_the_user(tmp_path: Path) -> None:
    said = {
        name: (exported(with_tokenizer(KINDS[name]), tmp_path / name, "gguf") / "README.md").read_text(encoding="utf-8")
        for name in ("gpt-2", "qwen2")
    }
    assert "NFC" in said["qwen2"] and "NFC" not in said["gpt-2"]
    assert "U+2581" not in said["qwen2"]
