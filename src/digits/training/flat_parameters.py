"""Lay all parameters of a network out in one vector, and all gradients in another.

One vector makes the optimiser's step, the sum over processes and the check for finite numbers one operation
each. The parameters become views of the vector.
"""

import math

import torch
from torch import Tensor, nn

ALIGNMENT = 4  # float32 numbers, 16 bytes: cuDNN refuses tensors that begin elsewhere than at multiples


def flatten_parameters(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the weights (N,) and the gradients followed by one more number (N + 1,), float32.

    Afterwards every parameter and its .grad are views of these vectors, each at a multiple of 16 bytes. The
    numbers between them are 0 and stay 0. The extra number is for the message that training should stop.
    """
    parameters = list(model.parameters())
    starts = [0]
    for p in parameters:
        starts.append(starts[-1] + math.ceil(p.numel() / ALIGNMENT) * ALIGNMENT)
    weights = torch.zeros(starts[-1], device=parameters[0].device)
    gradients = torch.zeros(len(weights) + 1, device=weights.device)
    for p, start in zip(parameters, starts, strict=False):
        place = slice(start, start + p.numel())
        weights[place] = _in_memory_order(p.detach()).flatten()
        p.data, p.grad = (_view_like(p, vector[place]) for vector in (weights, gradients))
    return weights, gradients


def _in_memory_order(kernels: Tensor) -> Tensor:
    """Return convolution kernels (out, in, H, W) as channels-last memory has them, (out, H, W, in).

    Tensors of other ranks are returned as they are.
    """
    return kernels.permute(0, 2, 3, 1) if kernels.ndim == 4 else kernels


def _view_like(p: Tensor, numbers: Tensor) -> Tensor:
    """Return a view of `numbers` (size of p,) with the shape of p, undoing `_in_memory_order`."""
    return numbers.view(_in_memory_order(p).shape).permute(0, 3, 1, 2) if p.ndim == 4 else numbers.view_as(p)
