"""A directory for CTranslate2: model.bin, config.json, vocabulary.json, and the tokenizer, which CTranslate2 lacks.

CTranslate2 takes and gives names of tokens. Those in vocabulary.json are raw ones, `Portable.names`, by id.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from modou import storage
from modou.interop.card import Remark, Use, card, example
from modou.interop.needs import require
from modou.interop.portable import Portable, Target
from modou.interop.tokenizer_json import write_tokenizer_json
from modou.messages import Language, UserError
from modou.settings.model import ModelSettings

_TYPES = {"f32": "float32", "f16": "float16", "q8_0": "int8"}
"""CTranslate2's names; its int8 has a scale for each row."""
SUPPRESSED = "suppressed.json"
_CODE = """\
import json
from pathlib import Path

import ctranslate2
import tokenizers

path = "."
tokenizer = tokenizers.Tokenizer.from_file(f"{{path}}/tokenizer.json")
tokenizer.encode_special_tokens = True  # a mark in a text is text
suppressed = [[name] for name in json.loads(Path(path, "suppressed.json").read_text(encoding="utf-8"))]
names = json.loads(Path(path, "vocabulary.json").read_text(encoding="utf-8"))
words = [names[id] for id in tokenizer.encode({prompt}, add_special_tokens=False).ids]
prompt = [{before}*words{after}]
generator = ctranslate2.Generator(path)
(result,) = generator.generate_batch(
    [prompt],
    max_length={context} - len(prompt),
    include_prompt_in_result=False,
    suppress_sequences=suppressed or None,
    {sampling},
)
print(tokenizer.decode(result.sequences_ids[0]))
"""


def write(model: Portable, folder: Path, precision: str) -> None:
    """Writes the directory.

    UserError: the library is not installed, a reward model; a weight is too large for float16; disk full, no
    permission.
    """
    require(model, "ctranslate2", "ctranslate2")
    for name, tensor in model.weights.items() if precision == "f16" else ():
        if not bool(tensor.half().isfinite().all()):
            raise UserError("interop.too_large", tensor=name, dtype="float16")
    made = specification(model)
    made.validate()
    made.optimize(_TYPES[precision])
    with storage.user_errors(folder):
        made.save(str(folder))
    own = model.tokenizer
    write_tokenizer_json(own, folder)
    names = model.names
    storage.write_json_atomically(folder / SUPPRESSED, [names[id] for id in sorted(own.unseen.difference(model.ends))])
    use = Use("ctranslate2", _code, partial(_remarks, precision=precision))
    storage.write_text_atomically(folder / "README.md", card(model, use))


def specification(model: Portable) -> Any:
    """The model as CTranslate2 describes it, with our weights."""
    from ctranslate2.specs import TransformerDecoderModelSpec, common_spec

    shape, own, names = model.settings, model.tokenizer, model.names
    is_modern, is_rotary = shape.style == "modern", shape.position == "rope"
    made: Any = TransformerDecoderModelSpec.from_config(
        shape.layers,
        shape.heads,
        activation=common_spec.Activation.SWISH if is_modern else common_spec.Activation.GELUTanh,
        ffn_glu=is_modern,
        rms_norm=is_modern,
        qk_norm=is_modern and shape.qk_norm,
        rotary_dim=shape.head_width if is_rotary else None,
        rotary_interleave=False,
        rotary_base=shape.rope_base,
        num_heads_kv=shape.key_value_heads,
        head_dim=shape.head_width,
    )
    made.decoder.scale_embeddings = False
    for place, tensor in placed(model.weights, shape):
        _set(made.decoder, place, tensor.numpy(force=True).copy())  # the library quantizes in place
    made.register_vocabulary(names)
    made.config.bos_token, made.config.unk_token = names[own.bos], names[own.eos if own.unk is None else own.unk]
    made.config.eos_token = names[model.ends[-1]]
    made.config.layer_norm_epsilon = shape.epsilon
    return made


def placed(weights: Mapping[str, Tensor], shape: ModelSettings) -> Iterator[tuple[str, Tensor]]:
    """Each tensor with its place in the decoder: attributes, and the number of a layer, by dots."""
    is_modern = shape.style == "modern"
    yield "embeddings.weight", weights["embedding.weight"]
    yield "projection.weight", weights["embedding.weight" if shape.tied else "head.weight"]
    if shape.position == "learned":
        yield "position_encodings.encodings", weights["positions.weight"]
    norms = {"norm": "layer_norm"}
    matrices: dict[str, str] = {}
    for layer in range(shape.layers):
        ours, theirs = f"blocks.{layer}", f"layer.{layer}"
        norms[f"{ours}.attention_norm"] = f"{theirs}.self_attention.layer_norm"
        norms[f"{ours}.feed_forward_norm"] = f"{theirs}.ffn.layer_norm"
        if is_modern and shape.qk_norm:
            norms[f"{ours}.attention.query_norm"] = f"{theirs}.self_attention.q_norm"
            norms[f"{ours}.attention.key_norm"] = f"{theirs}.self_attention.k_norm"
        matrices[f"{ours}.attention.qkv"] = f"{theirs}.self_attention.linear.0"
        matrices[f"{ours}.attention.out"] = f"{theirs}.self_attention.linear.1"
        matrices[f"{ours}.feed_forward.down"] = f"{theirs}.ffn.linear_1"
        if is_modern:
            gate, up = weights[f"{ours}.feed_forward.up.weight"].chunk(2)
            yield f"{theirs}.ffn.linear_0.weight", gate
            yield f"{theirs}.ffn.linear_0_noact.weight", up
        else:
            matrices[f"{ours}.feed_forward.up"] = f"{theirs}.ffn.linear_0"
    for names, kinds in ((norms, ("gamma", "beta")), (matrices, ("weight", "bias"))):
        for old, new in names.items():
            yield f"{new}.{kinds[0]}", weights[f"{old}.weight"]
            if not is_modern:
                yield f"{new}.{kinds[1]}", weights[f"{old}.bias"]


def _set(decoder: Any, place: str, value: Any) -> None:
    *path, last = place.split(".")
    for part in path:
        decoder = decoder[int(part)] if part.isdigit() else getattr(decoder, part)
    setattr(decoder, last, value)


def _remarks(model: Portable, precision: str) -> Iterator[Remark]:
    yield "card_ct2_names", {}
    if model.tokenizer.unseen:
        yield "card_ct2_suppressed", {}
    if precision == "q8_0":
        yield "card_ct2_int8", {}


def _code(model: Portable, language: Language) -> list[str]:
    del language
    own, names, sampling = model.tokenizer, model.names, model.sampling
    marks = {name: names[id] for name, id in own.controls.items()}
    before = [names[own.bos], *([marks["user"]] if model.answers else [])]
    after = [marks["end"], marks["assistant"]] if model.answers else []
    options = {
        "sampling_temperature": sampling.temperature or 1.0,
        "sampling_topk": sampling.top_k if sampling.temperature else 1,
        "sampling_topp": sampling.top_p,
        "repetition_penalty": sampling.repetition_penalty,
        "no_repeat_ngram_size": sampling.no_repeat_ngram,
    }
    code = _CODE.format(
        prompt=json.dumps(example(model)[0], ensure_ascii=False),
        before="".join(f"{json.dumps(name)}, " for name in before),
        after="".join(f", {json.dumps(name)}" for name in after),
        context=model.settings.context,
        sampling=", ".join(f"{name}={value}" for name, value in options.items()),
    )
    return ["```python", *code.splitlines(), "```"]


def _command(model: Portable, path: Path) -> str:
    return f"ctranslate2.Generator({path.as_posix()!r})"


TARGET = Target("ctranslate2", write, tuple(_TYPES), _command)
