"""Hold the loss, accuracy and time of one training epoch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """The loss, accuracy and time of one training epoch.

    Training values are means over all training steps of the epoch.
    Validation values are measured at the end of the epoch.
    """

    number: int  # 1 for the first epoch
    train_loss: float  # mean cross-entropy of the training images, with natural logarithms
    train_accuracy: float  # fraction of the training images classified correctly, from 0 to 1
    val_loss: float  # mean cross-entropy of the validation images, with natural logarithms
    val_accuracy: float  # fraction of the validation images classified correctly, from 0 to 1
    seconds: float  # time spent in training, without validation
    images: int  # number of training images used in the epoch

    def better_than(self, other: "Epoch | None") -> bool:
        """Return True if this epoch has the higher validation accuracy, or the same one and a lower loss.

        This rule chooses the network of `--keep best` and the star in the table.

        Args:
            other: an epoch; every epoch is better than None.
        """
        if other is None:
            return True
        return (-self.val_accuracy, self.val_loss) < (-other.val_accuracy, other.val_loss)
