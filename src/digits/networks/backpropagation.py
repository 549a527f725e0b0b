"""Backpropagation through the MLP, written out.

PyTorch's `loss.backward()` differentiates any network. For two hidden layers the same gradient takes four
lines of matrix products, and a step is about 1.4 times faster, because at this size autograd spends as long
on bookkeeping as on arithmetic (`digits train --autograd` uses autograd, for comparison).
tests/networks/test_backpropagation.py compares the two. Equations from Bishop 2006, "Pattern Recognition
and Machine Learning":

    z1 = W1 x + b1,  h1 = relu(z1),  z2 = W2 h1 + b2,  h2 = relu(z2),  z3 = W3 h2 + b3

    d loss / d z3 = softmax(z3) - targets                          (4.109; `Loss.gradient`)
    d loss / d z2 = (d loss / d z3) W3 where h2 > 0, else 0        (5.56)
    d loss / d z1 = (d loss / d z2) W2 where h1 > 0, else 0
    d loss / d W  = (d loss / d z)^T (input of the layer)          (5.53)
    d loss / d b  = d loss / d z, summed over the batch
"""

import torch
from torch import Tensor

from digits.networks.loss import Loss
from digits.networks.mlp import MLP

# Multiplications in a matrix product above which oneDNN is faster than PyTorch's default library, although
# each call takes longer to start. Measured with benchmarks/speed.py.
ONEDNN_MIN_MULTIPLICATIONS = 2**20


def gradients(model: MLP, images: Tensor, loss: Loss, scale: float) -> Tensor:
    """Write the gradient of `scale` times the summed loss into the `.grad` of each parameter.

    Dropout and the temperature are left out. Call it under `torch.no_grad()`.

    Args:
        model: its parameters must have a `.grad`; the old content is overwritten.
        images: (B, 1, 28, 28) in [0, 1].
        loss: the loss of this batch.
        scale: usually 1 / B, for the mean of the losses.

    Returns the logits (B, classes). Raises ValueError if a parameter has no `.grad`.
    """
    x = model.normalise(images).flatten(1)  # (B, 784)
    w1, w2, w3 = model.hidden1.weight, model.hidden2.weight, model.output.weight
    h1 = _linear(x, w1, model.hidden1.bias).relu_()  # (B, hidden1)
    h2 = _linear(h1, w2, model.hidden2.bias).relu_()  # (B, hidden2)
    logits = _linear(h2, w3, model.output.bias)  # (B, classes)

    d3 = loss.gradient(logits).mul_(scale)  # (B, classes)
    d2 = _relu_backward(d3 @ w3, h2)  # (B, hidden2)
    d1 = _relu_backward(d2 @ w2, h1)  # (B, hidden1)

    for layer, delta, inputs in ((model.output, d3, h2), (model.hidden2, d2, h1), (model.hidden1, d1, x)):
        _matrix_product(delta.t(), inputs, out=_grad(layer.weight))
        torch.sum(delta, dim=0, out=_grad(layer.bias))
    return logits


def _grad(parameter: Tensor) -> Tensor:
    if parameter.grad is None:
        raise ValueError("every parameter needs a .grad to write to; digits.training.state.State makes them")
    return parameter.grad


def _relu_backward(gradient: Tensor, activation: Tensor) -> Tensor:
    """Return the gradient (B, neurons) with 0 wherever the ReLU's output `activation` is 0."""
    passed: Tensor = torch.ops.aten.threshold_backward(gradient, activation, 0)
    return passed


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return x W^T + b: (B, inputs) to (B, outputs)."""
    if _use_onednn(x, x.shape[0] * weight.numel()):
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return product
    return torch.addmm(bias, x, weight.t())


def _matrix_product(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Write the matrix product of a (rows, n) and b (n, columns) to `out` (rows, columns)."""
    if _use_onednn(a, a.numel() * b.shape[1]):
        out.copy_(torch.ops.mkldnn._linear_pointwise(a, b.t(), None, "none", [], ""))
    else:
        torch.mm(a, b, out=out)


def _use_onednn(operand: Tensor, multiplications: int) -> bool:
    """Return True if oneDNN should compute a matrix product of this many multiplications.

    On processors not made by Intel, PyTorch computes float32 products with MKL, at about half the speed of
    oneDNN. No public function selects oneDNN. benchmarks/speed.py measures both.
    """
    return ONEDNN and operand.device.type == "cpu" and multiplications >= ONEDNN_MIN_MULTIPLICATIONS


def _onednn_works() -> bool:
    """Return True if PyTorch's private oneDNN operator exists and gives the right product."""
    if not torch.backends.mkldnn.is_available():
        return False
    x, weight, bias = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3), torch.arange(4.0)
    try:
        product = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    except (AttributeError, RuntimeError):
        return False
    return bool(torch.equal(product, torch.addmm(bias, x, weight.t())))


ONEDNN = _onednn_works()
