"""The base class of the MLP and the CNN."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from digits.errors import TrainingError
from digits.mnist import MNIST_MEAN, MNIST_STD, SIDE
from digits.networks.image_check import check_images
from digits.networks.upright import upright
from digits.options import View


class LogitModule(nn.Module):
    """A module that computes logits, with the probabilities that follow from them.

    In evaluation mode, a call checks the shape and the range of the images. In training mode it does not, to
    save time: the training loop makes its images itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_forward_pre_hook(_check_call, with_kwargs=True)

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """Compute the class probabilities of images.

        Args:
            images: float (B, 1, 28, 28) in [0, 1], white ink on black.

        Returns:
            float (B, classes); each row sums to 1.

        Raises:
            ImageError: if the images have another shape or range.
            TrainingError: if a probability is not finite.
        """
        probabilities: Tensor = self(images).softmax(dim=1)
        if not probabilities.isfinite().all():  # a file with such weights is not loaded; see numpy_inference
            raise TrainingError(
                "the network's answers are not finite numbers, because its weights have become too large: "
                "train again with a lower learning rate"
            )
        return probabilities


def _check_call(module: nn.Module, arguments: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
    """Check the images of a call `module(images)` in evaluation mode.

    Raises:
        ImageError: if the images have another shape or range.
    """
    if not module.training:
        images = (*arguments, *named.values())[0].detach()
        low, high = map(float, images.aminmax()) if images.numel() else (0.0, 0.0)
        check_images(tuple(images.shape), (1, SIDE, SIDE), low, high)


class Network(LogitModule, ABC):
    """A network that maps images to logits.

    Its input is float32 (B, 1, 28, 28) in [0, 1]; its output is (B, classes).
    The number `temperature` divides the logits; see `digits.evaluation.calibration`.

    Args:
        mean: mean of all pixels of the training images, in [0, 1].
        std: standard deviation of the same pixels, above 0.
        view: "upright" to remove the slant of each digit first; "as-is" to keep it.
    """

    mean: Tensor
    std: Tensor
    temperature: Tensor
    output: nn.Linear  # the last layer

    def __init__(self, mean: float = MNIST_MEAN, std: float = MNIST_STD, view: View = "as-is") -> None:
        super().__init__()
        self.view = view
        # Buffers are saved together with the weights.
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))
        # The temperature is 1 during training. Afterwards it is set to the result of
        # `digits.evaluation.calibration.fit_temperature`.
        self.register_buffer("temperature", torch.tensor(1.0))

    def normalise(self, images: Tensor) -> Tensor:
        """Subtract `mean` from the images and divide them by `std`.

        With the view "upright", the slant of the digits is removed first.

        Args:
            images: float (B, 1, 28, 28) in [0, 1].

        Returns:
            float (B, 1, 28, 28).
        """
        seen = upright(images) if self.view == "upright" else images
        return (seen - self.mean).div_(self.std)

    @abstractmethod
    def first_layer(self) -> Tensor:
        """Return the weights of the first layer as images.

        Returns:
            float (neurons, height, width).
        """
