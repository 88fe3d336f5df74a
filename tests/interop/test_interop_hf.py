"""A Hugging Face directory: transformers loads it and computes, tokenizes and writes the same."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from interop_helpers import CONTEXT, LAYOUTS, VOCABULARY, exported, portable, token_ids
from safetensors import safe_open

from modou.data.conversation import Message, Template
from modou.generate.engine import complete
from modou.interop.directory import open_directory
from modou.interop.portable import About, Portable
from modou.messages import UserError
from modou.model.gpt import plain_gpt
from modou.settings.sampling import SamplingSettings

transformers = pytest.importorskip("transformers")

CLOSE = 1e-4
CASES = [(layout, tied) for layout in LAYOUTS for tied in (True, False)]
TALK = (Message("system", " 慢慢说 "), Message("user", "谁 in the rain?\n\n"), Message("assistant", "豆娘。 "))
TURNS = [{"role": turn.role, "content": turn.content} for turn in TALK]


def load(folder: Path) -> Any:
    """The model, into which every tensor has found its place."""
    model, info = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    return model.eval()


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(("layout", "tied"), CASES)
@torch.no_grad()
def test_logits_are_the_same(layout: str, tied: bool, tmp_path: Path) -> None:
    model = portable(layout, tied=tied)
    ours, theirs = plain_gpt(model.settings, model.weights).eval(), load(exported(model, tmp_path / "out"))
    for length in (1, 17, CONTEXT):
        ids_BT = token_ids(2, length, length)
        assert (ours(ids_BT) - theirs(ids_BT).logits).abs().max() < CLOSE
    alone_BT = token_ids(1, 9, 5)
    padded_BT = torch.cat([torch.full((1, 6), model.tokenizer.pad), alone_BT], 1)
    mask_BT = (padded_BT != model.tokenizer.pad).long()
    found = theirs(padded_BT, attention_mask=mask_BT, position_ids=(mask_BT.cumsum(-1) - 1).clamp(min=0))
    assert (ours(alone_BT) - found.logits[:, 6:]).abs().max() < CLOSE


@pytest.mark.parametrize(
    ("layout", "answers", "tokens"),
    [*((layout, answers, 128) for layout in LAYOUTS for answers in (False, True)), ("llama", True, 29)],
)
def test_greedy_texts_are_the_same(layout: str, answers: bool, tokens: int, tmp_path: Path) -> None:
    model = portable(layout, answers=answers, endless=tokens == 128)
    folder = exported(model, tmp_path / "out")
    theirs, tokenizer = load(folder), transformers.AutoTokenizer.from_pretrained(folder)
    template = Template(model.tokenizer)
    if answers:
        prompt = list(template.prompt(TALK[:2]))
        given = tokenizer.apply_chat_template(TURNS[:2], add_generation_prompt=True, return_tensors="pt")
    else:
        prompt = [model.tokenizer.bos, *model.tokenizer.encode("阿豆 看见了")]
        given = tokenizer("阿豆 看见了", return_tensors="pt")
    assert given["input_ids"].tolist() == [prompt]
    written = theirs.generate(**given, do_sample=False, max_new_tokens=128)[0].tolist()[len(prompt) :]
    (ours,) = complete(
        plain_gpt(model.settings, model.weights).eval(),
        model.tokenizer,
        [prompt],
        SamplingSettings(temperature=0, tokens=128),
        ends=template.ends if answers else None,
    )
    assert written == ours.ids and len(written) == tokens
    assert not model.tokenizer.unseen.intersection(written).difference(model.ends)


@pytest.mark.parametrize("layout", ["gpt2", "neox", "llama"])
def test_a_padded_batch_is_written_like_each_text_alone(layout: str, tmp_path: Path) -> None:
    folder = exported(portable(layout), tmp_path / "out")
    model, tokenizer = load(folder), transformers.AutoTokenizer.from_pretrained(folder)
    texts = ["阿豆", "老船工 found three beans in the rain", "x"]
    options: dict[str, Any] = {"do_sample": False, "max_new_tokens": 20}
    batch = model.generate(**tokenizer(texts, padding=True, return_tensors="pt"), **options)[:, -20:]
    alone = [model.generate(**tokenizer(text, return_tensors="pt"), **options)[0, -20:] for text in texts]
    assert batch.tolist() == [one.tolist() for one in alone]


def test_conversations_have_the_same_ids_and_the_same_mask(tmp_path: Path) -> None:
    model = portable("qwen3", answers=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(exported(model, tmp_path / "out"))
    talk = (*TALK, Message("user", "{{ x }} <b>&amp; {% y %}"), Message("assistant", "\n\t"))
    turns = [{"role": turn.role, "content": turn.content} for turn in talk]
    ours = Template(model.tokenizer).encode(talk)
    theirs = tokenizer.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
    assert theirs["input_ids"] == list(ours.ids)
    assert theirs["assistant_masks"] == [int(one) for one in ours.trained]
    rendered = tokenizer.apply_chat_template(turns, tokenize=False)
    assert tokenizer(rendered, add_special_tokens=False)["input_ids"] == list(ours.ids)


@pytest.mark.parametrize(
    "turn", [{"role": "tool", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": "x"}]}], ids=str
)
def test_what_conversations_do_not_have_raises(turn: dict[str, Any], tmp_path: Path) -> None:
    folder = exported(portable("neox", answers=True), tmp_path / "out")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with pytest.raises(Exception, match=r"unknown role|one text"):
        tokenizer.apply_chat_template([turn])


def test_a_base_model_has_no_chat_template_and_one_end(tmp_path: Path) -> None:
    base = exported(portable("qwen3"), tmp_path / "base")
    assert not (base / "chat_template.jinja").exists() and "chat_template" not in read(base, "tokenizer_config.json")
    own = portable("qwen3", answers=True)
    sft = exported(own, tmp_path / "sft")
    assert read(base, "generation_config.json")["eos_token_id"] == own.tokenizer.eos
    barred = {"base": set(read(base, "generation_config.json")["suppress_tokens"])}
    barred["sft"] = set(read(sft, "generation_config.json")["suppress_tokens"])
    assert read(sft, "generation_config.json")["eos_token_id"] == [own.tokenizer.eos, own.tokenizer.end]
    assert barred["base"] - barred["sft"] == {own.tokenizer.end}


def test_the_runs_sampling_is_the_default(tmp_path: Path) -> None:
    folder = exported(portable("gpt2"), tmp_path / "out")
    found = transformers.GenerationConfig.from_pretrained(folder)
    assert (found.do_sample, found.temperature, found.top_k, found.top_p) == (True, 0.7, 9, 0.95)


@pytest.mark.parametrize("precision", ["f16", "bf16"])
def test_other_precisions_are_in_file_and_configuration(precision: str, tmp_path: Path) -> None:
    model = portable("qwen3")
    folder = exported(model, tmp_path / "out", precision=precision)
    word = {"f16": "float16", "bf16": "bfloat16"}[precision]
    assert read(folder, "config.json")["dtype"] == word
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert {str(file.get_tensor(name).dtype) for name in file.keys()} == {f"torch.{word}"}  # noqa: SIM118
    assert next(load(folder).parameters()).dtype == getattr(torch, word)


def test_a_number_beyond_float16_is_refused(tmp_path: Path) -> None:
    model = portable("qwen3")
    large = {**model.weights, "norm.weight": torch.full((48,), 1e6)}
    with pytest.raises(UserError, match=r"model\.norm\.weight.*float16.*--quantize f32"):
        exported(Portable(**{**vars(model), "weights": large}), tmp_path / "out", precision="f16")
    assert not list(tmp_path.iterdir())


def test_a_tied_table_is_there_once(tmp_path: Path) -> None:
    for tied, heads in ((True, 0), (False, 1)):
        folder = exported(portable("qwen3", tied=tied), tmp_path / str(tied))
        with safe_open(folder / "model.safetensors", "pt") as file:
            tables = [name for name in file.keys() if file.get_slice(name).get_shape() == [VOCABULARY, 48]]  # noqa: SIM118
        assert len(tables) == 1 + heads


def test_the_licence_of_an_imported_model_goes_along(tmp_path: Path) -> None:
    folder = exported(portable("llama", about=About(licence="apache-2.0")), tmp_path / "out")
    assert open_directory(folder).licence == "apache-2.0"
    assert open_directory(exported(portable("llama"), tmp_path / "own")).licence is None
    assert "license is apache-2.0" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_card_tells_the_reports_figures(tmp_path: Path) -> None:
    report = {
        "test": {"bits_per_char": 4.25, "interval": [4.0, 4.5]},
        "validation": {"bits_per_char": 4.125, "interval": None},
        "baselines": {"kn5": {"bits_per_char": 4.875}},
    }
    about = About("pretrain", ("novel.txt",), "zh", report)
    said = (exported(portable("qwen3", about=about), tmp_path / "out") / "README.md").read_text(encoding="utf-8")
    assert said.startswith("---\nlicense: unknown") and 'language: ["zh"]' in said
    for part in ("4.25 [4.00, 4.50]", "| 4.12 |", "4.88", "novel.txt", "AutoModelForCausalLM", "# 中文"):
        assert part in said


def scored(layout: str) -> Portable:
    model = portable(layout, endless=False)
    score = {"score.weight": torch.ones(1, model.settings.width), "score.bias": torch.tensor([0.5])}
    return replace(model, weights={**model.weights, **score}, scores=True)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("kind", ["continues", "answers", "scores"])
def test_the_cards_program_runs_as_written(
    kind: str, language: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = scored("neox") if kind == "scores" else portable("gpt2", answers=kind == "answers")
    folder = exported(replace(model, about=About(language=language)), tmp_path / "out")
    _, first, between, second, _ = re.split(r"```python\n|```\n", (folder / "README.md").read_text(encoding="utf-8"))
    assert "中文" in between
    for code in (first, second):
        exec(code.replace('path = "."', f"path = {str(folder)!r}"), {})
        assert len(capsys.readouterr().out.strip()) > 5
