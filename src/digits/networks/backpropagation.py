"""Compute the gradient of the MLP by backpropagation, without PyTorch's autograd.

PyTorch's autograd, `loss.backward()`, can differentiate any network. The MLP is small, so autograd spends
as much time on administration as on arithmetic. The explicit formulas below make a training step about 1.4
times faster. `digits train --autograd` uses autograd instead; tests/networks/test_backpropagation.py checks
that both give the same gradient.

Forward, for images x and the layers 1, 2 and 3 with weights W and biases b:

    z1 = W1 x + b1,  h1 = relu(z1),  z2 = W2 h1 + b2,  h2 = relu(z2),  z3 = W3 h2 + b3

Backward, from the last layer to the first:

    d loss / d z3 = softmax(z3) - targets                          (4.109; `Loss.gradient`)
    d loss / d z2 = (d loss / d z3) W3 where h2 > 0, else 0        (5.56)
    d loss / d z1 = (d loss / d z2) W2 where h1 > 0, else 0        (5.56)
    d loss / d W  = (d loss / d z)^T (input of the layer)          (5.53)
    d loss / d b  = d loss / d z, summed over the batch

The numbers on the right are equations in Bishop 2006, "Pattern Recognition and Machine Learning".
"""

import torch
from torch import Tensor

from digits.networks.loss import Loss
from digits.networks.mlp import MLP

# PyTorch computes matrix products with the library MKL. On processors that are not from Intel, MKL needs
# about twice the time of the library oneDNN for large float32 products. For small products oneDNN is slower,
# because it takes longer to start. oneDNN is used from this number of multiplications on. It was measured
# with benchmarks/speed.py.
ONEDNN_MIN_MULTIPLICATIONS = 2**20


def gradients(model: MLP, images: Tensor, loss: Loss, scale: float) -> Tensor:
    """Compute the gradient of the loss for all weights of an MLP.

    The gradient is written into the `.grad` of each weight.
    Call this function under `torch.no_grad()`. It ignores dropout and the temperature.

    Args:
        model: the network; each parameter needs a `.grad` tensor.
        images: float (B, 1, 28, 28) in [0, 1].
        loss: the loss function of this batch.
        scale: the summed loss is multiplied by it; 1 / B gives the mean loss.

    Returns:
        The logits, float (B, classes).

    Raises:
        ValueError: if a parameter has no `.grad`.
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
    """Return the `.grad` of a parameter.

    Raises:
        ValueError: if the parameter has none.
    """
    if parameter.grad is None:
        raise ValueError("every parameter needs a .grad tensor; create them with digits.training.state.State")
    return parameter.grad


def _relu_backward(gradient: Tensor, activation: Tensor) -> Tensor:
    """Pass a gradient back through a ReLU.

    Args:
        gradient: gradient of the ReLU's output, (B, neurons).
        activation: the ReLU's output, (B, neurons).

    Returns:
        Gradient of the ReLU's input, (B, neurons).
    """
    passed: Tensor = torch.ops.aten.threshold_backward(gradient, activation, 0)
    return passed


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the output of a fully connected layer.

    Args:
        x: input, (B, inputs).
        weight: (outputs, inputs).
        bias: (outputs,).

    Returns:
        (B, outputs).
    """
    if _use_onednn(x, x.shape[0] * weight.numel()):
        # PyTorch has no public function that selects oneDNN.
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return product
    return torch.addmm(bias, x, weight.t())


def _matrix_product(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Write the product of two matrices into `out`.

    Args:
        a: (rows, n).
        b: (n, columns).
        out: (rows, columns).
    """
    if _use_onednn(a, a.numel() * b.shape[1]):
        out.copy_(torch.ops.mkldnn._linear_pointwise(a, b.t(), None, "none", [], ""))
    else:
        torch.mm(a, b, out=out)


def _use_onednn(operand: Tensor, multiplications: int) -> bool:
    """Return True if oneDNN computes this matrix product faster.

    Args:
        operand: one of the two matrices.
        multiplications: number of multiplications in the product.
    """
    return ONEDNN and operand.device.type == "cpu" and multiplications >= ONEDNN_MIN_MULTIPLICATIONS


def _onednn_works() -> bool:
    """Return True if PyTorch's oneDNN operator multiplies two test matrices correctly."""
    if not torch.backends.mkldnn.is_available():
        return False
    x, weight, bias = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3), torch.arange(4.0)
    try:
        product = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    except (AttributeError, RuntimeError):
        return False
    return bool(torch.equal(product, torch.addmm(bias, x, weight.t())))


ONEDNN = _onednn_works()
