"""Data-parallel training: gradients are summed over processes, and the loop divides the loss by the global count.

Both strategies use FSDP2's `fully_shard` on a (replicate, shard) mesh: (N, 1) is DDP, (1, N) is FSDP. Gradients are
reduced by a forced SUM with divide factor 1: gloo's AVG sums silently, and a mean over processes would be wrong where
their token counts differ.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from modou.messages import UserError
from modou.model.device import choose_device
from modou.model.gpt import GPT
from modou.settings.train import Trained

T = TypeVar("T")
S = TypeVar("S", bound=Trained)
TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True)
class World:
    """The rank of this process, the number of processes, and its device."""

    device: torch.device
    rank: int = 0
    size: int = 1
    mesh: DeviceMesh | None = None

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and displays progress."""
        return self.rank == 0

    def sum(self, value: float) -> float:
        """The sum over all processes."""
        return self._reduce(value, dist.ReduceOp.SUM)

    def any(self, value: bool) -> bool:
        """Whether it is true in any process."""
        return self._reduce(float(value), dist.ReduceOp.MAX) > 0

    def maximum(self, value: float) -> float:
        """The maximum over all processes."""
        return self._reduce(value, dist.ReduceOp.MAX)

    def gather_objects(self, mine: T) -> list[T]:
        """The objects of all processes, in order of rank."""
        if self.size == 1:
            return [mine]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, mine)
        return found

    def barrier(self) -> None:
        """Waits for all processes."""
        if self.size > 1:
            dist.barrier()

    def _reduce(self, value: float, operation: Any) -> float:
        if self.size == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor, op=operation)
        return tensor.item()


def processes() -> int:
    """The number of processes that torchrun started; 1 without it. UserError: its variables are not as it sets them."""
    found: dict[str, int] = {}
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        word = os.environ.get(name, "1" if name == "WORLD_SIZE" else "0")
        if not (word.isascii() and word.isdecimal() and len(word) < 10):
            raise UserError("settings.no_whole_number", option=name, value=word[:60])
        found[name] = int(word)
    size = found["WORLD_SIZE"]
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if size != 1 and name not in os.environ]
    if missing or found["RANK"] >= size:
        raise UserError("train.not_torchrun", size=size, rank=found["RANK"])
    return size


def join_world(device: torch.device, strategy: Literal["ddp", "fsdp"]) -> World:
    """This process alone, or in the process group of torchrun (which sets RANK, WORLD_SIZE and the rendezvous)."""
    if processes() == 1:
        return World(device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    size = dist.get_world_size()
    shape = (size, 1) if strategy == "ddp" else (1, size)
    mesh = init_device_mesh(device.type, shape, mesh_dim_names=("replicate", "shard"))
    return World(device, dist.get_rank(), size, mesh)


def leave_world(world: World) -> None:
    """Destroys the process group, if there is one."""
    if world.size > 1 and dist.is_initialized():
        dist.destroy_process_group()


def parallelize(model: GPT, world: World, precision: torch.dtype = torch.float32) -> GPT:
    """Moves the model to its device and, with several processes, replicates or shards it over the mesh.

    precision: of the parameters in a forward pass on a GPU; on a CPU they are float32.
    """
    model.to(world.device)
    if world.mesh is None:
        return model
    param_dtype = torch.float32 if world.device.type == "cpu" else precision
    policy = MixedPrecisionPolicy(param_dtype=param_dtype, reduce_dtype=torch.float32)
    for block in model.blocks:
        fully_shard(block, mesh=world.mesh, mp_policy=policy)
    # The root group holds embedding, norm and head. By default it stays gathered after a forward pass: then an
    # evaluation would leave plain tensors in the model instead of the parameters that average and checkpoints refer to.
    fully_shard(model, mesh=world.mesh, mp_policy=policy, reshard_after_forward=True)
    for method in ("loss", "hidden", "logits", "scores", "reference_log_probabilities"):
        if hasattr(model, method):
            register_fsdp_forward_method(model, method)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    return model


def replica(model: GPT, world: World) -> GPT:
    """The model itself; with several processes, an unsharded copy, which generates and evaluates without communication.
    Collective: every process must call it."""
    if world.mesh is None:
        return model
    with torch.random.fork_rng(devices=[]):
        copy = model.fresh_copy()
    for name, parameter in model.named_parameters():
        place(copy.get_parameter(name), gather(parameter))
    return copy.to(world.device).train(model.training)


def synchronise_gradients(model: torch.nn.Module, now: bool) -> None:
    """Sets whether the next backward pass sums gradients over processes: only the last micro-batch's need."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(now)


def gather(tensor: Tensor) -> Tensor:
    """A possibly sharded tensor, unsharded, on the CPU. Collective: every process must call it."""
    whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return whole.detach().cpu()


@torch.no_grad()
def place(tensor: Tensor, whole: Tensor) -> None:
    """Copies an unsharded tensor into one that may be sharded."""
    if isinstance(tensor, DTensor):
        whole = whole.to(tensor.device, tensor.dtype)
        whole = distribute_tensor(whole, tensor.device_mesh, tensor.placements, src_data_rank=None)
    tensor.copy_(whole)


def resolve_machine(settings: S) -> S:
    """The settings with the device chosen; sets torch's threads."""
    if settings.train.threads:
        torch.set_num_threads(settings.train.threads)
    return settings.with_values({"train": {"device": choose_device(settings.train.device).type}})
