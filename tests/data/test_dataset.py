"""Digits: items, digests, mean and deviation."""

import pytest
import torch
from support.data_sets import numbered, numbers
from torch.utils.data import Dataset, Subset, TensorDataset

from digits.data.batches import Batches
from digits.data.dataset import Digits, as_digits
from digits.data.splits import split
from digits.errors import DataError
from digits.options import TrainOptions
from digits.training.loop import train


def test_item_is_image_and_label(sample: Digits) -> None:
    """Item i is the image as (1, 28, 28) float32 in [0, 1] and its label as a plain int."""
    image, label = sample[1234]
    assert image.shape == (1, 28, 28)
    assert image.dtype == torch.float32
    assert torch.equal((image[0] * 255).round().byte(), sample.images[1234])
    assert (type(label), label) == (int, 2)  # 500 of each class, sorted
    assert len(sample) == 5000


def test_transform_is_applied_to_the_image(sample: Digits) -> None:
    """A transform is applied to the image of an item, and `at` keeps it."""
    halved = Digits(sample.images[:10], sample.labels[:10], transform=lambda image: image / 2)
    assert torch.equal(halved[3][0], sample[3][0] / 2)
    assert torch.equal(halved.at(torch.tensor([3]))[0][0], sample[3][0] / 2)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (torch.zeros(3, 28, 28), torch.zeros(3)),
        (torch.zeros(3, 28, 27, dtype=torch.uint8), torch.zeros(3)),
        (torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.zeros(3)),
        (torch.zeros(3, 28, 28, dtype=torch.uint8), torch.zeros(2)),
        (torch.zeros(0, 28, 28, dtype=torch.uint8), torch.zeros(0)),
    ],
)
def test_tensors_that_are_no_digits_are_refused(images: torch.Tensor, labels: torch.Tensor) -> None:
    """Tensors of another type, shape or number are a DataError that says what was expected."""
    with pytest.raises(DataError, match=r"expected uint8 \(N, 28, 28\) with N labels"):
        Digits(images, labels)


def test_digest_tells_sets_apart(sample: Digits) -> None:
    """The digest depends on pixels, labels and order, and not on how the tensors lie in memory."""
    few = sample.at(torch.arange(0, 5000, 100))
    turned = few.images.transpose(1, 2).contiguous().transpose(1, 2)
    assert Digits(turned, few.labels).sha256() == few.sha256()
    other_pixel, other_label = few.at(torch.arange(50)), few.at(torch.arange(50))
    other_pixel.images[7, 14, 14] ^= 1
    other_label.labels[7] += 1
    reversed_ = few.at(torch.arange(50).flip(0))
    assert len({each.sha256() for each in (few, other_pixel, other_label, reversed_)}) == 4


def test_mean_and_deviation_equal_numpys(sample: Digits) -> None:
    """Mean and deviation of real digits are NumPy's, to twelve digits."""
    pixels = sample.images.numpy() / 255.0
    assert sample.mean_and_std() == pytest.approx((pixels.mean(), pixels.std()), rel=1e-12)


def test_blank_images_cannot_be_normalised() -> None:
    """Images whose pixels are all the same cannot be normalised, which is an error."""
    blank = Digits(torch.full((2000, 28, 28), 77, dtype=torch.uint8), torch.zeros(2000))
    with pytest.raises(DataError, match="every pixel"):
        blank.mean_and_std()


class Labels(Dataset[int]):
    """A data set of labels alone."""


def test_a_subset_is_as_good_as_the_images_in_it() -> None:
    """Subsets of Digits, also of each other, are taken like Digits; other things are refused."""
    whole = numbered([n % 10 for n in range(30)])
    even = Subset(whole, range(0, 30, 2))
    assert numbers(as_digits(even)) == list(range(0, 30, 2))
    assert numbers(as_digits(Subset(even, [3, 1]))) == [6, 2]
    assert as_digits(whole) is whole
    (batch,) = Batches(Subset(whole, [4, 2]), batch_size=2, shuffle=False)  # type: ignore[arg-type]
    assert batch[1].tolist() == [4, 2]
    options = TrainOptions(epochs=1, batch_size=5, hidden=(4, 4))
    (epoch,) = train(options, even, Subset(whole, range(1, 30, 2)))  # type: ignore[arg-type]
    assert epoch.images == 15
    others: list[object] = [
        TensorDataset(torch.zeros(3, 28, 28), torch.zeros(3)),
        Subset(Labels(), [0]),
        None,
    ]
    for wrong in others:
        with pytest.raises(DataError, match="expected Digits, such as"):
            as_digits(wrong)
    with pytest.raises(DataError, match=r"cannot split Digits; expected the result of digits\.load_data"):
        split(whole)  # type: ignore[arg-type]
