"""Several processes train as one; one process is a world of size 1.

Under `torchrun` each process takes its share of every global batch, and gradients and counts are summed.
Nothing else in the package knows how many processes there are. `torchrun` listens without a password:
use it on trusted networks only.
"""

import contextlib
import datetime
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from digits.errors import RunError

Value = TypeVar("Value")
Module = TypeVar("Module", bound=nn.Module)
TIMEOUT = datetime.timedelta(seconds=60)  # a peer silent for so long is taken for dead


@dataclass(frozen=True)
class World:
    """Which process this is (`rank`) and of how many (`size`)."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This process's part of a global batch: every `size`-th row."""
        return batch if self.size == 1 else batch[self.rank :: self.size]

    def sum(self, tensor: Tensor) -> Tensor:
        """Add the tensors of all processes into `tensor`, in place."""
        if self.size > 1:
            with _peers():
                dist.all_reduce(tensor)
        return tensor

    def spread(self, value: Value) -> Value:
        """The first process's value, in every process."""
        if self.size == 1:
            return value
        box = [value]
        with _peers():
            dist.broadcast_object_list(box, src=0)
        return box[0]

    def require_same(self, what: dict[str, str]) -> None:
        """Raise RunError in every process unless all of them hold the same values."""
        if self.size == 1:
            return
        everyone: list[dict[str, str]] = [{}] * self.size
        with _peers():
            dist.all_gather_object(everyone, what)
        odd = sorted(k for k in what if len({str(other.get(k)) for other in everyone}) > 1)
        if odd:
            raise RunError(
                f"the processes disagree on {', '.join(odd)}; "
                "start all with the same files, options and versions"
            )


class _Sum(torch.autograd.Function):
    """Addition over all processes, which autograd can differentiate: gradients are added over them too."""

    @staticmethod
    def forward(ctx: object, tensor: Tensor, world: World) -> Tensor:
        return world.sum(tensor.clone())

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        with _peers():
            dist.all_reduce(gradient := gradient.clone())
        return gradient, None


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation by the mean and variance of the whole batch, of which each process has a share.

    PyTorch's own SyncBatchNorm wants a graphics card.
    """

    world = World()

    def forward(self, x: Tensor) -> Tensor:
        """x (B, channels, H, W) of this process, normalised as nn.BatchNorm2d does it in one process."""
        if not self.training:
            return super().forward(x)
        sums = torch.stack([x.float().sum((0, 2, 3)), torch.full_like(self.weight, x[:, 0].numel())])
        total, count = _Sum.apply(sums, self.world).unbind()  # type: ignore[no-untyped-call]  # torch's
        centred = x - (mean := total / count)[:, None, None]
        squares = _Sum.apply(centred.float().square().sum((0, 2, 3)), self.world)  # type: ignore[no-untyped-call]
        variance = squares / count
        with torch.no_grad():
            share = self.momentum if self.momentum is not None else 0.1
            self.running_mean.lerp_(mean, share)  # type: ignore[union-attr]  # they are tracked here
            self.running_var.lerp_(squares / (count - 1), share)  # type: ignore[union-attr]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        scale = self.weight * (variance + self.eps).rsqrt()
        normalised: Tensor = (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)
        return normalised


def share_batch_norm(model: Module, world: World) -> Module:
    """The network, its batch normalisations shared by all processes; untouched where there is only one."""
    if world.size > 1:
        for parent in list(model.modules()):
            for name, layer in parent.named_children():
                if type(layer) is nn.BatchNorm2d:
                    shared = SharedBatchNorm(layer.num_features)
                    shared.load_state_dict(layer.state_dict())
                    shared.world = world
                    setattr(parent, name, shared)
    return model


@contextlib.contextmanager
def _peers() -> Iterator[None]:
    """Torch's error for a process that died or fell silent, as one that says what to do."""
    try:
        yield
    except RuntimeError as error:
        raise RunError(
            f"lost another process of this training ({str(error).splitlines()[0]}); see what that one said, "
            "then start all of them again with --resume"
        ) from error


@contextlib.contextmanager
def join_world(device: str = "cpu") -> Iterator[World]:
    """Join the processes that torchrun started, or be alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield World()
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # gradients are summed where they lie, counts and texts on the processor
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo", timeout=TIMEOUT)
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
