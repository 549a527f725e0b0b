"""Backpropagation of the two-hidden-layer network, written out.

What `loss.backward()` works out by itself for any network is four lines of matrix products for this one.
Written out it trains about 1.4 times faster (`digits train --autograd` is the comparison), because a step
this small spends as long in bookkeeping as in arithmetic. `tests/test_backprop.py` holds both to the same
gradients.

    z1 = W1 x + b1,  h1 = relu(z1),  z2 = W2 h1 + b2,  h2 = relu(z2),  z3 = W3 h2 + b3
    loss = -sum(targets * log softmax(z3))

    d loss / d z3 = softmax(z3) - targets                          (Bishop 2006, eq. 4.109; loss.py)
    d loss / d z2 = (d loss / d z3) W3, where h2 > 0, else 0       (eq. 5.56)
    d loss / d z1 = (d loss / d z2) W2, where h1 > 0, else 0
    d loss / d W  = (d loss / d z)^T (the layer's input)           (eq. 5.53)
    d loss / d b  = d loss / d z, summed over the batch
"""

import torch
from torch import Tensor

from digits.networks.loss import Loss
from digits.networks.mlp import MLP

WORTH_ONEDNN = 2**20  # multiplications of a product above which oneDNN's faster kernel repays its set-up


def gradients(model: MLP, images: Tensor, loss: Loss, scale: float) -> Tensor:
    """Write the gradient of `scale` times the summed loss into each parameter's `.grad`.

    images (B, 1, 28, 28) in [0, 1]. The network is taken without its dropout. Every `.grad` must exist and
    is overwritten. Returns the logits (B, classes).
    """
    x = model.normalise(images).flatten(1)  # (B, 784)
    w1, w2, w3 = model.hidden1.weight, model.hidden2.weight, model.output.weight
    h1 = _linear(x, w1, model.hidden1.bias).relu_()  # (B, hidden1)
    h2 = _linear(h1, w2, model.hidden2.bias).relu_()  # (B, hidden2)
    logits = _linear(h2, w3, model.output.bias)  # (B, classes)

    d3 = loss.slope(logits).mul_(scale)  # (B, classes)
    d2 = _where_positive(d3 @ w3, h2)  # (B, hidden2)
    d1 = _where_positive(d2 @ w2, h1)  # (B, hidden1)

    for layer, delta, inputs in ((model.output, d3, h2), (model.hidden2, d2, h1), (model.hidden1, d1, x)):
        _product(delta.t(), inputs, out=_grad(layer.weight))
        torch.sum(delta, dim=0, out=_grad(layer.bias))
    return logits


def _grad(parameter: Tensor) -> Tensor:
    if parameter.grad is None:
        raise ValueError("every parameter needs a .grad to write to; training.State makes them")
    return parameter.grad


def _where_positive(delta: Tensor, activation: Tensor) -> Tensor:
    """ReLU's derivative: the gradient passes where the neuron was active."""
    passed: Tensor = torch.ops.aten.threshold_backward(delta, activation, 0)
    return passed


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x W^T + b."""
    if _onednn(x, x.shape[0] * weight.numel()):
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return product
    return torch.addmm(bias, x, weight.t())


def _product(a: Tensor, b: Tensor, out: Tensor) -> None:
    """out = a b."""
    if _onednn(a, a.numel() * b.shape[1]):
        out.copy_(torch.ops.mkldnn._linear_pointwise(a, b.t(), None, "none", [], ""))
    else:
        torch.mm(a, b, out=out)


def _onednn(operand: Tensor, multiplications: int) -> bool:
    """Whether oneDNN should do this product.

    On processors that are not Intel's, PyTorch's float32 products go through MKL at about half the speed of
    its other library, which no public call selects; benchmarks/speed.py has both as floors.
    """
    return ONEDNN and operand.device.type == "cpu" and multiplications >= WORTH_ONEDNN


def _has_onednn() -> bool:
    """Whether this build of PyTorch has the private operator used above, and it means what we think."""
    if not torch.backends.mkldnn.is_available():
        return False
    x, weight, bias = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3), torch.arange(4.0)
    try:
        product = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    except (AttributeError, RuntimeError):
        return False
    return bool(torch.equal(product, torch.addmm(bias, x, weight.t())))


ONEDNN = _has_onednn()
