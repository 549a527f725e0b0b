"""Choose the device and the precision to compute with."""

import contextlib
from typing import Any

import torch

from digits.errors import OptionError
from digits.options import Device, Model, Precision


def repeatable() -> contextlib.AbstractContextManager[Any]:
    """Return a context in which cuDNN repeats its results to the bit and computes in full float32.

    By default it may pick other algorithms from call to call, and round factors to TensorFloat-32, 10 bits:
    https://docs.pytorch.org/docs/stable/notes/randomness.html and notes/cuda.html.
    """
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def pick_precision(precision: Precision, model: Model, device: torch.device) -> torch.dtype:
    """Return the number type that the layers compute with.

    "auto" is bfloat16 for a cnn on processors that have instructions for it, where it is faster
    (measured in docs/log.md), and float32 otherwise. Weights, gradients, optimiser, loss and validation are
    float32 in any case.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    if model == "cnn" and device.type == "cpu" and supported():
        return torch.bfloat16
    return torch.float32


def computing_in(dtype: torch.dtype, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which layers compute in `dtype`, through autocast."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype)


def pick_device(name: Device) -> torch.device:
    """Return the device of that name; "auto" is cuda if available, else the processor.

    Raises OptionError for a device that is not available.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if (name == "cuda" and not torch.cuda.is_available()) or (
        name == "mps" and not torch.backends.mps.is_available()
    ):
        raise OptionError(f"--device {name}: this PyTorch finds no such device; use --device cpu")
    return torch.device(name)
