"""CTranslate2 computes the same numbers and writes the same texts."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch
from foreign_helpers import foreign
from greedy_helpers import TALKS, answering, assert_same_text, greedy, log_probabilities
from interop_helpers import CONTEXT, exported, portable, token_ids, trained_tokenizer

from modou.data.conversation import Message, Template
from modou.interop.portable import Portable
from modou.messages import UserError

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", {}),
    "gpt2-untied": ("gpt2", {"tied": False}),
    "neox": ("neox", {"rope_base": 20_000.0}),
    "neox-untied": ("neox", {"tied": False}),
    "qwen3": ("qwen3", {}),
    "qwen3-heads-eps": ("qwen3-grouped", {"tied": False, "head_size": 32, "norm_eps": 1e-3}),
    "llama": ("llama", {}),
    "llama-heads-base": ("llama-grouped", {"tied": False, "head_size": 16, "rope_base": 500.0}),
}
ERROR = 1e-4
"""Of logits, as a share of the largest."""


def model_of(name: str) -> Portable:
    layout, changes = CASES[name]
    return portable(layout, **changes)


def worst(model: Portable, generator: ctranslate2.Generator) -> float:
    """The largest difference of log-probabilities after 1, 17 and all tokens of a row."""
    names, found = model.names, 0.0
    ids = token_ids(1, CONTEXT, seed=3)[0].tolist()
    logits = np.array(generator.forward_batch([[names[id] for id in ids]], return_log_probs=True))
    for length in (1, 17, CONTEXT):
        ours = log_probabilities(model, ids[:length]).numpy()
        found = max(found, float(np.abs(logits[0, length - 1] - ours).max()))
    return found


def written(model: Portable, generator: ctranslate2.Generator, ids: list[int], tokens: int) -> list[int]:
    """The likeliest continuation."""
    names = model.names
    barred = [[names[id]] for id in model.tokenizer.unseen.difference(model.ends)]
    (result,) = generator.generate_batch(
        [[names[id] for id in ids]],
        max_length=tokens,
        include_prompt_in_result=False,
        suppress_sequences=barred,
        end_token=[names[id] for id in model.ends],
    )
    return result.sequences_ids[0]


@pytest.mark.parametrize("name", CASES)
def test_it_computes_and_writes_the_same(name: str, tmp_path: Path) -> None:
    model, own = model_of(name), trained_tokenizer()
    generator = ctranslate2.Generator(str(exported(model, tmp_path / "out", "ctranslate2")))
    assert worst(model, generator) < ERROR
    for prompt in ("阿豆", "The miller "):
        ids = [own.bos, *own.encode(prompt)]
        theirs = written(model, generator, ids, 128)
        assert assert_same_text(model, ids, theirs, 128, ERROR) > 40


@pytest.mark.parametrize("layout", ["gpt2", "neox", "qwen3-grouped", "llama"])
def test_it_answers_the_same(layout: str, tmp_path: Path) -> None:
    model = answering(layout)
    generator = ctranslate2.Generator(str(exported(model, tmp_path / "out", "ctranslate2")))
    template, by_heart = Template(model.tokenizer), 0
    for talk in TALKS:
        ids = list(template.prompt(talk[:1]))
        theirs = written(model, generator, ids, 40)
        assert_same_text(model, ids, theirs, 40, ERROR)
        by_heart += template.answer(theirs) == talk[1].content
    assert by_heart > 2


@pytest.mark.parametrize(("precision", "error"), [("f16", 0.02), ("q8_0", 0.6)])
def test_other_precisions_are_close_and_small(precision: str, error: float, tmp_path: Path) -> None:
    model = answering("qwen3-grouped")
    before = {name: tensor.clone() for name, tensor in model.weights.items()}
    whole = exported(model, tmp_path / "f32", "ctranslate2")
    small = exported(model, tmp_path / precision, "ctranslate2", precision)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.weights.items())
    assert worst(model, ctranslate2.Generator(str(small), compute_type="float32")) < error
    assert (small / "model.bin").stat().st_size < 0.7 * (whole / "model.bin").stat().st_size


def test_the_directory_says_what_it_is(tmp_path: Path) -> None:
    model = answering("neox")
    first, second = (exported(model, tmp_path / name, "ctranslate2") for name in "ab")
    for path in first.iterdir():
        if path.is_file():
            assert path.read_bytes() == (second / path.name).read_bytes(), path.name
    config = json.loads((first / "config.json").read_text(encoding="utf-8"))
    names = json.loads((first / "vocabulary.json").read_text(encoding="utf-8"))
    assert names == model.names
    assert (config["bos_token"], config["eos_token"], config["unk_token"]) == ("<s>", "<|end|>", "<unk>")
    assert config["layer_norm_epsilon"] == pytest.approx(1e-5)
    barred = json.loads((first / "suppressed.json").read_text(encoding="utf-8"))
    assert {names.index(name) for name in barred} == model.tokenizer.unseen.difference(model.ends)


def code_of(folder: Path) -> str:
    """The program of the card, for that folder."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    return card.split("```python\n")[1].split("```")[0].replace('path = "."', f"path = {str(folder)!r}")


@pytest.mark.parametrize("answers", [False, True], ids=["base", "sft"])
def test_the_code_of_the_card_runs(answers: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = answering("gpt2") if answers else portable("gpt2")
    folder = exported(model, tmp_path / "out", "ctranslate2")
    exec(code_of(folder), {})
    said = capsys.readouterr().out
    if answers:
        own = Template(model.tokenizer)
        ids = own.prompt([Message("user", "话说")])
        assert said == own.answer(greedy(model, ids, CONTEXT - len(ids))[0]) + "\n"
    assert said


def reward() -> Portable:
    return replace(portable("qwen3"), scores=True)


def too_large() -> Portable:
    model = portable("qwen3")
    return replace(model, weights={**model.weights, "norm.weight": model.weights["norm.weight"] * 1e6})


@pytest.mark.parametrize(("make", "remedy"), [(reward, "--to hf"), (too_large, "--quantize f32")])
def test_what_it_cannot_hold_is_refused(make: Callable[[], Portable], remedy: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=remedy):
        exported(make(), tmp_path / "out", "ctranslate2", "f16")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["gpt2", "qwen", "fallback"])
def test_a_foreign_tokenizer_goes_along(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = foreign(kind, rows=450).extended()
    model = replace(portable("llama", endless=False, vocabulary=own.vocabulary), tokenizer=own)
    folder = exported(model, tmp_path / "out", "ctranslate2")
    generator = ctranslate2.Generator(str(folder))
    ids = [own.bos, *own.encode("第3天 The snail's 哈哈 <think>")]
    theirs = written(model, generator, ids, 60)
    assert assert_same_text(model, ids, theirs, 60, ERROR) > 5
    exec(code_of(folder), {})
    assert capsys.readouterr().out
