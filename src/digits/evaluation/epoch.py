"""The figures of one epoch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One line of the table. Losses are mean cross-entropies in nats, accuracies fractions.

    Training figures are taken while the network learns, on augmented images where there is augmentation.
    """

    number: int  # from 1
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float  # of training, validation not counted
    images: int  # seen in those seconds
