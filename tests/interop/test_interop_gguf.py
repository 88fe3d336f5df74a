"""GGUF: llama.cpp computes the same numbers, writes the same texts and cuts every text into the same tokens."""

import errno
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from greedy_helpers import TALKS, answering, assert_same_text, greedy, log_probabilities
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interop_helpers import CONTEXT, VOCABULARY, exported, portable, small, token_ids, trained_tokenizer
from llama_cpp_helpers import LlamaCpp, llama_cpp
from model_helpers import random_model
from text_helpers import clean

from modou.data.conversation import Message, Template
from modou.interop.exports.gguf import file_name, write_file
from modou.interop.gguf_model import architecture, tensors
from modou.interop.portable import Portable
from modou.messages import UserError
from modou.settings.sampling import SamplingSettings
from modou.settings.text import TokenizerKind, TokenizerSettings
from modou.text.readers.book import read_book
from modou.tokenizer.sentencepiece import SentencePieceTokenizer

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", {}),
    "gpt2-untied": ("gpt2", {"tied": False}),
    "neox": ("neox", {}),
    "neox-untied-base": ("neox", {"tied": False, "rope_base": 50_000.0}),
    "qwen3": ("qwen3", {}),
    "qwen3-heads-eps": ("qwen3-grouped", {"tied": False, "head_size": 32, "norm_eps": 1e-3}),
    "llama": ("llama", {}),
    "llama-heads-base": ("llama-grouped", {"tied": False, "head_size": 16, "rope_base": 500.0}),
}
ERROR = {"modern": 5e-5, "classic": 1e-2}
"""Of log-probabilities of random models, whose activations are large: llama.cpp's GELU is a table of 16-bit numbers."""
TRAINED_ERROR = {"modern": 5e-5, "classic": 1e-3}
PIECES = (
    "阿豆",
    "豆豆",
    "ab",
    "a",
    " ",
    "   ",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "，",
    "……",
    "\u3000",
    "😀",
    "👩‍👩‍👧",
    "𠮷",
    "é",
)
MARKS = ("<s>", "</s>", "<unk>", "<pad>", "<|user|>", "<|end|>", "<0xE4>", "<0x0A>", "<|", "|>")
ANY = st.characters(exclude_categories=["Cs"], exclude_characters="▁")
TEXTS = st.one_of(
    st.text(ANY),
    st.lists(st.one_of(st.sampled_from(PIECES + MARKS), ANY)).map("".join),
    st.tuples(st.sampled_from(PIECES + MARKS), st.integers(1, 40)).map(lambda pair: pair[0] * pair[1]),
)


def model_of(name: str) -> Portable:
    layout, changes = CASES[name]
    return portable(layout, **changes)


def write(model: Portable, folder: Path, precision: str = "f32") -> Path:
    path = folder / file_name(model)
    write_file(model, path, precision, "gguf")
    return path


def worst(model: Portable, server: LlamaCpp) -> float:
    """The largest difference of log-probabilities after 1, 17 and 140 tokens."""
    readable = model.tokenizer.encode("阿豆")[0]
    found = 0.0
    for length in (1, 17, 140):
        ids = token_ids(1, length, seed=length)[0].tolist()
        theirs = server.log_probabilities(ids, VOCABULARY, readable)
        ours = log_probabilities(model, ids)
        assert theirs.keys() == set(range(VOCABULARY))
        found = max(found, *(abs(ours[id].item() - value) for id, value in theirs.items()))
    return found


@pytest.mark.parametrize("name", CASES)
def test_llama_cpp_computes_and_writes_the_same(name: str, tmp_path: Path) -> None:
    model, own = model_of(name), trained_tokenizer()
    error = ERROR[model.settings.style]
    with llama_cpp(write(model, tmp_path), CONTEXT) as server:
        assert worst(model, server) < error
        for prompt in ("阿豆", "The miller "):
            ids = [own.bos, *own.encode(prompt)]
            theirs = server.written(ids, 128)
            assert assert_same_text(model, ids, theirs, 128, error) > 40


@pytest.mark.parametrize("layout", ["gpt2", "neox", "qwen3-grouped", "llama"])
def test_llama_cpp_answers_the_same(layout: str, tmp_path: Path) -> None:
    model = answering(layout)
    path, template = write(model, tmp_path), Template(model.tokenizer)
    odd = Message("system", " {{ x }} <b>\n"), *TALKS[0], Message("user", "\n 第二问：{% if %}？ ")
    ended = 0
    with llama_cpp(path, CONTEXT) as server:
        assert worst(model, server) < TRAINED_ERROR[model.settings.style]
        for talk in (*(talk[:1] for talk in TALKS), odd):
            ids = template.prompt(talk)
            messages = [{"role": message.role, "content": message.content} for message in talk]
            answer = server.ask("/v1/chat/completions", messages=messages, max_tokens=40, temperature=0)
            assert answer["usage"]["prompt_tokens"] == len(ids)
            if talk is not odd:
                written, _ = greedy(model, ids, 40)
                assert answer["choices"][0]["message"]["content"] == template.answer(written)
                assert answer["choices"][0]["finish_reason"] == ("stop" if written[-1] in model.ends else "length")
                ended += written[-1] in model.ends
    assert ended > 2


@pytest.mark.parametrize(("precision", "error"), [("f16", 0.02), ("q8_0", 0.5)])
@pytest.mark.parametrize("layout", ["gpt2", "neox", "qwen3-grouped", "llama"])
def test_smaller_files_are_close(layout: str, precision: str, error: float, tmp_path: Path) -> None:
    model = answering(layout)
    whole, small = write(model, tmp_path).stat().st_size, write(model, tmp_path, precision)
    assert small.stat().st_size < 0.7 * whole
    with llama_cpp(small, CONTEXT) as server:
        found = worst(model, server)
    assert TRAINED_ERROR["modern"] < found < error


@pytest.fixture(scope="module", params=["bpe", "char"])
def cutter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A tokenizer, and llama.cpp with its file."""
    kind: TokenizerKind = request.param
    own = trained_tokenizer(kind)
    model = portable("qwen3", layers=1, vocabulary=own.vocabulary)
    with llama_cpp(write(replace(model, tokenizer=own), tmp_path_factory.mktemp(kind)), CONTEXT) as server:
        yield own, server


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_every_text_becomes_the_same_tokens(cutter: Any, text: str) -> None:
    own, server = cutter
    assert server.ids(text) == own.encode(text)


@pytest.mark.slow
def test_the_whole_novel_becomes_the_same_tokens(shuihu_path: Path, tmp_path: Path) -> None:
    chapters = [chapter.text for chapter in clean(read_book(shuihu_path)).chapters]
    own = SentencePieceTokenizer.train(chapters[:120], TokenizerSettings(vocabulary=4300))
    model = random_model(small("qwen3", vocabulary=own.vocabulary))
    novel = replace(portable("qwen3"), settings=model.settings, weights=model.state_dict(), tokenizer=own)
    write_file(novel, tmp_path / "novel.gguf", "f32", "gguf")
    with llama_cpp(tmp_path / "novel.gguf") as server:
        for text in chapters:
            assert server.ids(text) == own.encode(text)


def test_a_lower_block_is_a_space_there(cutter: Any) -> None:
    own, server = cutter
    assert server.ids("阿▁豆") == own.encode("阿 豆") != own.encode("阿▁豆")


def test_no_token_that_training_lacked_is_drawn(tmp_path: Path) -> None:
    model, own = portable("qwen3"), trained_tokenizer()
    with llama_cpp(write(model, tmp_path), CONTEXT) as server:
        drawn = [
            token
            for seed in range(6)
            for token in server.written([own.bos], 120, temperature=3, samplers=["temperature"], seed=seed)
        ]
    assert len(drawn) > 60
    assert not own.unseen.intersection(drawn)


def test_the_run_s_sampling_is_llama_cpp_s_default(tmp_path: Path) -> None:
    sampling = SamplingSettings(temperature=0.6, top_k=7, top_p=0.9, min_p=0.02, repetition_penalty=1.2)
    with llama_cpp(write(replace(portable("qwen3"), sampling=sampling), tmp_path), CONTEXT) as server:
        found = server.ask("/props")["default_generation_settings"]["params"]
    names = {"temperature": 0.6, "top_k": 7, "top_p": 0.9, "min_p": 0.02, "repeat_penalty": 1.2}
    assert {name: found[name] for name in names} == pytest.approx(names)
    assert found["repeat_last_n"] == CONTEXT
    assert found["samplers"] == ["penalties", "temperature", "top_k", "top_p", "min_p"]


@pytest.mark.parametrize("precision", ["f32", "f16", "q8_0"])
@pytest.mark.parametrize("name", CASES)
def test_the_file_holds_these_keys_and_numbers(name: str, precision: str, tmp_path: Path) -> None:
    model = model_of(name)
    reader = gguf.GGUFReader(write(model, tmp_path, precision))
    shape, prefix = model.settings, architecture(model.settings)
    read = {key: field.contents() for key, field in reader.fields.items()}
    wanted = {"context_length": CONTEXT, "embedding_length": 48, "block_count": 3, "attention.head_count": 4}
    wanted |= {"feed_forward_length": shape.feed_forward, "attention.head_count_kv": shape.key_value_heads}
    assert {key: read[f"{prefix}.{key}"] for key in wanted} == wanted
    assert read["general.architecture"] == prefix and read["general.name"] == "bean"
    assert read["tokenizer.ggml.add_space_prefix"] is read["tokenizer.ggml.remove_extra_whitespaces"] is False
    assert read["tokenizer.ggml.tokens"] == model.tokenizer.pieces()
    expected = dict(tensors(model.weights, shape))
    assert [tensor.name for tensor in reader.tensors] == list(expected)
    for tensor in reader.tensors:
        ours = expected[tensor.name].numpy()
        assert tuple(tensor.shape[::-1]) == ours.shape
        numbers = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(ours.shape)
        plain = ours.ndim == 1 or "position" in tensor.name
        odd = precision == "q8_0" and ours.shape[-1] % 32 != 0
        kind = "F32" if plain else "F16" if odd else precision.upper()
        assert tensor.tensor_type.name == kind
        error = {"F32": 0.0, "F16": 1e-3, "Q8_0": 1 / 120}[kind] * np.abs(ours).max()
        np.testing.assert_allclose(numbers, ours, rtol=0, atol=error)


@pytest.mark.parametrize("precision", ["f32", "q8_0"])
def test_the_same_model_is_the_same_bytes(precision: str, tmp_path: Path) -> None:
    model = portable("qwen3", answers=True)
    first = exported(model, tmp_path / "a", "gguf", precision)
    second = exported(model, tmp_path / "b", "gguf", precision)
    names = {path.name for path in first.iterdir()}
    assert {"bean.gguf", "README.md"} <= names
    for name in ("bean.gguf", "README.md"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert ("`blk.0.attn_q.weight`" in (first / "README.md").read_text(encoding="utf-8")) == (precision == "q8_0")


@pytest.mark.parametrize("precision", ["f32", "f16", "q8_0"])
def test_writing_takes_the_memory_of_a_tensor(precision: str, tmp_path: Path) -> None:
    model = portable("llama", layers=40, vocabulary=VOCABULARY)
    largest = max(tensor.nbytes for tensor in model.weights.values())
    write(model, tmp_path)  # imports, caches
    tracemalloc.start()
    write(model, tmp_path, precision)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    whole = sum(tensor.nbytes for tensor in model.weights.values())
    assert whole > 40 * largest
    assert peak < whole / 3


def test_a_name_that_is_no_text_is_written_as_one(tmp_path: Path) -> None:
    folder = exported(replace(portable("qwen3"), name="水\udcff"), tmp_path / "out", "gguf")
    (path,) = (path for path in folder.iterdir() if path.suffix == ".gguf")
    assert gguf.GGUFReader(path).fields["general.name"].contents() == "水\ufffd"


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gguf.GGUFWriter.write_tensor_data", fail)
    with pytest.raises(UserError) as caught:
        exported(portable("qwen3"), tmp_path / "out", "gguf")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def unigram() -> Portable:
    own = trained_tokenizer("unigram")
    return replace(portable("qwen3", vocabulary=own.vocabulary), tokenizer=own)


def too_large() -> Portable:
    model = portable("qwen3")
    return replace(model, weights={**model.weights, "embedding.weight": model.weights["embedding.weight"] * 1e6})


REFUSED = {
    "unigram": (unigram, "f32", "--tokenizer.kind bpe"),
    "reward": (lambda: replace(portable("qwen3"), scores=True), "f32", "--to hf"),
    "heads": (lambda: portable("neox", head_size=16), "f32", "12, not 16|48 / 4"),
    "too-large": (too_large, "f16", "--quantize f32"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_llama_cpp_cannot_hold_is_refused(name: str, tmp_path: Path) -> None:
    make, precision, remedy = REFUSED[name]
    with pytest.raises(UserError, match=remedy) as caught:
        exported(make(), tmp_path / "out", "gguf", precision)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("target", "library"), [("gguf", "gguf"), ("ollama", "gguf"), ("ctranslate2", "ctranslate2")])
def test_a_missing_library_is_one_line(
    target: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modou.interop.needs.find_spec", lambda name: None if name == library else object())
    with pytest.raises(UserError, match=r"pip install 'modou\[export\]'") as caught:
        exported(portable("qwen3"), tmp_path / "out", target)
    assert target in str(caught.value)
    assert not list(tmp_path.iterdir())
