"""The model's elementwise functions for training on a CPU, with their gradients written out.

Each equals the formula in its docstring, values and gradients (tested). Composed of torch's operations, the formula
would read and write all activations several times more: on two cores a third of a small model's step. Outside training
on a CPU (inference, GPUs, torch.compile, which fuses by itself) the formula is computed as it stands.

Shapes: B rows, T positions, H query heads, K key-value heads, X = H + K, S head size, Q = (H + 2 K) x S, F feed-forward
width, D width.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from modou.model.positions import rotate


def is_training_on_cpu(x: Tensor) -> bool:
    """Whether gradients of x are computed on a CPU by torch's eager engine."""
    return x.device.type == "cpu" and torch.is_grad_enabled() and not torch.compiler.is_compiling()


B = TypeVar("B", bound=Callable[..., Any])


def first_order(backward: B) -> B:
    """A gradient of this backward pass is refused: it would be wrong."""
    kept: Any = once_differentiable(backward)
    return kept


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x / sqrt(mean(x²) + eps) * weight over the last dimension (Zhang & Sennrich 2019)."""
    if is_training_on_cpu(x):
        return _RMSNorm.apply(x, weight, eps)  # pyright: ignore[reportReturnType]
    # torch's fused kernel needs one dtype; under autocast they differ.
    return F.rms_norm(x, (x.shape[-1],), weight.to(x.dtype), eps)


class RMSNorm(nn.RMSNorm):
    """A layer of `rms_norm`."""

    def forward(self, x: Tensor) -> Tensor:
        """Of x's shape."""
        assert self.eps is not None
        return rms_norm(x, self.weight, self.eps)


def reciprocal_root_mean_square(x: Tensor, eps: float) -> Tensor:
    """1 / sqrt(mean(x²) + eps) over the last dimension, which is kept."""
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        scale = reciprocal_root_mean_square(x, eps)
        normal = x * scale
        ctx.save_for_backward(normal, scale, weight)
        return normal * weight

    @staticmethod
    @first_order
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        normal, scale, weight = ctx.saved_tensors
        product = grads[0] * normal
        summed = product.reshape(-1, product.shape[-1]).sum(0)
        return _norm_gradient(grads[0] * weight, product, normal, scale, weight), summed, None


def _norm_gradient(grad: Tensor, product: Tensor, normal: Tensor, scale: Tensor, weight: Tensor) -> Tensor:
    """scale (grad - normal mean(product weight)): the gradient of x, where `grad` is that of normal; in place."""
    mean = (product @ weight).unsqueeze(-1).div_(-normal.shape[-1])
    return grad.addcmul_(normal, mean).mul_(scale)


def swiglu(x_BTG: Tensor) -> Tensor:
    """silu(gate) * up of x = gate | up, (B, T, 2 F) to (B, T, F) (Shazeer 2020)."""
    if is_training_on_cpu(x_BTG):
        return _SwiGLU.apply(x_BTG)  # pyright: ignore[reportReturnType]
    gate_BTF, up_BTF = x_BTG.chunk(2, dim=-1)
    return F.silu(gate_BTF) * up_BTF


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_BTG: Tensor) -> Tensor:
        gate_BTF, up_BTF = x_BTG.chunk(2, dim=-1)
        open_BTF = F.silu(gate_BTF)
        ctx.save_for_backward(x_BTG, open_BTF)
        return open_BTF * up_BTF

    @staticmethod
    @first_order
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        x_BTG, open_BTF = ctx.saved_tensors
        gate_BTF, up_BTF = x_BTG.chunk(2, dim=-1)
        grad_BTG = torch.empty_like(x_BTG)
        grad_gate_BTF, grad_up_BTF = grad_BTG.chunk(2, dim=-1)
        torch.mul(grads[0], open_BTF, out=grad_up_BTF)
        torch.ops.aten.silu_backward.grad_input(grads[0] * up_BTF, gate_BTF, grad_input=grad_gate_BTF)
        return grad_BTG


class Heads(NamedTuple):
    """How a row of queries, keys and values divides into heads: q | k | v."""

    queries: int
    keys: int
    size: int


def split_heads(
    qkv_BTQ: Tensor, heads: Heads, norms: tuple[Tensor, Tensor] | None, eps: float, rotary_2TS: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries (B, H, T, S), keys and values (B, K, T, S). norms: scales of QK-norm, (S,) of queries and of keys.

    rotate(rms_norm(q)), rotate(rms_norm(k)), v; without norms or without rotary table, that step is left out.
    """
    if rotary_2TS is not None and is_training_on_cpu(qkv_BTQ):
        query, key, value = _SplitHeads.apply(qkv_BTQ, heads, *(norms or (None, None)), eps, rotary_2TS)  # pyright: ignore[reportGeneralTypeIssues]
        return query, key, value
    counts = (heads.queries, heads.keys, heads.keys)
    query_BHTS, key_BKTS, value_BKTS = (
        part.unflatten(-1, (count, heads.size)).transpose(1, 2)
        for part, count in zip(qkv_BTQ.split([count * heads.size for count in counts], dim=-1), counts, strict=True)
    )
    if norms is not None:
        query_BHTS, key_BKTS = rms_norm(query_BHTS, norms[0], eps), rms_norm(key_BKTS, norms[1], eps)
    if rotary_2TS is not None:
        query_BHTS, key_BKTS = rotate(query_BHTS, rotary_2TS), rotate(key_BKTS, rotary_2TS)
    return query_BHTS, key_BKTS, value_BKTS


class _SplitHeads(torch.autograd.Function):
    """Queries and keys are normalised and rotated together; their gradients are written where they belong."""

    @staticmethod
    def forward(
        ctx: Any,
        qkv_BTQ: Tensor,
        heads: Heads,
        query_S: Tensor | None,
        key_S: Tensor | None,
        eps: float,
        rotary_2TS: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        x_BTXS, value_BTKS = _parts(qkv_BTQ, heads)
        cos_T1S, sin_T1S = rotary_2TS.to(qkv_BTQ.dtype).unsqueeze(2).unbind(0)
        ctx.heads, saved = heads, (cos_T1S, sin_T1S)
        if query_S is None or key_S is None:
            mixed_BTXS = _mixed(x_BTXS, cos_T1S, -sin_T1S, sin_T1S)
        else:
            scale_BTX1 = reciprocal_root_mean_square(x_BTXS, eps)
            x_BTXS = x_BTXS * scale_BTX1
            weight_XS = torch.cat((query_S.expand(heads.queries, -1), key_S.expand(heads.keys, -1)))
            partner_XS = weight_XS.roll(heads.size // 2, 1)  # rotation mixes in what the other half was scaled to
            mixed_BTXS = _mixed(x_BTXS, cos_T1S * weight_XS, -sin_T1S * partner_XS, sin_T1S * partner_XS)
            saved = (*saved, x_BTXS, scale_BTX1, query_S, key_S)
        ctx.save_for_backward(*saved)
        query_BTHS, key_BTKS = mixed_BTXS.split([heads.queries, heads.keys], dim=2)
        return query_BTHS.transpose(1, 2), key_BTKS.transpose(1, 2), value_BTKS.clone().transpose(1, 2)

    @staticmethod
    @first_order
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        cos_T1S, sin_T1S, *normed = ctx.saved_tensors
        heads, (query_BTHS, key_BTKS, value_BTKS) = ctx.heads, (grad.transpose(1, 2) for grad in grads)
        grad_BTQ = value_BTKS.new_empty(*value_BTKS.shape[:2], (heads.queries + 2 * heads.keys) * heads.size)
        grad_BTXS, grad_value_BTKS = _parts(grad_BTQ, heads)
        grad_value_BTKS.copy_(value_BTKS)
        weights: list[Tensor | None] = [None, None]
        for which, (first, grad_BTHS) in enumerate(((0, query_BTHS), (heads.queries, key_BTKS))):
            place = slice(first, first + grad_BTHS.shape[2])
            back_BTHS = _mixed(grad_BTHS, cos_T1S, sin_T1S, -sin_T1S)
            if normed:
                normal_BTHS, scale_BTH1 = (saved[:, :, place] for saved in normed[:2])
                product_BTHS = back_BTHS * normal_BTHS
                weights[which] = product_BTHS.flatten(0, 2).sum(0)
                weight_S = normed[2 + which]
                _norm_gradient(back_BTHS.mul_(weight_S), product_BTHS, normal_BTHS, scale_BTH1, weight_S)
            grad_BTXS[:, :, place] = back_BTHS
        return grad_BTQ, None, *weights, None, None


def _parts(qkv_BTQ: Tensor, heads: Heads) -> tuple[Tensor, Tensor]:
    """Queries and keys, (B, T, X, S), and values, (B, T, K, S)."""
    heads_BTHS = qkv_BTQ.unflatten(-1, (-1, heads.size))
    return heads_BTHS[:, :, : -heads.keys], heads_BTHS[:, :, -heads.keys :]


def _mixed(x_BTHS: Tensor, own: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """x times `own`, and the other half of x times the half of `first` and of `second`: a rotation of all planes."""
    half = x_BTHS.shape[-1] // 2
    mixed_BTHS = x_BTHS * own
    mixed_BTHS[..., :half].addcmul_(x_BTHS[..., half:], first[..., :half])
    mixed_BTHS[..., half:].addcmul_(x_BTHS[..., :half], second[..., half:])
    return mixed_BTHS
