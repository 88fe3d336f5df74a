"""A model in the terms of a GGUF file: architecture, keys, tensors. Nothing is read or written here.

| modou                       | architecture | difference                                                  |
|-----------------------------|--------------|-------------------------------------------------------------|
| classic+learned             | gpt2         |                                                             |
| classic+rope                | gptneox      | a tied head is a tensor of its own                          |
| modern+rope                 | qwen3        | q, k, v and gate, up become matrices of their own           |
| modern+rope without QK-norm | llama        | the same; rows of q and k in the order of interleaved pairs |

Matrices are (out, in), as ours. What has one dimension, and positions, is float32 in every file.
"""

from collections.abc import Iterator, Mapping

from torch import Tensor

from modou.interop.layouts import layout_of
from modou.settings.model import ModelSettings

Value = bool | int | float | str | list[int] | list[float] | list[str]
"""Of a key: an int is unsigned, ints of a list are signed, both of 32 bits; floats are float32."""

_NAMES = {
    "attention_norm": "attn_norm",
    "attention.out": "attn_output",
    "feed_forward_norm": "ffn_norm",
    "feed_forward.down": "ffn_down",
}
_CLASSIC = {"attention.qkv": "attn_qkv", "feed_forward.up": "ffn_up"}
_QK_NORMS = {"attention.query_norm": "attn_q_norm", "attention.key_norm": "attn_k_norm"}
POSITIONS = "position_embd.weight"


def architecture(settings: ModelSettings) -> str:
    """Its name in the file. UserError: see `layout_of`."""
    return layout_of(settings).model_type.replace("_", "")


def model_keys(settings: ModelSettings) -> dict[str, Value]:
    """The keys of the architecture. UserError: as `architecture`."""
    name = architecture(settings)
    norm = "layer_norm_epsilon" if settings.style == "classic" else "layer_norm_rms_epsilon"
    keys: dict[str, Value] = {
        "context_length": settings.context,
        "embedding_length": settings.width,
        "block_count": settings.layers,
        "feed_forward_length": settings.feed_forward,
        "attention.head_count": settings.heads,
        "attention.head_count_kv": settings.key_value_heads,
        f"attention.{norm}": settings.epsilon,
    }
    if settings.position == "rope":
        keys |= {"rope.freq_base": settings.rope_base, "rope.dimension_count": settings.head_width}
    if name == "gptneox":
        keys["use_parallel_residual"] = False
    if settings.style == "modern":
        keys |= {"attention.key_length": settings.head_width, "attention.value_length": settings.head_width}
    return {f"{name}.{key}": value for key, value in keys.items()}


def tensors(weights: Mapping[str, Tensor], settings: ModelSettings) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors, one at a time: few of them take memory of their own."""
    yield "token_embd.weight", weights["embedding.weight"]
    if settings.position == "learned":
        yield POSITIONS, weights["positions.weight"]
    kinds = ("weight", "bias") if settings.style == "classic" else ("weight",)
    for layer in range(settings.layers):
        ours, theirs = f"blocks.{layer}", f"blk.{layer}"
        names = _NAMES | (_CLASSIC if settings.style == "classic" else _QK_NORMS if settings.qk_norm else {})
        for old, new in names.items():
            for kind in kinds:
                yield f"{theirs}.{new}.{kind}", weights[f"{ours}.{old}.{kind}"]
        if settings.style == "modern":
            for name, tensor in _cut(weights, settings, ours):
                yield f"{theirs}.{name}.weight", tensor
    for kind in kinds:
        yield f"output_norm.{kind}", weights[f"norm.{kind}"]
    if not settings.tied:
        yield "output.weight", weights["head.weight"]
    elif architecture(settings) == "gptneox":
        yield "output.weight", weights["embedding.weight"]


def _cut(weights: Mapping[str, Tensor], settings: ModelSettings, block: str) -> Iterator[tuple[str, Tensor]]:
    counts = (settings.heads, settings.key_value_heads, settings.key_value_heads)
    rows = [count * settings.head_width for count in counts]
    query, key, value = weights[f"{block}.attention.qkv.weight"].split(rows)
    if not settings.qk_norm:
        query, key = (_interleaved(matrix, settings.head_width) for matrix in (query, key))
    yield from (("attn_q", query), ("attn_k", key), ("attn_v", value))
    gate, up = weights[f"{block}.feed_forward.up.weight"].chunk(2)
    yield from (("ffn_gate", gate), ("ffn_up", up))


def _interleaved(matrix: Tensor, size: int) -> Tensor:
    """Rows i and i + size / 2 of each head, which rotate together, become neighbours."""
    return matrix.unflatten(0, (-1, 2, size // 2)).transpose(1, 2).flatten(0, 2)
