"""Optimizers: SGD with momentum, Adam, AdamW and RMSprop, on one vector of weights.

They are written out because they are short, and because importing `torch.optim` also imports PyTorch's
compiler, which takes about a second at every start. tests/networks/test_optimizers.py checks that they give
the same bits as torch.optim.
"""

import math

import torch
from torch import Tensor

from digits.options import Optimizer as Rule

BETA1, BETA2 = 0.9, 0.999  # decay of Adam's two averages: Kingma and Ba 2015, algorithm 1
ALPHA = 0.99  # decay of RMSprop's average: torch.optim.RMSprop's default (Hinton 2012, lecture 6e, has 0.9)
EPSILON = 1e-8  # keeps a divisor above 0: Kingma and Ba 2015; the default of torch.optim


class Optimizer:
    """Moves a vector of weights against its gradient, one `step` at a time.

    Args:
        rule: "sgd", "adam", "adamw" or "rmsprop".
        weights: (N,), changed in place by `step`.
        gradient: (N,), read by `step`.
        momentum: of sgd and rmsprop, from 0 to below 1.
        nesterov: use Nesterov's form of momentum (sgd only).
        weight_decay: L2 penalty, added to the gradient; for adamw the weights are multiplied by
            1 - rate * weight_decay instead (Loshchilov and Hutter 2019, "Decoupled weight decay").

    `memory` holds the tensors that a checkpoint must save: running averages (N,) and the number of steps.
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
        """Change the weights by one step with the learning rate `rate`."""
        self.memory["steps"] += 1
        gradient = self.gradient
        if self.weight_decay and self.rule == "adamw":
            self.weights.mul_(1 - rate * self.weight_decay)
        elif self.weight_decay:
            gradient = gradient.add(self.weights, alpha=self.weight_decay)
        update = {"sgd": self._sgd, "adam": self._adam, "adamw": self._adam, "rmsprop": self._rmsprop}
        update[self.rule](gradient, rate)

    def _sgd(self, gradient: Tensor, rate: float) -> None:
        """Apply stochastic gradient descent with momentum: Sutskever et al. 2013.

        As in PyTorch, the learning rate multiplies the whole velocity instead of each gradient in it.
        """
        if self.momentum:
            velocity = self.memory["momentum"].mul_(self.momentum).add_(gradient)
            gradient = gradient.add(velocity, alpha=self.momentum) if self.nesterov else velocity
        self.weights.add_(gradient, alpha=-rate)

    def _adam(self, gradient: Tensor, rate: float) -> None:
        """Apply Adam: Kingma and Ba 2015, algorithm 1."""
        steps = int(self.memory["steps"])
        mean = self.memory["mean"].lerp_(gradient, 1 - BETA1)
        square = self.memory["square"].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        deviation = (square.sqrt() / math.sqrt(1 - BETA2**steps)).add_(EPSILON)
        self.weights.addcdiv_(mean, deviation, value=-rate / (1 - BETA1**steps))

    def _rmsprop(self, gradient: Tensor, rate: float) -> None:
        """Apply RMSprop, with or without momentum: Hinton 2012, lecture 6e."""
        square = self.memory["square"].mul_(ALPHA).addcmul_(gradient, gradient, value=1 - ALPHA)
        deviation = square.sqrt().add_(EPSILON)
        if self.momentum:
            velocity = self.memory["momentum"].mul_(self.momentum).addcdiv_(gradient, deviation)
            self.weights.add_(velocity, alpha=-rate)
        else:
            self.weights.addcdiv_(gradient, deviation, value=-rate)
