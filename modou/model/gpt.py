"""The GPT: a decoder-only transformer from token ids to next-token logits.

    x = token embedding (+ position embedding)
    for each block:   x = x + attention(norm(x));   x = x + feed_forward(norm(x))
    logits = head(norm(x))

Four architectures by settings.model: style classic with learned positions is GPT-2 (Radford et al. 2019), classic with
RoPE is GPT-NeoX with sequential residuals (Black et al. 2022), modern with RoPE is Qwen3 (Yang et al. 2025), modern
without QK-norm is Llama (Touvron et al. 2023).

Shapes: B batch, T positions, D width, F feed-forward width, V vocabulary.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modou.model.attention import Attention, document_mask
from modou.model.cache import KVCache
from modou.model.fused import RMSNorm, swiglu
from modou.model.loss import next_token_loss
from modou.model.positions import rotary_table, sinusoid_table
from modou.settings.model import ModelSettings

BYTE = 256


def dropout(x: Tensor, share: float, training: bool) -> Tensor:
    """Dropout with probability `share` (Srivastava et al. 2014); x itself outside training. Uses torch's generator.

    On a CPU a random byte decides each activation, eight from one draw: torch's own dropout would take a seventh of a
    training step of a small model. So the probability is exact to 1/256.
    """
    if not training or not share:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, share)
    threshold = min(max(1, round(share * BYTE)), BYTE - 1)
    draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(1 << 63), None)
    kept = draws.view(torch.uint8)[: x.numel()].view(x.shape) >= threshold
    return x * kept.to(x.dtype).mul_(BYTE / (BYTE - threshold))


@contextmanager
def evaluation_mode(model: nn.Module) -> Generator[None]:
    """Without dropout inside; afterwards the model is in the mode it was in."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def make_norm(settings: ModelSettings) -> nn.Module:
    """LayerNorm (Ba et al. 2016) in style classic, RMSNorm (Zhang & Sennrich 2019) in style modern."""
    if settings.style == "classic":
        return nn.LayerNorm(settings.width, eps=settings.epsilon)
    return RMSNorm(settings.width, eps=settings.epsilon)


class FeedForward(nn.Module):
    """The feed-forward layer, with GELU (tanh approximation) or SwiGLU (Shazeer 2020)."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.gated = settings.style == "modern"
        bias = not self.gated
        self.up = nn.Linear(settings.width, settings.feed_forward * (2 if self.gated else 1), bias=bias)
        self.down = nn.Linear(settings.feed_forward, settings.width, bias=bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        x_BTG = self.up(x_BTD)
        return self.down(swiglu(x_BTG) if self.gated else F.gelu(x_BTG, approximate="tanh"))


class Block(nn.Module):
    """One layer: attention, then feed-forward, each with pre-norm and a residual connection."""

    def __init__(self, settings: ModelSettings, layer: int) -> None:
        super().__init__()
        self.attention_norm = make_norm(settings)
        self.attention = Attention(settings, layer)
        self.feed_forward_norm = make_norm(settings)
        self.feed_forward = FeedForward(settings)
        self.dropout = settings.dropout

    def forward(
        self, x_BTD: Tensor, rotary_2TS: Tensor | None, cache: KVCache | None, mask_B1TT: Tensor | None = None
    ) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        x_BTD = x_BTD + self._drop(self.attention(self.attention_norm(x_BTD), rotary_2TS, cache, mask_B1TT))
        return x_BTD + self._drop(self.feed_forward(self.feed_forward_norm(x_BTD)))

    def _drop(self, x_BTD: Tensor) -> Tensor:
        return dropout(x_BTD, self.dropout, self.training)


class GPT(nn.Module):
    """See the module's docstring. New weights are drawn from torch's generator, see `initialise`."""

    rotary_2CS: Tensor

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(settings.vocabulary, settings.width)
        if settings.position == "learned":
            self.positions = nn.Embedding(settings.context, settings.width)
        else:  # not in the state dict
            self.register_buffer("rotary_2CS", self._rotary(settings.context), persistent=False)
        self.blocks = nn.ModuleList(Block(settings, layer) for layer in range(settings.layers))
        self.norm = make_norm(settings)
        if not settings.tied:
            self.head = nn.Linear(settings.width, settings.vocabulary, bias=False)
        initialise(self)
        self.training_hidden = self.hidden  # may be replaced by a compiled version; only training calls it

    @property
    def head_VD(self) -> Tensor:
        """The output matrix: a row for each token (the embedding matrix if tied)."""
        return self.embedding.weight if self.settings.tied else self.head.weight

    def forward(self, ids_BT: Tensor, cache: KVCache | None = None) -> Tensor:
        """Next-token logits at every position, (B, T, V). With a cache, ids are the new tokens only."""
        return self.logits(self.hidden(ids_BT, cache))

    def hidden(self, ids_BT: Tensor, cache: KVCache | None = None, start_BT: Tensor | None = None) -> Tensor:
        """Hidden states after the last norm, (B, T, D). ValueError: more positions than learned embeddings.

        start_BT (without a cache): for rows of several documents, the first position of each position's document.
        Attention and positions are then those of each document alone.
        """
        start = cache.length if cache is not None else 0
        end = start + ids_BT.shape[1]
        x_BTD = self.embedding(ids_BT)
        rotary_2TS: Tensor | None = None
        if self.settings.position == "learned":
            if end > self.settings.context:
                raise ValueError(f"learned positions end at {self.settings.context}, not {end}")
            x_BTD = x_BTD + self._learned_positions(start, end, start_BT)
        else:
            if end > self.rotary_2CS.shape[1]:  # longer than the training context
                self.rotary_2CS = self._rotary(end).to(self.rotary_2CS.device)
            rotary_2TS = self.rotary_2CS[:, start:end]
        x_BTD = dropout(x_BTD, self.settings.dropout, self.training)
        mask_B1TT = None if start_BT is None else document_mask(start_BT)
        for block in self.blocks:
            x_BTD = block(x_BTD, rotary_2TS, cache, mask_B1TT)
        if cache is not None:
            cache.advance(ids_BT.shape[1])
        return self.norm(x_BTD)

    def logits(self, x_BTD: Tensor) -> Tensor:
        """Logits (B, T, V) from hidden states."""
        return F.linear(x_BTD, self.head_VD)

    def loss(self, ids_BT: Tensor, target_BT: Tensor, start_BT: Tensor | None = None) -> Tensor:
        """Cross-entropy in nats, summed over the positions whose target is not -100. start_BT: see `hidden`."""
        return next_token_loss(self.training_hidden(ids_BT, None, start_BT), self.head_VD, target_BT)

    def fresh_copy(self) -> "GPT":
        """A model of the same class and shape, newly initialised."""
        return GPT(self.settings)

    def matrices_in(self, name: str) -> tuple[int, int]:
        """How the block parameter `name` splits into separate matrices of equal size, as (dimension, count): those of
        each head, and gate and up."""
        shape = self.settings
        if name.endswith("qkv.weight"):
            return 0, shape.heads + 2 * shape.key_value_heads
        if name.endswith("out.weight"):
            return 1, shape.heads
        return 0, 2 if name.endswith("up.weight") and shape.style == "modern" else 1

    def new_cache(self, batch: int, length: int) -> KVCache:
        """An empty cache for `batch` rows of up to `length` positions."""
        shape = self.settings
        like = self.embedding.weight
        return KVCache.empty(shape.layers, batch, shape.key_value_heads, length, shape.head_width, like)

    def _learned_positions(self, start: int, end: int, start_BT: Tensor | None) -> Tensor:
        """Embeddings of positions start to end, (T, D); with start_BT counted within documents, (B, T, D). (Rotary
        embeddings depend on distances only.)"""
        if start_BT is None:
            return self.positions.weight[start:end]
        return F.embedding(torch.arange(start, end, device=start_BT.device) - start_BT, self.positions.weight)

    def _rotary(self, length: int) -> Tensor:
        return rotary_table(length, self.settings.head_width, self.settings.rope_base)


@torch.no_grad()
def initialise(model: GPT) -> None:
    """Initialises all parameters from torch's generator, in the order of `named_parameters`.

    | tensor                              | value                                                              |
    |-------------------------------------|--------------------------------------------------------------------|
    | token embedding                     | N(0, 0.02)                                                         |
    | position embedding                  | 0.02 x sines and cosines (mean square 1)                           |
    | head (untied)                       | N(0, 0.02)                                                         |
    | qkv, up                             | N(0, 1/sqrt(fan in)), half of it in classic                        |
    | out, down (write to the residual)   | the same / sqrt(2 x layers), so that depth does not add up (GPT-2) |
    | norm scales; all biases             | 1; 0                                                               |
    """
    depth = (2 * model.settings.layers) ** -0.5
    for name, parameter in model.named_parameters():
        leaf = name.rsplit(".", 2)[-2]
        if name.endswith("bias"):
            parameter.zero_()
        elif "norm" in leaf:
            parameter.fill_(1.0)
        elif leaf == "positions":
            parameter.copy_(0.02 * sinusoid_table(*parameter.shape))
        elif leaf in ("embedding", "head"):
            parameter.normal_(std=0.02)
        else:
            gain = 1.0 if model.settings.style == "modern" else 0.5
            std = gain * parameter.shape[1] ** -0.5
            parameter.normal_(std=std * (depth if leaf in ("out", "down") else 1.0))


def plain_gpt(settings: ModelSettings, weights: Mapping[str, Tensor]) -> GPT:
    """A GPT on the CPU with these weights, which draws no random number."""
    with torch.random.fork_rng(devices=[]):
        model = GPT(settings)
    model.load_state_dict(weights)
    return model


@torch.no_grad()
def with_added_tokens(model: GPT, spelled: Mapping[int, Sequence[int]]) -> GPT:
    """A plain GPT on the CPU with a new token for each id of `spelled`, which gives the ids of the token's name; with
    no token to add, the model itself. A new id follows the vocabulary, or is a row of it that belonged to no token.

    A new row, of the embedding and of an untied head, is the mean of the rows of those ids: deterministic, yet
    different for each token, which low-rank adapters need, since they do not train these matrices. The old tokens'
    logits do not change, and no new token's logit exceeds the largest of its ids'.
    """
    if not spelled:
        return model
    weights, vocabulary = model.state_dict(), max(model.settings.vocabulary, max(spelled) + 1)
    for name in ("embedding.weight", "head.weight"):
        if name in weights:
            rows_VD = weights[name]
            larger_VD = rows_VD.new_zeros(vocabulary, rows_VD.shape[1])
            larger_VD[: len(rows_VD)] = rows_VD
            for id, ids in spelled.items():
                larger_VD[id] = rows_VD[list(ids)].mean(0)
            weights[name] = larger_VD
    settings = model.settings.changed(vocabulary=vocabulary)
    return plain_gpt(settings, weights).train(model.training)
