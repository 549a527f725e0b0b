"""Put all weights of a network into one vector, and all gradients into another.

Then the optimiser changes all weights in one operation, which is faster. The network's parameters become
views of the vector: they share its memory.
"""

import math

import torch
from torch import Tensor, nn

ALIGNMENT = 4  # float32 numbers, 16 bytes; cuDNN accepts only tensors that begin at a multiple of this


def flatten_parameters(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Move all weights of a network into one vector.

    The gradients move into a second vector. The parameters become views: they share the vectors' memory.

    Args:
        model: a network with float32 weights; changed in place.

    Returns:
        weights: float32 (N,), with zeros between the parameters for alignment.
        gradients: float32 (N + 1,), all 0. `State` uses the last number as a stop signal.
    """
    parameters = list(model.parameters())
    starts = [0]  # Each parameter begins at a multiple of ALIGNMENT.
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
    """Reorder the kernels of a convolution from (out, in, H, W) to (out, H, W, in).

    Args:
        kernels: a tensor; without four dimensions, it is returned unchanged.
    """
    return kernels.permute(0, 2, 3, 1) if kernels.ndim == 4 else kernels


def _view_like(p: Tensor, numbers: Tensor) -> Tensor:
    """Return the vector `numbers` as a view with the shape of `p`.

    Args:
        p: float, any shape.
        numbers: as many as in `p`, in the order of `_in_memory_order(p)`.
    """
    return numbers.view(_in_memory_order(p).shape).permute(0, 3, 1, 2) if p.ndim == 4 else numbers.view_as(p)
