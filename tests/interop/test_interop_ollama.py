"""Ollama's folder: the Modelfile read back by rules of Ollama's own reader, and its template filled in.

Ollama itself is not run: the reader and the template here follow its source (parser/parser.go, template/template.go).
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from greedy_helpers import TALKS, answering
from hypothesis import given
from hypothesis import strategies as st
from interop_helpers import exported, portable
from llama_cpp_helpers import llama_cpp

from modou.data.conversation import Message, Template
from modou.interop.exports.ollama import ANSWERS, CONTINUES, modelfile, name_there, quoted
from modou.settings.sampling import SamplingSettings

NEWLINES, SPACES = "\r\n", " \t"


def unquoted(value: str) -> str | None:
    """The text of a value; None if its quotation is not over."""
    for quote in ('"""', '"'):
        if value.startswith(quote):
            return value[len(quote) : -len(quote)] if value.endswith(quote) and len(value) >= 2 * len(quote) else None
    return value


def read(text: str) -> list[tuple[str, str]]:
    """Name and value of each instruction of a Modelfile, as its reader takes them character by character."""
    found: list[tuple[str, str]] = []
    name, held, in_value = "", "", False
    for character in text:
        is_end = character in NEWLINES
        if not in_value:
            if character in SPACES and held and held.lower() != "parameter":
                name, held, in_value = held, "", True
            elif character in SPACES + NEWLINES:
                held = ""
            else:
                held += character
        elif is_end and (value := unquoted(held.strip())) is not None:
            found.append((name.lower(), value))
            held, in_value = "", False
        elif is_end or character in SPACES or character.isprintable():
            held += character
    assert not in_value and not held
    return found


def rendered(template: str, messages: Sequence[Message]) -> str:
    """A Go template of this one form: a loop over messages, fields in it, text around it."""
    found = re.fullmatch(r"\{\{ range \.Messages \}\}(.*)\{\{ end \}\}(.*)", template, re.DOTALL)
    assert found
    body, rest = found.groups()
    assert "{{" not in rest and set(re.findall(r"\{\{.*?\}\}", body)) == {"{{ .Role }}", "{{ .Content }}"}
    fields = {"{{ .Role }}": "role", "{{ .Content }}": "content"}
    fill = lambda one: re.sub(r"\{\{.*?\}\}", lambda match: getattr(one, fields[match[0]]), body)  # noqa: E731
    return "".join(map(fill, messages)) + rest


def one(found: list[tuple[str, str]], name: str) -> str:
    (value,) = (value for key, value in found if key == name)
    return value


def test_a_base_model_continues_the_prompt_as_it_is() -> None:
    found = read(modelfile(portable("neox")))
    assert found[0] == ("from", "./model.gguf")
    assert one(found, "template") == CONTINUES == "{{ .Prompt }}"
    assert not [value for name, value in found if name == "stop"]


def test_the_run_s_sampling_overrides_every_default_of_ollama() -> None:
    sampling = SamplingSettings(tokens=70, temperature=0.65, top_k=0, top_p=1.0, min_p=0.015, repetition_penalty=1.25)
    found = read(modelfile(replace(portable("gpt2"), sampling=sampling)))
    wanted = {"num_ctx": 160, "num_predict": 70, "temperature": 0.65, "top_k": 0, "top_p": 1, "min_p": 0.015}
    wanted |= {"repeat_penalty": 1.25, "repeat_last_n": -1}
    assert {name: float(one(found, name)) for name in wanted} == wanted
    assert {name for name, _ in found} == {"from", "template", *wanted}


ODD = (
    Message("system", " 你是\n船工。 "),
    Message("user", "{{ .System }} <b>\r\n"),
    Message("assistant", '"""'),
    Message("user", ""),
)


@pytest.mark.parametrize("talk", [TALKS[0][:1], TALKS[1], ODD], ids=["question", "answered", "odd"])
def test_the_template_is_the_one_of_training(talk: Sequence[Message], tmp_path: Path) -> None:
    """bos and the ids of the rendered text are those of our template: llama.cpp cuts it, marks parsed."""
    model = answering("qwen3-grouped")
    folder = exported(model, tmp_path / "out", "ollama")
    template = one(read((folder / "Modelfile").read_text(encoding="utf-8")), "template")
    assert template == ANSWERS
    with llama_cpp(folder / "model.gguf") as server:
        ids = server.ask("/tokenize", content=rendered(template, talk), add_special=True, parse_special=True)["tokens"]
    assert tuple(ids) == Template(model.tokenizer).prompt(talk)


def test_answers_end_at_the_mark_and_at_the_run_s_stops() -> None:
    model = answering("qwen3-grouped")
    stops = ("——", '说"不"', "一\n二", ' "', '"""', "a\\nb", "# x", "''")
    found = read(modelfile(replace(model, sampling=SamplingSettings(stop=stops))))
    assert [value for name, value in found if name == "stop"] == ["<|end|>", *stops]


@given(
    text=st.text(st.one_of(st.sampled_from('"\n\r\t ab豆\u3000'), st.characters(exclude_categories=["Cs"])), min_size=1)
)
def test_a_stop_comes_back_or_is_left_out(text: str) -> None:
    value = quoted(text)
    if value is None:
        assert (
            re.search(r'"""\s*[\r\n]', text)
            or not text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable()
        )
    else:
        assert read(f"FROM x\nPARAMETER stop {value}\nPARAMETER top_k 1\n")[1:] == [("stop", text), ("top_k", "1")]


def test_the_card_says_what_was_left_out_and_what_to_run(tmp_path: Path) -> None:
    sampling = SamplingSettings(stop=("\u3000", "。"), no_repeat_ngram=4)
    model = replace(portable("qwen3"), name="水浒 v1.0", sampling=sampling)
    folder = exported(model, tmp_path / "out", "ollama", "q8_0")
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "ollama create v1.0 -f Modelfile" in card
    assert "'\\u3000'" in card and "'。'" not in card
    assert (
        "before top-k" in card
        and "no_repeat_ngram" in card
        and "blk.0.attn_q.weight" in card
        and "OLLAMA_NEW_ENGINE" in card
    )
    assert "OLLAMA_NEW_ENGINE" not in (exported(portable("neox"), tmp_path / "b", "ollama") / "README.md").read_text(
        encoding="utf-8"
    )
    assert (folder / "Modelfile").read_text(encoding="utf-8").count("PARAMETER stop") == 1


@pytest.mark.parametrize(
    ("name", "there"), [("run-1", "run-1"), ("水浒", "modou"), (".x y", "xy"), ("a" * 99, "a" * 80)], ids=str
)
def test_the_name_is_one_that_ollama_takes(name: str, there: str) -> None:
    assert name_there(replace(portable("qwen3"), name=name)) == there
