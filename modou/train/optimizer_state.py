"""Optimizer state as plain named tensors, whole (not sharded), so that a checkpoint fits any number of processes."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from modou.train.parallel import gather, place


def collect(model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """All state as {"parameter name/state name": tensor} on the CPU. Every process must call it."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"{names[parameter]}/{key}": gather(value)
        for optimizer in optimizers
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def restore(model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Puts what `collect` gave back, placed like the parameters of this process.

    KeyError, ValueError: the tensors are those of other parameters.
    """
    by_name: dict[str, dict[str, Tensor]] = {}
    for path, tensor in tensors.items():
        name, key = path.rsplit("/", 1)
        by_name.setdefault(name, {})[key] = tensor
    parameters = dict(model.named_parameters())
    for optimizer in optimizers:
        owned = {parameter for group in optimizer.param_groups for parameter in group["params"]}
        for name, state in by_name.items():
            parameter = parameters[name]
            if parameter in owned:
                optimizer.state[parameter] = {key: _placed(value, parameter) for key, value in state.items()}


def _placed(value: Tensor, parameter: nn.Parameter) -> Tensor:
    if value.ndim == 0:  # a step count
        return value.to(parameter.device)
    if value.shape != parameter.shape:
        raise ValueError(f"a state of shape {tuple(value.shape)}")
    tensor = torch.zeros_like(parameter)
    place(tensor, value)
    return tensor
