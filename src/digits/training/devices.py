"""Choose the device and the number type for training."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from digits.errors import OptionError
from digits.options import Device, Model, Precision


def repeatable() -> contextlib.AbstractContextManager[Any]:
    """Make convolutions on NVIDIA graphics processors repeatable in a `with` block.

    Each call gives the same bits, computed in full float32 precision.

    Sources: https://docs.pytorch.org/docs/stable/notes/randomness.html and notes/cuda.html.
    """
    # cuDNN is NVIDIA's library for convolutions. By default it may choose another algorithm in each call, and
    # it may round numbers to TensorFloat-32, which keeps only 10 bits of the fraction.
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def pick_precision(precision: Precision, model: Model, device: torch.device) -> torch.dtype:
    """Choose the number type of a network's layers.

    Args:
        precision: "auto" means bfloat16 for a cnn on a CPU with bfloat16 instructions, otherwise float32.
        model: kind of the network.
        device: the device for training.

    Returns:
        torch.float32 or torch.bfloat16.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    # bfloat16 is faster on these CPUs; see docs/log.md. Weights, gradients, optimiser, loss and validation
    # always use float32.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    if model == "cnn" and device.type == "cpu" and supported():
        return torch.bfloat16
    return torch.float32


def computing_in(dtype: torch.dtype, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Let layers compute with another number type in a `with` block.

    Args:
        dtype: torch.float32 or torch.bfloat16.
        device: the device of the layers.
    """
    if dtype == torch.float32:
        return contextlib.nullcontext()
    # Autocast converts the numbers at each layer; the weights stay float32.
    return torch.autocast(device.type, dtype)


@contextlib.contextmanager
def use_threads(number: int) -> Iterator[None]:
    """Let PyTorch use this number of processor threads in a `with` block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pick_device(name: Device) -> torch.device:
    """Return the PyTorch device with this name.

    Args:
        name: "cpu", "cuda", "mps" or "auto". "auto" takes cuda if possible, otherwise cpu.

    Raises:
        OptionError: if there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if (name == "cuda" and not torch.cuda.is_available()) or (
        name == "mps" and not torch.backends.mps.is_available()
    ):
        raise OptionError(f"--device {name}: PyTorch finds no such device here; use --device cpu")
    return torch.device(name)
