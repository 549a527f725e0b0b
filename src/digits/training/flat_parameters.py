"""Put all weights of a network into one vector, and all gradients into another.

With one vector, the optimiser's step and the sum of the gradients of all processes are one operation each,
which is faster. The network's parameters become views of the vector: a change of one changes the other.
"""

import math

import torch
from torch import Tensor, nn

ALIGNMENT = 4  # float32 numbers, 16 bytes; cuDNN accepts only tensors that begin at a multiple of this


def flatten_parameters(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Move all parameters of a network into one vector, and their gradients into another.

    Afterwards every parameter is a view of the first vector, and its .grad is a view of the second. Each view
    begins at a multiple of ALIGNMENT numbers. The numbers in the gaps between the views are 0.

    Returns:
        weights: float32 (N,).
        gradients: float32 (N + 1,), all 0. The last number is free: `State` uses it to tell all processes
            to stop.
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
    """Return the weights of a convolution (out, in, H, W) in channels-last order, (out, H, W, in).

    Tensors that do not have four dimensions are returned unchanged.
    """
    return kernels.permute(0, 2, 3, 1) if kernels.ndim == 4 else kernels


def _view_like(p: Tensor, numbers: Tensor) -> Tensor:
    """Undo `_in_memory_order`: return `numbers`, one per element of p, as a view with the shape of p."""
    return numbers.view(_in_memory_order(p).shape).permute(0, 3, 1, 2) if p.ndim == 4 else numbers.view_as(p)
