"""Loss, accuracy and time of one training epoch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """Loss, accuracy and time of one training epoch.

    Losses are mean cross-entropies in nats, accuracies fractions from 0 to 1. The training values are means
    over the batches of the epoch: the weights change meanwhile, and the images are augmented if augmentation
    is on. The validation values are measured at the end of the epoch.
    """

    number: int  # from 1
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float  # of training, without validation
    images: int  # training images used in the epoch
