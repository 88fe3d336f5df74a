"""One new token a row through the GPT, as fast as eager PyTorch allows: the step that generation repeats.

The same computation as `GPT.forward` with a cache (tested equal), without what a single position does not need: the
residual is added inside the product, queries and keys are normalised and turned together, attention over the cache is
two batched products, and weights and views are looked up once instead of at every token. On two CPU cores this halves
the time of a token of a 9M model; where the model is not plain (adapters, hooks, sharding, compiled), `next_logits`
goes the ordinary way.

Shapes: L layers, B rows, D width, F feed-forward width, H query heads, K key-value heads, G = H / K queries a key,
S head size, R = B x K, C capacity, P positions so far, V vocabulary, Q = (G + 2) x K x S, 2 = keys and values.
"""

import contextlib
import mmap
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modou.model.attention import Attention
from modou.model.cache import KVCache
from modou.model.gpt import GPT, Block, FeedForward
from modou.model.scored import ScoredGPT

NextLogits = Callable[[Tensor], Tensor]
HUGE_PAGE = 2 << 20
PLAIN = (
    GPT,
    ScoredGPT,
    Block,
    Attention,
    FeedForward,
    nn.Linear,
    nn.Embedding,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.ModuleList,
)


def next_logits(model: GPT, cache: KVCache) -> NextLogits:
    """The function ids_B -> logits_BV that appends one token a row to `cache` and scores the next."""
    mixed = torch.is_autocast_enabled(model.embedding.weight.device.type)  # its own products would not be
    if is_plain(model) and not mixed:
        return OneToken(model, cache)
    return lambda ids_B: model.logits(model.hidden(ids_B[:, None], cache))[:, 0]


def is_plain(model: nn.Module) -> bool:
    """Whether the model is made of exactly our modules, none replaced, wrapped or hooked."""
    for module in model.modules():
        hooked = module._forward_hooks or module._forward_pre_hooks  # pyright: ignore[reportPrivateUsage]
        if hooked or type(module) not in PLAIN:
            return False
    return True


class Linear(NamedTuple):
    """A linear layer as a product reads it: its matrix (in, out) and bias (None where it has none).

    A product with one row is bound by memory, and libraries leave it to one thread. There the matrix is cut into N
    stretches of outputs, (N, in, out / N), and the bias with it, (N, 1, out / N): as a batch of N products, each thread
    reads a stretch of its own.
    """

    matrix: Tensor
    bias: Tensor | None

    def of(self, x: Tensor) -> Tensor:
        """x W + bias."""
        if self.matrix.ndim == 3:
            x = x.expand(self.matrix.shape[0], 1, -1)
            y = torch.bmm(x, self.matrix) if self.bias is None else torch.baddbmm(self.bias, x, self.matrix)
            return y.view(1, -1)
        y = torch.mm(x, self.matrix)  # the bias afterwards, in place: addmm would copy it out first
        return y if self.bias is None else y.add_(self.bias)

    def add_to(self, sum: Tensor, x: Tensor) -> None:
        """sum += x W + bias."""
        if self.matrix.ndim == 3:
            sum = sum.view(self.matrix.shape[0], 1, -1)
            sum.baddbmm_(x.expand(self.matrix.shape[0], 1, -1), self.matrix)
        else:
            sum.addmm_(x, self.matrix)
        if self.bias is not None:
            sum.add_(self.bias)


class Layer(NamedTuple):
    """What one block computes with."""

    norm: tuple[Tensor, Tensor | None]
    qkv: Linear
    query_key_norm: Tensor | None
    """Scales of the heads' norms, (G + 1, K, S); None where the layout has none."""
    out: Linear
    feed_forward_norm: tuple[Tensor, Tensor | None]
    up: Linear
    down: Linear


class OneToken:
    """See the file's top. Holds no state of its own: all of it is in the cache. For inference mode."""

    def __init__(self, model: GPT, cache: KVCache) -> None:
        self.model, self.cache, self.shape = model, cache, model.settings
        self.classic = self.shape.style == "classic"
        self.norm_shape, self.head_shape = (self.shape.width,), (self.shape.head_size,)
        self.scale = self.shape.head_size**-0.5
        self.filled_L2RCS = cache.filled_L2BKCS.flatten(2, 3)
        self.groups = self.shape.heads // self.shape.key_value_heads
        stretches = torch.get_num_threads() if cache.batch == 1 and not cache.filled_L2BKCS.is_cuda else 1
        self.layers = [self._layer(block, stretches) for block in model.blocks if isinstance(block, Block)]
        self.norm = weights(model.norm)
        self.head = linear(model.head_VD, None, stretches)
        self.turns = self.shape.position == "rope"
        if self.turns:
            cos_CS, sin_CS = model.rotary_2CS.to(cache.filled_L2BKCS.dtype).unbind(0)
            half = self.shape.head_size // 2
            self.cos_CS, self.signed_sin_CS = cos_CS, torch.cat((-sin_CS[:, :half], sin_CS[:, half:]), dim=1)

    def _layer(self, block: Block, stretches: int) -> Layer:
        attention, feed_forward = block.attention, block.feed_forward
        query_key_norm = None
        if attention.normalised:
            query_GKS = attention.query_norm.weight.expand(self.groups, attention.kv_heads, -1)
            query_key_norm = torch.cat((query_GKS, attention.key_norm.weight.expand(1, attention.kv_heads, -1)))
        return Layer(
            norm=weights(block.attention_norm),
            qkv=linear(*weights(attention.qkv), stretches),
            query_key_norm=query_key_norm,
            out=linear(*weights(attention.out), stretches),
            feed_forward_norm=weights(block.feed_forward_norm),
            up=linear(*weights(feed_forward.up), stretches),
            down=linear(*weights(feed_forward.down), stretches),
        )

    def __call__(self, ids_B: Tensor) -> Tensor:
        """Appends the tokens to the cache; scores of the next ones, (B, V)."""
        position = self.cache.length
        assert position < self.cache.capacity, "the cache is full"
        x_BD = F.embedding(ids_B, self.model.embedding.weight)
        if not self.turns:
            x_BD = x_BD + self.model.positions.weight[position]
        keys_L, values_L = self.filled_L2RCS.narrow(3, 0, position + 1).unbind(1)
        places_L = self.cache.filled_L2BKCS.select(4, position).transpose(1, 2).unbind(0)
        scores_RGP = x_BD.new_empty(self.filled_L2RCS.shape[2], self.groups, position + 1)
        everything = zip(self.layers, places_L, keys_L.mT.unbind(0), values_L.unbind(0), strict=True)
        for layer, place_B2KS, keys_RSP, values_RPS in everything:
            qkv_BQ = layer.qkv.of(self._norm(x_BD, *layer.norm))
            query_RGS = self._place(layer, qkv_BQ, position, place_B2KS)
            scores_RGP.baddbmm_(query_RGS, keys_RSP, beta=0, alpha=self.scale)
            mix_RGS = torch.bmm(scores_RGP.softmax(-1), values_RPS)
            layer.out.add_to(x_BD, mix_RGS.view(-1, self.shape.width))
            y_BF = layer.up.of(self._norm(x_BD, *layer.feed_forward_norm))
            layer.down.add_to(x_BD, self._bend(y_BF))
        self.cache.advance(1)
        return self.head.of(self._norm(x_BD, *self.norm))

    def _norm(self, x_BD: Tensor, scale_D: Tensor, shift_D: Tensor | None) -> Tensor:
        if self.classic:
            return torch.layer_norm(x_BD, self.norm_shape, scale_D, shift_D, 1e-5)
        return torch.rms_norm(x_BD, self.norm_shape, scale_D, 1e-6)

    def _bend(self, y_BF: Tensor) -> Tensor:
        if self.classic:
            return F.gelu(y_BF, approximate="tanh")
        gate_BF, up_BF = y_BF.chunk(2, dim=-1)
        return F.silu(gate_BF) * up_BF

    def _place(self, layer: Layer, qkv_BQ: Tensor, position: int, place_B2KS: Tensor) -> Tensor:
        """Turns queries and keys (where the layout does), puts keys and values in their place; the queries."""
        groups, size = self.groups, self.shape.head_size
        qkv_BXKS = qkv_BQ.view(-1, groups + 2, self.shape.key_value_heads, size)  # X: G queries, a key, a value
        if self.turns:
            turned_BXKS = straight_BXKS = qkv_BXKS.narrow(1, 0, groups + 1)
            if layer.query_key_norm is not None:
                straight_BXKS = torch.rms_norm(straight_BXKS, self.head_shape, None, 1e-6) * layer.query_key_norm
            swapped_BXKS = straight_BXKS.roll(size // 2, -1)
            torch.mul(straight_BXKS, self.cos_CS[position], out=turned_BXKS)
            turned_BXKS.addcmul_(swapped_BXKS, self.signed_sin_CS[position])
        place_B2KS.copy_(qkv_BXKS.narrow(1, groups, 2))
        return qkv_BQ.narrow(1, 0, self.shape.heads * size).reshape(-1, groups, size)


def weights(module: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a linear layer or a norm (None where it has no bias)."""
    parameters = dict(module.named_parameters(recurse=False))
    return parameters["weight"], parameters.get("bias")


def linear(matrix: Tensor, bias: Tensor | None, stretches: int) -> Linear:
    """A layer (out, in) in that many stretches of outputs, or whole where they do not divide them."""
    if stretches == 1 or matrix.shape[0] % stretches:
        return Linear(matrix.T, bias)
    cut = matrix.T.unflatten(1, (stretches, -1)).transpose(0, 1)
    return Linear(cut, None if bias is None else bias.view(stretches, 1, -1))


@torch.no_grad()
def store_for_reading(model: GPT) -> None:
    """Lays the matrices of products column by column, one behind the other, into huge pages, in place; values and
    shapes stay. (A table that is only looked up stays by rows.)

    A product with one row of input is bound by memory: it reads a matrix in the order in which it lies, a third faster
    than row by row, and pages of 2 MiB instead of 4 KiB spare a sixth of the rest.
    """
    matrices = [parameter for parameter in model.blocks.parameters() if parameter.ndim == 2] + [model.head_VD]
    room = huge_pages(sum(matrix.numel() for matrix in matrices))
    for matrix in matrices:
        place, room = room[: matrix.numel()], room[matrix.numel() :]
        matrix.data = place.view(matrix.shape[1], matrix.shape[0]).copy_(matrix.data.T).T


def huge_pages(count: int) -> Tensor:
    """Room for `count` float32 numbers, in huge pages where the system has them."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(count)
    size = -(-4 * count // HUGE_PAGE) * HUGE_PAGE
    memory = mmap.mmap(-1, size + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    room = torch.frombuffer(memory, dtype=torch.float32)
    return room[-room.data_ptr() % HUGE_PAGE // 4 :][:count]
