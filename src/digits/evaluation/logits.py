"""Compute a network's logits for many images, and check logits and labels."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from digits.data.dataset import Digits, as_fractions
from digits.errors import DataError, TrainingError
from digits.mnist import SIDE


def compute_logits(model: nn.Module, images: Tensor | Digits, batch: int = 1000) -> Tensor:
    """Return a network's logits (N, classes) for images, on the CPU.

    The network is in evaluation mode meanwhile, so the logits of an image do not depend on the others.

    Args:
        model: takes images (B, 1, 28, 28), float32 in [0, 1]; may be on any device.
        images: uint8 (N, 28, 28) on any device, or a data set whose images are used.
        batch: number of images to process at a time.

    Raises DataError if the images have another shape or dtype.
    """
    pixels = images if isinstance(images, Tensor) else images.images
    if pixels.dtype != torch.uint8 or pixels.shape[1:] != (SIDE, SIDE):
        found = f"{str(pixels.dtype).removeprefix('torch.')} {tuple(pixels.shape)}"
        raise DataError(f"images must be uint8 (N, 28, 28), found {found}; give bytes from 0 to 255")
    parameter = next(model.parameters(), None)
    device = pixels.device if parameter is None else parameter.device
    with _evaluation_mode(model), torch.inference_mode():
        logits = [model(as_fractions(part.to(device)).unsqueeze(1)) for part in torch.split(pixels, batch)]
    return torch.cat(logits).cpu()  # made outside inference mode, so that autograd can use it


@contextlib.contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, and afterwards each of its layers back into the mode it had."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def probabilities(logits: Tensor) -> Tensor:
    """Return the probabilities, float64 (N, classes), of logits (N, classes); each row sums to 1.

    Raises the errors of `checked_logits`.
    """
    return checked_logits(logits).softmax(1)


def checked(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits (N, classes) as float64 and labels (N,) as int64, both on the CPU.

    Raises DataError if their numbers differ or a label is not a class of the network, and the errors of
    `checked_logits`.
    """
    logits, labels = checked_logits(logits), labels.detach().cpu().long()
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


def checked_logits(logits: Tensor) -> Tensor:
    """Return logits (N, classes) as float64 on the CPU.

    Raises DataError if they have another shape or there are none, and TrainingError if one is not finite.
    """
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
