"""A folder for Ollama: model.gguf, and a Modelfile with the template and all parameters that would change texts."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from modou import storage
from modou.interop.card import Remark, Use, card, example
from modou.interop.exports import gguf
from modou.interop.gguf_model import architecture
from modou.interop.portable import Portable, Target
from modou.messages import Language
from modou.messages import quoted as for_a_shell
from modou.tokenizer.sentencepiece import SentencePieceTokenizer

FILE_NAME = "model.gguf"
MODELFILE = "Modelfile"
_LONGEST_NAME = 80
CONTINUES = "{{ .Prompt }}"
ANSWERS = "{{ range .Messages }}<|{{ .Role }}|>{{ .Content }}<|end|>{{ end }}<|assistant|>"
"""The template of `modou.data.conversation`, without bos, which the file's `add_bos_token` adds."""
_ENDS_EARLY = re.compile(r'"""\s*[\r\n]')
"""Where a value in three quotation marks is over: at the first line that ends in them."""


def write(model: Portable, folder: Path, precision: str) -> None:
    """Writes the folder. UserError: as `gguf.write_file`."""
    gguf.write_file(model, folder / FILE_NAME, precision, "ollama")
    storage.write_text_atomically(folder / MODELFILE, modelfile(model))
    use = Use("gguf", _code, partial(_remarks, precision=precision))
    storage.write_text_atomically(folder / "README.md", card(model, use))


def modelfile(model: Portable) -> str:
    """The Modelfile."""
    lines = [f"FROM ./{FILE_NAME}", f'TEMPLATE """{ANSWERS if model.answers else CONTINUES}"""']
    lines += [f"PARAMETER {name} {value}" for name, value in parameters(model)]
    return "\n".join(lines) + "\n"


def parameters(model: Portable) -> Iterator[tuple[str, str]]:
    """Name and value of each parameter; those that the run did not set override Ollama's own, too."""
    sampling = model.sampling
    numbers: dict[str, float] = {
        "num_ctx": model.settings.context,
        "num_predict": sampling.tokens,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repetition_penalty,
        "repeat_last_n": -1,
    }
    for name, number in numbers.items():
        yield name, format(number, ".10g") if isinstance(number, float) else str(number)
    for stop in stops(model):
        if (value := quoted(stop)) is not None:
            yield "stop", value


def stops(model: Portable) -> list[str]:
    """The strings that end a text."""
    return [*(["<|end|>"] if model.answers else []), *model.sampling.stop]


def quoted(text: str) -> str | None:
    """A value of a Modelfile, or None: it knows no escapes, and drops characters that are not printable."""
    if _ENDS_EARLY.search(text) or not all(character.isprintable() or character in "\t\r\n" for character in text):
        return None
    quote = '"""' if '"' in text else '"'
    return f"{quote}{text}{quote}"


def _remarks(model: Portable, precision: str) -> Iterator[Remark]:
    yield "card_ollama_not_run", {}
    yield from (remark for remark in gguf.remarks(model, precision) if remark[0] != "card_gguf_sampling")
    if model.answers:
        yield "card_ollama_roles", {}
    if architecture(model.settings) == "qwen3" and isinstance(model.tokenizer, SentencePieceTokenizer):
        yield "card_ollama_engine", {}
    if model.sampling.temperature not in (0, 1):
        yield "card_ollama_order", {}
    if left_out := [stop for stop in stops(model) if quoted(stop) is None]:
        yield "card_ollama_stop", {"stops": ", ".join(map(repr, left_out))}


def name_there(model: Portable) -> str:
    """A name that Ollama accepts: ASCII letters, digits, `_`, `-` and `.`."""
    return re.sub(r"[^A-Za-z0-9_.-]", "", model.name).lstrip(".-")[:_LONGEST_NAME] or "modou"


def _code(model: Portable, language: Language) -> list[str]:
    del language
    name, prompt = name_there(model), example(model)[0]
    return ["```bash", f"ollama create {name} -f {MODELFILE}", f'ollama run {name} "{prompt}"', "```"]


def _command(model: Portable, path: Path) -> str:
    return f"ollama create {name_there(model)} -f {for_a_shell((path / MODELFILE).as_posix(), plain=True)}"


TARGET = Target("ollama", write, gguf.TARGET.precisions, _command)
