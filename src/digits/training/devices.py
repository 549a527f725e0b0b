"""Choose the device and the precision to compute with."""

import contextlib
from typing import Any

import torch

from digits.errors import OptionError
from digits.options import Device, Model, Precision


def repeatable() -> contextlib.AbstractContextManager[Any]:
    """Within `with`, cuDNN repeats itself to the bit, in true float32: it would shorten factors to 10 bits.

    https://docs.pytorch.org/docs/stable/notes/randomness.html and notes/cuda.html, TensorFloat-32.
    """
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def pick_precision(precision: Precision, model: Model, device: torch.device) -> torch.dtype:
    """What the layers compute with. bfloat16 by itself only where it was measured: docs/log.md.

    Weights, gradients, optimiser, loss and validation are float32 in any case.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    made_for_it = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    if model == "cnn" and device.type == "cpu" and made_for_it():
        return torch.bfloat16
    return torch.float32


def computing_in(dtype: torch.dtype, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Within `with`, layers compute in `dtype`."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype)


def pick_device(name: Device) -> torch.device:
    """The device called for; auto is cuda where there is one, else the processor."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if (name == "cuda" and not torch.cuda.is_available()) or (
        name == "mps" and not torch.backends.mps.is_available()
    ):
        raise OptionError(f"--device {name}: this PyTorch finds no such device here; use --device cpu")
    return torch.device(name)
