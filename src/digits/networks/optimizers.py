"""Four rules that turn a gradient into a step, on one vector of weights.

Written out because they are short, and because the first optimiser of `torch.optim` imports PyTorch's
compiler, which costs a second at every start. `tests/test_training.py` holds them to torch.optim's own, bit
for bit.
"""

import math

import torch
from torch import Tensor

from digits.options import TrainOptions

BETA1, BETA2 = 0.9, 0.999  # Kingma and Ba 2015, algorithm 1
ALPHA = 0.99  # Hinton 2012, lecture 6e has 0.9; torch.optim.RMSprop's default
EPSILON = 1e-8  # Kingma and Ba 2015; torch.optim's default for all three


class Optimizer:
    """`step` moves `weights` against `gradient` by the rule of the options; both are vectors (N,).

    `memory` is all that is carried from step to step. A weight decay is added to the gradient as that of
    an L2 penalty, but for adamw, which shrinks the weights directly (Loshchilov and Hutter 2019).
    """

    def __init__(self, options: TrainOptions, weights: Tensor, gradient: Tensor) -> None:
        self.options, self.weights, self.gradient = options, weights, gradient
        self._rule = {"sgd": self._sgd, "adam": self._adam, "adamw": self._adam, "rmsprop": self._rmsprop}
        names = {
            "sgd": ["momentum"] if options.momentum else [],
            "adam": ["mean", "square"],
            "adamw": ["mean", "square"],
            "rmsprop": ["square", "momentum"] if options.momentum else ["square"],
        }[options.optimizer]
        self.memory = {name: torch.zeros_like(weights) for name in names}
        self.memory["steps"] = torch.zeros((), dtype=torch.int64)

    def step(self, rate: float) -> None:
        """One step with the learning rate `rate`."""
        self.memory["steps"] += 1
        gradient, decay = self.gradient, self.options.weight_decay
        if decay and self.options.optimizer == "adamw":
            self.weights.mul_(1 - rate * decay)
        elif decay:
            gradient = gradient.add(self.weights, alpha=decay)
        self._rule[self.options.optimizer](gradient, rate)

    def _sgd(self, gradient: Tensor, rate: float) -> None:
        """Momentum as in Sutskever et al. 2013, in PyTorch's form: the rate is applied to the sum."""
        momentum = self.options.momentum
        if momentum:
            velocity = self.memory["momentum"].mul_(momentum).add_(gradient)
            gradient = gradient.add(velocity, alpha=momentum) if self.options.nesterov else velocity
        self.weights.add_(gradient, alpha=-rate)

    def _adam(self, gradient: Tensor, rate: float) -> None:
        """Kingma and Ba 2015, algorithm 1."""
        steps = int(self.memory["steps"])
        mean = self.memory["mean"].lerp_(gradient, 1 - BETA1)
        square = self.memory["square"].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        deviation = (square.sqrt() / math.sqrt(1 - BETA2**steps)).add_(EPSILON)
        self.weights.addcdiv_(mean, deviation, value=-rate / (1 - BETA1**steps))

    def _rmsprop(self, gradient: Tensor, rate: float) -> None:
        """Hinton 2012, lecture 6e."""
        square = self.memory["square"].mul_(ALPHA).addcmul_(gradient, gradient, value=1 - ALPHA)
        deviation = square.sqrt().add_(EPSILON)
        if self.options.momentum:
            velocity = self.memory["momentum"].mul_(self.options.momentum).addcdiv_(gradient, deviation)
            self.weights.add_(velocity, alpha=-rate)
        else:
            self.weights.addcdiv_(gradient, deviation, value=-rate)
