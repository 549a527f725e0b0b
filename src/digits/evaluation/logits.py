"""Compute a network's logits for many images, and check them."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from digits.data.dataset import Digits, as_fractions
from digits.errors import DataError, TrainingError
from digits.mnist import SIDE


def compute_logits(model: nn.Module, images: Tensor | Digits, batch: int = 1000) -> Tensor:
    """The network's logits (N, classes), on the processor, for images uint8 (N, 28, 28) on any device.

    The network is put into evaluation mode meanwhile, so an answer does not depend on the other images.
    Raises DataError unless the images are bytes of that shape.
    """
    pixels = images if isinstance(images, Tensor) else images.images
    if pixels.dtype != torch.uint8 or pixels.shape[1:] != (SIDE, SIDE):
        found = f"{str(pixels.dtype).removeprefix('torch.')} {tuple(pixels.shape)}"
        raise DataError(f"images must be uint8 (N, 28, 28), found {found}; give bytes from 0 to 255")
    parameter = next(model.parameters(), None)
    device = pixels.device if parameter is None else parameter.device
    with _evaluation_mode(model), torch.inference_mode():
        logits = [model(as_fractions(part.to(device)).unsqueeze(1)) for part in torch.split(pixels, batch)]
    return torch.cat(logits).cpu()  # outside inference mode: a tensor that autograd may use again


@contextlib.contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode; afterwards each layer is as before, those deliberately frozen included."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def probabilities(logits: Tensor) -> Tensor:
    """Softmax of logits (N, classes) in double precision: every row sums to 1. Errors as `evaluate`."""
    return finite(logits).softmax(1)


def checked(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logits float64 (N, classes) and labels int64 (N,) that fit each other, on the processor."""
    logits, labels = finite(logits), labels.detach().cpu().long()
    if labels.shape != logits.shape[:1]:
        raise DataError(
            f"every image needs one label, found {len(logits)} images and labels {tuple(labels.shape)}; "
            "evaluate the images and the labels of the same set"
        )
    low, high, classes = labels.min().item(), labels.max().item(), logits.shape[1]
    if low < 0 or high >= classes:
        raise DataError(
            f"labels must be from 0 to {classes - 1}, found {low} to {high}; "
            "evaluate on the data set the network was trained for"
        )
    return logits, labels


def finite(logits: Tensor) -> Tensor:
    """Logits as finite float64 (N, classes), N > 0, on the processor."""
    if logits.ndim != 2 or logits.numel() == 0:
        raise DataError(
            f"nothing to evaluate: logits {tuple(logits.shape)}, expected (N, classes), at least one image"
        )
    logits = logits.detach().cpu().double()
    broken = int((~logits.isfinite()).any(1).sum())
    if broken:
        raise TrainingError(
            f"the network's answers to {broken} of {len(logits)} images are not finite numbers; "
            "its weights have overflowed: train again with a lower learning rate"
        )
    return logits
