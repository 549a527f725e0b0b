"""Update the weights of a network with SGD, Adam, AdamW or RMSprop.

All weights of the network are in one vector of length N, and all gradients in another one.

PyTorch has these optimizers in `torch.optim`. This module does not use them, because importing `torch.optim`
also imports PyTorch's compiler, which takes about a second at every start.
tests/networks/test_optimizers.py checks that both give exactly the same weights.
"""

import math

import torch
from torch import Tensor

from digits.options import OptimizerName as Rule

# A running average keeps this fraction of its old value at each step.
BETA1 = 0.9  # Adam: average of the gradients; Kingma and Ba 2015, "Adam", algorithm 1
BETA2 = 0.999  # Adam: average of the squared gradients; same source
ALPHA = 0.99  # RMSprop: average of the squared gradients; default of torch.optim (0.9 in Hinton 2012)
EPSILON = 1e-8  # added to divisors so that they are above 0; Kingma and Ba 2015, and default of torch.optim


class Optimizer:
    """An optimizer that updates the N weights of a network.

    Write the new gradient into `gradient` before each `step`.
    A checkpoint must save the tensors in `memory`, such as running averages.

    Args:
        rule: "sgd", "adam", "adamw" or "rmsprop".
        weights: float (N,); `step` changes them in place.
        gradient: float (N,); `step` reads it.
        momentum: for sgd and rmsprop, from 0 (off) to below 1.
        nesterov: use Nesterov momentum, for sgd.
        weight_decay: strength with which weights are pulled to 0, 0 or more.
    """

    def __init__(
        self,
        rule: Rule,
        weights: Tensor,
        gradient: Tensor,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self.rule, self.weights, self.gradient = rule, weights, gradient
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay
        names = {
            "sgd": ["momentum"] if momentum else [],
            "adam": ["mean", "square"],
            "adamw": ["mean", "square"],
            "rmsprop": ["square", "momentum"] if momentum else ["square"],
        }[rule]
        self.memory = {name: torch.zeros_like(weights) for name in names}
        self.memory["steps"] = torch.zeros((), dtype=torch.int64)

    def step(self, rate: float) -> None:
        """Update the weights once with the current gradient.

        Args:
            rate: the learning rate, above 0.
        """
        self.memory["steps"] += 1
        gradient = self.gradient
        # adamw shrinks the weights directly: Loshchilov and Hutter 2019, "Decoupled weight decay
        # regularization". The other rules add the gradient of an L2 penalty.
        if self.weight_decay and self.rule == "adamw":
            self.weights.mul_(1 - rate * self.weight_decay)
        elif self.weight_decay:
            gradient = gradient.add(self.weights, alpha=self.weight_decay)
        update = {"sgd": self._sgd, "adam": self._adam, "adamw": self._adam, "rmsprop": self._rmsprop}
        update[self.rule](gradient, rate)

    def _sgd(self, gradient: Tensor, rate: float) -> None:
        """Update the weights by stochastic gradient descent."""
        # With momentum, the weights follow a decaying sum of all gradients, the velocity. PyTorch multiplies
        # the sum by the learning rate. Sutskever et al. 2013, "On the importance of initialization and
        # momentum in deep learning", multiply each gradient by it.
        if self.momentum:
            velocity = self.memory["momentum"].mul_(self.momentum).add_(gradient)
            gradient = gradient.add(velocity, alpha=self.momentum) if self.nesterov else velocity
        self.weights.add_(gradient, alpha=-rate)

    def _adam(self, gradient: Tensor, rate: float) -> None:
        """Update the weights by Adam.

        Source: Kingma and Ba 2015, "Adam", algorithm 1.
        """
        # The mean gradient is divided by the square root of the mean squared gradient.
        steps = int(self.memory["steps"])
        mean = self.memory["mean"].lerp_(gradient, 1 - BETA1)
        square = self.memory["square"].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        deviation = (square.sqrt() / math.sqrt(1 - BETA2**steps)).add_(EPSILON)
        self.weights.addcdiv_(mean, deviation, value=-rate / (1 - BETA1**steps))

    def _rmsprop(self, gradient: Tensor, rate: float) -> None:
        """Update the weights by RMSprop.

        Source: Hinton 2012, "Neural networks for machine learning", lecture 6e.
        """
        # The gradient is divided by the square root of the mean squared gradient.
        square = self.memory["square"].mul_(ALPHA).addcmul_(gradient, gradient, value=1 - ALPHA)
        deviation = square.sqrt().add_(EPSILON)
        if self.momentum:
            velocity = self.memory["momentum"].mul_(self.momentum).addcdiv_(gradient, deviation)
            self.weights.add_(velocity, alpha=-rate)
        else:
            self.weights.addcdiv_(gradient, deviation, value=-rate)
