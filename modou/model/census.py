"""Parameters, FLOPs and memory of a model, computed from its settings.

The tests compare them with real models: parameters exactly, FLOPs with torch's counter, activations with what autograd
saves.
"""

from dataclasses import dataclass

from modou.model.loss import CHUNK_NUMBERS, LEAST
from modou.settings.model import ModelSettings

FLOAT32 = 4
"""Bytes."""


@dataclass(frozen=True)
class Memory:
    """Memory of training, in bytes of float32."""

    weights: int
    """Weights."""
    gradients: int
    """Gradients."""
    adamw: int
    """State of AdamW on all parameters: mean and mean square of each gradient."""
    muon: int
    """State of Muon on the block matrices (one momentum) and of AdamW on the rest."""
    loss: int
    """Chunked cross-entropy: logits of a chunk, in place their gradient too, and the gradient of the output matrix."""
    activations_per_token: int
    """Activations that autograd saves for the backward pass, for each token of a batch."""


@dataclass(frozen=True)
class Description:
    """The sizes of a model."""

    parameters: dict[str, int]
    """By group: embedding, positions, attention, feed_forward, norms, head (0 where tied)."""
    total: int
    """Sum of the groups."""
    multiplied: int
    """Weights of the matrix products: block matrices and output matrix, without embeddings."""
    flops_per_token: int
    """Training FLOPs per token, 6 x multiplied + 12 x layers x heads x head width x context (as Chowdhery et al. 2022,
    appendix B: attention without the causal saving)."""
    cache_bytes_per_token: int
    """Bytes of the key-value cache for each token of a row (float32)."""
    memory: Memory
    """Memory of training."""


def describe(settings: ModelSettings) -> Description:
    """The sizes of a model, without building it."""
    matrices, parameters = block_matrices(settings), groups(settings)
    total = sum(parameters.values())
    multiplied = matrices + settings.vocabulary * settings.width
    attention_flops = 12 * settings.layers * mix_width(settings) * settings.context
    keys_and_values = 2 * settings.layers * settings.key_value_heads * settings.head_width
    return Description(
        parameters=parameters,
        total=total,
        multiplied=multiplied,
        flops_per_token=6 * multiplied + attention_flops,
        cache_bytes_per_token=FLOAT32 * keys_and_values,
        memory=Memory(
            weights=FLOAT32 * total,
            gradients=FLOAT32 * total,
            adamw=FLOAT32 * 2 * total,
            muon=FLOAT32 * (2 * total - matrices),
            loss=FLOAT32 * (max(CHUNK_NUMBERS, LEAST * settings.vocabulary) + settings.vocabulary * settings.width),
            activations_per_token=FLOAT32 * kept_activations(settings),
        ),
    )


def qkv_width(settings: ModelSettings) -> int:
    """Width of queries, keys and values together."""
    return (settings.heads + 2 * settings.key_value_heads) * settings.head_width


def mix_width(settings: ModelSettings) -> int:
    """Width of the attention's output of all heads together, before the output matrix."""
    return settings.heads * settings.head_width


def block_matrices(settings: ModelSettings) -> int:
    """Number of weights in all matrices of the blocks."""
    width, gates = settings.width, 2 if settings.style == "modern" else 1
    attention = width * (qkv_width(settings) + mix_width(settings))
    return settings.layers * (attention + (gates + 1) * width * settings.feed_forward)


def groups(settings: ModelSettings) -> dict[str, int]:
    """Parameters by group; biases count with their matrix, scales of QK-norm with the norms."""
    width, layers, hidden = settings.width, settings.layers, settings.feed_forward
    classic = settings.style == "classic"
    attention = width * (qkv_width(settings) + mix_width(settings))
    feed_forward = width * hidden * (2 if classic else 3)
    norm = width
    query_key_norms = 2 * settings.head_width if settings.qk_norm else 0
    if classic:
        attention += qkv_width(settings) + width
        feed_forward += hidden + width
        norm = 2 * width
        query_key_norms = 0
    table = settings.vocabulary * width
    return {
        "embedding": table,
        "positions": settings.context * width if settings.position == "learned" else 0,
        "attention": layers * attention,
        "feed_forward": layers * feed_forward,
        "norms": layers * (2 * norm + query_key_norms) + norm,
        "head": 0 if settings.tied else table,
    }


def kept_activations(settings: ModelSettings) -> int:
    """Activations that autograd saves for one token without dropout (attention weights are recomputed)."""
    width, hidden = settings.width, settings.feed_forward
    # two per norm; queries | keys | values; attention output; hidden layer before and after GELU or SwiGLU
    layer = 4 * width + qkv_width(settings) + mix_width(settings) + 2 * hidden
    if settings.style == "modern":  # up, silu(gate)
        layer += 2 * hidden
        if settings.qk_norm:  # queries and keys before its scale
            layer += (settings.heads + settings.key_value_heads) * settings.head_width
    return settings.layers * layer + 2 * width
