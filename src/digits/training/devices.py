"""Choose the device and the number type (precision) for training."""

import contextlib
from typing import Any

import torch

from digits.errors import OptionError
from digits.options import Device, Model, Precision


def repeatable() -> contextlib.AbstractContextManager[Any]:
    """Return a context in which cuDNN gives the same bits in every call and computes in full float32.

    cuDNN is NVIDIA's library for convolutions. By default it may choose another algorithm in each call, and
    it may round the numbers that it multiplies to TensorFloat-32, which keeps 10 bits of the fraction.

    Sources: https://docs.pytorch.org/docs/stable/notes/randomness.html and notes/cuda.html.
    """
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def pick_precision(precision: Precision, model: Model, device: torch.device) -> torch.dtype:
    """Return the number type for the layers: torch.float32 or torch.bfloat16.

    With "auto", a cnn uses bfloat16 on CPUs that have instructions for it, because it is faster there
    (measured in docs/log.md). Everything else uses float32. The weights, the gradients, the optimiser, the
    loss and the validation always use float32.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    if model == "cnn" and device.type == "cpu" and supported():
        return torch.bfloat16
    return torch.float32


def computing_in(dtype: torch.dtype, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which layers compute in `dtype`; it uses PyTorch's autocast."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype)


def pick_device(name: Device) -> torch.device:
    """Return the device with this name; "auto" means cuda if there is one, otherwise the CPU.

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
