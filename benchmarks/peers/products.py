"""The floor: the matrix products of training alone, with no data, no activations and no optimiser.

    python benchmarks/peers/products.py {mm,fastest} HIDDEN1 HIDDEN2 BATCH STEPS [REPEATS]

Eight products a step: three forward, three for the weights' gradients, two back through the layers; by
PyTorch's own `mm`, or each by the faster of `mm` and oneDNN on this machine. A JSON line after every STEPS
steps. Operands stay in the processor's cache.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

Product = Callable[[Tensor, Tensor], Tensor]
TRIALS = 30  # calls to find the faster kernel by


def mm(a: Tensor, b: Tensor) -> Tensor:
    """a b^T."""
    return torch.mm(a, b.t())


def onednn(a: Tensor, b: Tensor) -> Tensor:
    """a b^T."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    return product


def operands(hidden1: int, hidden2: int, batch: int) -> list[tuple[Tensor, Tensor]]:
    """The pairs (a, b) whose a b^T make up a step."""
    pairs = []
    for size, next_size in itertools.pairwise((784, hidden1, hidden2, 10)):
        x, w, d = torch.randn(batch, size), torch.randn(next_size, size), torch.randn(batch, next_size)
        pairs += [(x, w), (d.t(), x.t())]  # forward (batch, next_size); the gradient of w
        if size != 784:
            pairs.append((d, w.t()))  # back to the layer before, (batch, size)
    return pairs


def fastest(a: Tensor, b: Tensor) -> Product:
    """Which kernel does this product in the shortest time."""
    kernels: list[Product] = [mm, onednn] if torch.backends.mkldnn.is_available() else [mm]
    return min(kernels, key=lambda kernel: min(seconds([(kernel, a, b)], 1) for _ in range(TRIALS)))


def seconds(step: list[tuple[Product, Tensor, Tensor]], steps: int) -> float:
    """How long `steps` steps take."""
    start = time.perf_counter()
    for _ in range(steps):
        for kernel, a, b in step:
            kernel(a, b)
    return time.perf_counter() - start


def main() -> None:
    """Time what the command line says."""
    hidden1, hidden2, batch, steps, *repeats = map(int, sys.argv[2:])
    with torch.inference_mode():
        pairs = operands(hidden1, hidden2, batch)
        step = [(mm if sys.argv[1] == "mm" else fastest(a, b), a, b) for a, b in pairs]
        for _ in range(repeats[0] if repeats else 1):
            print(json.dumps({"seconds": seconds(step, steps)}), flush=True)


if __name__ == "__main__":
    main()
