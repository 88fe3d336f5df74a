"""The README.md of an export: a model card, with metadata in YAML, in English and Chinese.

All figures come from report.json; what it does not hold is left out.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from modou.interop.layouts import layout_of
from modou.interop.portable import Portable
from modou.messages import Language, catalogue
from modou.model.census import describe
from modou.report import values as v
from modou.report.words import Words
from modou.tokenizer.sentencepiece import SentencePieceTokenizer

_IMPORTS = """\
from transformers import {model}, AutoTokenizer

path = "."  # {folder}
tokenizer = AutoTokenizer.from_pretrained(path)
"""
_LOADS = "model = {model}.from_pretrained(path)\n"
_ADAPTS = """\
from peft import PeftModel

model = AutoModelForCausalLM.from_pretrained("{base}")
{grown}model = PeftModel.from_pretrained(model, path)
model.generation_config.eos_token_id = {ends}
"""
_CONTINUES = """\
ids = tokenizer("{prompt}", return_tensors="pt")
print(tokenizer.decode(model.generate(**ids, max_length=tokenizer.model_max_length)[0], skip_special_tokens=True))
"""
_ANSWERS = """\
messages = [{{"role": "user", "content": "{prompt}"}}]
ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
written = model.generate(**ids, max_length=tokenizer.model_max_length)[0][ids["input_ids"].shape[1] :]
print(tokenizer.decode(written, skip_special_tokens=True))
"""
_SCORES = """\
messages = [{{"role": "user", "content": "{prompt}"}}, {{"role": "assistant", "content": "{answer}"}}]
ids = tokenizer.apply_chat_template(messages, return_tensors="pt", return_dict=True)
print(model(**ids).logits.item())
"""
_BASELINES = {"kn5": "card_kn5", "kn3": "card_kn3", "xz": "card_xz"}


Remark = tuple[str, dict[str, Any]]
"""A message of the catalogue, and its values."""


@dataclass(frozen=True)
class Use:
    """What a card says of the software that the export is for."""

    library: str
    """In the metadata."""
    code: Callable[[Portable, Language], list[str]]
    """How the model is used: lines of Markdown."""
    remarks: Callable[[Portable], Iterable[Remark]]
    """What to mind."""


def card(model: Portable, use: Use | None = None) -> str:
    """The whole file; without `use` for transformers or peft."""
    use = use or Use("transformers" if model.adapters is None else "peft", _code, _remarks)
    english, chinese = _section(model, use, "en"), _section(model, use, "zh")
    return "\n".join([*_metadata(model, use), "", f"# {model.name}", *english, "", "# 中文", *chinese]) + "\n"


def example(model: Portable) -> tuple[str, str]:
    """A prompt and an answer in the language of the text."""
    return ("话说", "不知道。") if model.about.language != "en" else ("Once upon a time", "I do not know.")


def _metadata(model: Portable, use: Use) -> Iterator[str]:
    yield "---"
    if model.about.licence:
        yield f"license: {json.dumps(model.about.licence, ensure_ascii=False)}"
    else:
        yield f"license: unknown  # {_said('card_license_key', 'en')}"
    if model.about.language:
        yield f"language: {json.dumps([model.about.language])}"
    yield f"library_name: {use.library}"
    yield f"pipeline_tag: {'text-classification' if model.scores else 'text-generation'}"
    yield 'tags: ["modou"]'
    yield "---"


def _said(key: str, language: Language, **values: Any) -> str:
    return catalogue("interop")[key][language].format(**values)


def _section(model: Portable, use: Use, language: Language) -> Iterator[str]:
    """One language's half."""
    yield ""
    yield _said(_kind(model), language)
    yield ""
    yield _facts(model, language)
    for title, lines in (
        ("card_load", use.code(model, language)),
        ("card_measured", list(_figures(model, language))),
        ("card_mind", [f"- {_said(key, language, **values)}" for key, values in use.remarks(model)]),
        ("card_license", [_licence(model, language)]),
    ):
        if lines:
            yield from ("", f"## {_said(title, language)}", "", *lines)


def _kind(model: Portable) -> str:
    return "card_scores" if model.scores else "card_answers" if model.answers else "card_continues"


def _licence(model: Portable, language: Language) -> str:
    if model.about.licence:
        return _said("card_license_of_source", language, licence=model.about.licence)
    return _said("card_license_said", language, corpus=_corpus(model, language))


def _corpus(model: Portable, language: Language) -> str:
    return ", ".join(model.about.texts) or _said("card_some_text", language)


def _facts(model: Portable, language: Language) -> str:
    shape = model.settings
    return _said(
        "card_facts",
        language,
        corpus=_corpus(model, language),
        method=model.about.method or "-",
        step=model.step,
        parameters=f"{describe(shape).total:,}",
        layout=layout_of(shape).causal.removesuffix("LMHeadModel").removesuffix("ForCausalLM"),
        **{name: getattr(shape, name) for name in ("layers", "width", "heads", "context", "vocabulary")},
    )


def _code(model: Portable, language: Language) -> list[str]:
    prompt, answer = example(model)
    kind = "AutoModelForSequenceClassification" if model.scores else "AutoModelForCausalLM"
    use = _SCORES if model.scores else _ANSWERS if model.answers else _CONTINUES
    loads = (
        _LOADS.format(model=kind)
        if model.adapters is None
        else _ADAPTS.format(base=model.adapters.base, grown=_grown(model), ends=model.ends)
    )
    begins = _IMPORTS.format(model=kind, folder=_said("card_folder", language))
    uses = use.format(prompt=prompt, answer=answer)
    return ["```python", *(begins + loads + uses).splitlines(), "```"]


def _grown(model: Portable) -> str:
    """The line that gives the base's table its new rows."""
    if model.adapters is None or not model.adapters.rows_added:
        return ""
    return f"model.resize_token_embeddings({model.settings.vocabulary}, mean_resizing=False)\n"


def _figures(model: Portable, language: Language) -> Iterator[str]:
    """The evaluation as a table; nothing where the report says nothing."""
    rows = list(_rows(model, language))
    if rows:
        yield f"| {_said('card_measure', language)} | {_said('card_value', language)} |"
        yield "|---|---|"
        yield from (f"| {name} | {value} |" for name, value in rows)


def _rows(model: Portable, language: Language) -> Iterator[tuple[str, str]]:
    report, words = model.about.report, Words(language)
    for path, key in (("test", "card_test"), ("validation", "card_validation")):
        if (bits := v.number(report, f"{path}.bits_per_char")) is not None:
            yield _said(key, language), f"{words.decimal(bits)}{_interval(v.interval(report, f'{path}.interval'))}"
    for name, key in _BASELINES.items():
        if (bits := v.number(report, f"baselines.{name}.bits_per_char")) is not None:
            yield _said(key, language), words.decimal(bits)
    if v.number(report, "validation.bits_per_char") is None:  # an aligned run
        for name, value in v.group(report, "validation").items():
            if (number := v.as_number(value)) is not None:
                yield _said("card_held_out", language, name=name), words.plain(number)


def _interval(found: tuple[float, float] | None) -> str:
    return f" [{found[0]:.2f}, {found[1]:.2f}]" if found else ""


def _remarks(model: Portable) -> Iterator[Remark]:
    if model.answers or model.scores:
        yield "card_marks", {}
        yield "card_rendered", {}
    if model.scores:
        yield "card_end_mark", {"bias": model.weights["score.bias"].item()}
    elif model.tokenizer.unseen:
        yield "card_unseen", {}
    if not isinstance(model.tokenizer, SentencePieceTokenizer):
        yield "card_bos", {"bos": model.tokenizer.pieces()[model.tokenizer.bos]}
    if model.settings.position == "learned":
        yield "card_learned", {"context": model.settings.context}
