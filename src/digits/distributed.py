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
from torch import Tensor

from digits.errors import RunError

Value = TypeVar("Value")
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
def world(device: str = "cpu") -> Iterator[World]:
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
