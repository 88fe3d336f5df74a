"""An imported model goes out again: as it came, or trained further, whole or as adapters on its base."""

import json
from pathlib import Path

import pytest
import torch
from import_helpers import CONFIGS, command, imported, write_model
from train_helpers import DOES, WHAT, WHERE, WHO, sentences
from transformers import AutoModelForCausalLM, AutoTokenizer

import modou
from modou.runs.folder import RunFolder
from modou.runs.weights import load_model, load_weights

peft = pytest.importorskip("peft")
# peft's own call of transformers
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
TEXT = sentences(3, 55)
LORA = ("--lora.rank", "2", "--train.steps", "2", "--train.batch", "2", "--train.threads", "1")


@pytest.mark.parametrize("name", CONFIGS)
def test_it_goes_out_as_it_came_and_comes_back(name: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model", name, rows=450 if name == "qwen3" else None, dtype=torch.bfloat16)
    run = imported(tmp_path / "model", tmp_path / "run")
    assert command("export", run.path, "--to", "hf", "--out", tmp_path / "out") == 0
    was, now = (
        AutoModelForCausalLM.from_pretrained(tmp_path / folder, dtype=torch.float32) for folder in ("model", "out")
    )
    weights = was.state_dict()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in now.state_dict().items())
    before, after = (AutoTokenizer.from_pretrained(tmp_path / folder) for folder in ("model", "out"))
    assert after(TEXT)["input_ids"] == before(TEXT)["input_ids"]
    back, (own, tokenizer, _) = imported(tmp_path / "out", tmp_path / "back"), load_weights(run)
    weights = own.state_dict()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in load_weights(back)[0].state_dict().items())
    again = load_weights(back)[1]
    assert again.sha256 == tokenizer.sha256 and again.unseen == tokenizer.unseen


def test_trained_further_it_goes_out_whole_or_as_adapters(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model", "llama")
    imported(tmp_path / "model", tmp_path / "run")
    rows = [
        {"instruction": f"{who}{place}？", "output": f"{does}{what}。"}
        for who, place, does, what in zip(WHO, WHERE, DOES, WHAT, strict=True)
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "chat.jsonl").write_text(lines, encoding="utf-8")
    for base, out in (("run", "marked"), ("marked", "lora")):
        assert command("sft", tmp_path / base, tmp_path / "chat.jsonl", "--out", tmp_path / out, *LORA) == 0
    for folder, words in (("marked", []), ("lora", []), ("lora", ["--adapter"])):
        assert command("export", tmp_path / folder, "--to", "hf", *words) == 0
    ids = torch.randint(400, (2, 40), generator=torch.Generator().manual_seed(2))
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "marked-hf")
    with torch.inference_mode():
        ours = load_model(RunFolder(tmp_path / "lora"))[0](ids)
        adapted = peft.PeftModel.from_pretrained(base, tmp_path / "lora-adapter").eval()
        whole = AutoModelForCausalLM.from_pretrained(tmp_path / "lora-hf").eval()
        assert (adapted(ids).logits - ours).abs().max() <= 1e-4
        assert (whole(ids).logits - ours).abs().max() <= 1e-4
    back = imported(tmp_path / "lora-hf", tmp_path / "back")
    assert modou.load(back.path).chat([{"role": "user", "content": "谁？"}], tokens=3) is not None
    assert torch.equal(load_model(back)[0](ids), load_model(RunFolder(tmp_path / "lora"))[0](ids))
