"""Train one network with several processes.

PyTorch's command `torchrun` starts the processes. Each process computes the gradient for its share of every
batch. Then the gradients are summed over all processes. The result is the same as with one process.

Warning: `torchrun` accepts connections without a password. Use it on trusted networks only.
"""

import contextlib
import datetime
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from digits.errors import RunError

Value = TypeVar("Value")
Module = TypeVar("Module", bound=nn.Module)
TIMEOUT = datetime.timedelta(seconds=60)  # limit for waiting for another process; a normal wait is shorter

PARENT_SECONDS = 1.0  # time between two looks whether torchrun is still there


@dataclass(frozen=True)
class World:
    """The number of training processes, and the number of this one.

    World() is a single process.
    """

    rank: int = 0  # number of this process, from 0 to size - 1
    size: int = 1  # number of processes

    @property
    def first(self) -> bool:
        """True in the first process; only this process prints and writes files."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """Return the rows of a batch for this process.

        Args:
            batch: (B, ...), the whole batch, the same in all processes.

        Returns:
            The rows rank, rank + size, rank + 2 * size and so on.
        """
        return batch if self.size == 1 else batch[self.rank :: self.size]

    def sum(self, tensor: Tensor) -> Tensor:
        """Add up the tensors of all processes.

        All processes must call this.

        Args:
            tensor: the same shape in all processes; replaced in place by the sum.

        Returns:
            The same tensor.

        Raises:
            RunError: if another process ended or does not answer.
        """
        if self.size > 1:
            with _lost_process_as_run_error():
                dist.all_reduce(tensor)
        return tensor

    def spread(self, value: Value) -> Value:
        """Send a value from the first process to all processes.

        All processes must call this.

        Args:
            value: ignored in all processes except the first.

        Returns:
            The value of the first process.

        Raises:
            RunError: if another process ended or does not answer.
        """
        if self.size == 1:
            return value
        box = [value]
        with _lost_process_as_run_error():
            dist.broadcast_object_list(box, src=0)
        return box[0]

    def require_same(self, what: dict[str, str]) -> None:
        """Check that all processes have the same values.

        All processes must call this.

        Args:
            what: a value for each name, such as {"--epochs": "25"}.

        Raises:
            RunError: if a value differs, or another process does not answer.
        """
        if self.size == 1:
            return
        everyone: list[dict[str, str]] = [{}] * self.size
        with _lost_process_as_run_error():
            dist.all_gather_object(everyone, what)
        odd = sorted(k for k in what if len({str(other.get(k)) for other in everyone}) > 1)
        if odd:
            raise RunError(
                f"the processes have different values of {', '.join(odd)}; "
                "start all of them with the same files, options and versions"
            )


class _WorldSum(torch.autograd.Function):
    """The sum of a tensor over all processes, with a gradient."""

    @staticmethod
    def forward(ctx: object, tensor: Tensor, world: World) -> Tensor:
        return world.sum(tensor.clone())

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        # Every process uses the sum. So the gradient of the input is the sum of all processes' gradients.
        with _lost_process_as_run_error():
            dist.all_reduce(gradient := gradient.clone())
        return gradient, None


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with the mean and variance over all processes."""

    # PyTorch's SyncBatchNorm does the same, but on graphics processors only.
    world = World()

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the images of this process.

        In training, it uses the mean and variance of the whole batch.

        Args:
            x: float (B, channels, H, W), the share of this process.

        Returns:
            The normalised tensor, same shape and type.
        """
        if not self.training:
            return super().forward(x)
        sums = torch.stack([x.float().sum((0, 2, 3)), torch.full_like(self.weight, x[:, 0].numel())])
        total, count = _WorldSum.apply(sums, self.world).unbind()  # type: ignore[no-untyped-call]  # torch's
        centred = x - (mean := total / count)[:, None, None]
        squares = _WorldSum.apply(centred.float().square().sum((0, 2, 3)), self.world)  # type: ignore[no-untyped-call]
        variance = squares / count
        with torch.no_grad():
            weight = self.momentum if self.momentum is not None else 0.1
            self.running_mean.lerp_(mean, weight)  # type: ignore[union-attr]  # they are tracked here
            self.running_var.lerp_(squares / (count - 1), weight)  # type: ignore[union-attr]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        scale = self.weight * (variance + self.eps).rsqrt()
        normalised: Tensor = (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)
        return normalised


def share_batch_norm(model: Module, world: World) -> Module:
    """Let batch normalisation use the batches of all processes.

    With one process, the network is not changed.

    Args:
        model: each nn.BatchNorm2d in it is replaced by a SharedBatchNorm.
        world: number of training processes, and the number of this one.

    Returns:
        The same network, changed in place.
    """
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
def _lost_process_as_run_error() -> Iterator[None]:
    """Raise RunError if another process ended or does not answer."""
    try:
        yield
    except RuntimeError as error:
        raise RunError(
            f"another process of this training ended or does not answer ({str(error).splitlines()[0]}); "
            "read its error message, then start all processes again with --resume"
        ) from error


@contextlib.contextmanager
def join_world(device: str = "cpu") -> Iterator[World]:
    """Connect all processes started by torchrun.

    The connection is closed after the `with` block. Without torchrun there is one process.

    Args:
        device: "cpu", "cuda" or "mps". With "cuda", each process uses its own graphics processor.

    Yields:
        The number of processes, and the number of this one.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield World()
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # The library gloo sums tensors on the CPU, nccl those on a graphics processor.
    with _lost_process_as_run_error():
        backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
        dist.init_process_group(backend, timeout=TIMEOUT)
    ended = threading.Event()
    if "TORCHELASTIC_RUN_ID" in os.environ:  # started by torchrun, not by hand
        threading.Thread(target=_stop_with_parent, args=(os.getppid(), ended), daemon=True).start()
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        ended.set()
        dist.destroy_process_group()


def _stop_with_parent(parent: int, ended: threading.Event) -> None:
    """Send this process SIGTERM when its parent process has ended, as torchrun does at its own normal end.

    Args:
        parent: number of the parent process.
        ended: set when the training has ended.
    """
    while not ended.wait(PARENT_SECONDS):
        if os.getppid() != parent:  # An orphan gets another parent.
            os.kill(os.getpid(), signal.SIGTERM)
            return
