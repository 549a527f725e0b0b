"""Train the rejection network further, on what the finder cuts out of pages.

    python benchmarks/page_nondigits.py --seed 0 --pages 320 --out pages-0.npz
    python benchmarks/page_nondigits.py --seed 1 --pages 320 --out pages-1.npz
    python benchmarks/rejection_pages.py pages-0.npz pages-1.npz --out FILE

`benchmarks/rejection.py` trains the network from scratch, on single characters. Here its first layers stay as
they are, and the last two convolutions and the output layer learn further: from the marks of the pages, and
from MNIST's training images, synthetic digits and the former non-digits, so that these are not forgotten.
The images pass the first layers only once, so that this takes about two minutes on one core. MNIST's test
images are not used; 3,000 of the training images and other non-digits are for validation. The package does
not have this network: docs/log.md, 2026-11-29, has what it reads better and worse.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import nondigits
import numpy as np
import numpy.typing as npt
import torch
from numpy.random import Generator
from PIL import Image
from torch import Tensor, nn

from digits.data import loading, synthetic
from digits.data.augmentation import distort, draw_numbers
from digits.data.splits import split
from digits.evaluation.calibration import fit_temperature
from digits.networks import model_file
from digits.networks.bundled import REJECTION, model_path
from digits.networks.cnn import CNN
from digits.options import Augmentation
from digits.reading.components import extent
from digits.reading.mnist_form import mnist_form
from digits.reading.reader import Reader
from digits.seeds import generator
from digits.training.rejection_tuning import NO_DIGIT_LABEL, bias_of_expectation

MNIST, WORN, DRAWN, OTHERS = 10_000, 5_000, 2_500, 4_000  # training images beside those of the pages
SURE = 0.9  # a mark that the classifier takes for a 0 or a 1 with this probability may look like one
AUGMENTATION = Augmentation(
    rotation=10, scaling=0.15, shear=8, translation=1, elastic=12, thickness=0.6, sharpness=4
)
VALIDATION, VALIDATION_OTHERS = 3_000, 1_000
EPOCHS, BATCH, LR, WEIGHT_DECAY, WARM_UP = 3, 128, 0.001, 0.001, 50  # of AdamW; the warm-up in steps
FEATURES_BATCH = 500  # images that pass the first layers at a time

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


def training_images(pages: Sequence[Path], seed: int = 0) -> tuple[Images, Labels]:
    """Return the training images (N, 28, 28) and their labels 0 to 10."""
    train = split(loading.load_data("mnist"), seed=0).train
    digits, labels = train.images.numpy().reshape(-1, 28, 28), train.labels.numpy()
    numbers = np.random.default_rng(seed)
    some, coarse, cut = (numbers.permutation(len(digits))[:count] for count in (MNIST, WORN, WORN))
    marks, names = marks_of_pages(pages)
    parts = [
        (digits[some], labels[some]),
        (distorted(digits[some], seed), labels[some]),
        (np.stack([coarsened(digits[i], numbers) for i in coarse]), labels[coarse]),
        (
            np.stack([cut_out(digits[i], digits[j], numbers) for i, j in zip(cut, some, strict=False)]),
            labels[cut],
        ),
        synthetic.synthetic_digits(DRAWN, seed),
        (nondigits.make(OTHERS, seed, digits, labels), np.full(OTHERS, NO_DIGIT_LABEL)),
        (marks, names),
        (distorted(marks, seed + 1), names),
    ]
    return np.concatenate([np.reshape(x, (-1, 28, 28)) for x, _ in parts]), np.concatenate(
        [y for _, y in parts]
    )


def marks_of_pages(pages: Sequence[Path]) -> tuple[Images, Labels]:
    """Return the marks of the pages; non-digits that the classifier takes for a sure 0 or 1 are left out."""
    archives = [np.load(path) for path in pages]
    marks = np.concatenate([archive["images"] for archive in archives])
    labels = np.concatenate([archive["labels"] for archive in archives])
    p = Reader.load("cnn", rejection=None).probabilities(marks.astype(np.float32) / np.float32(255))
    like_a_digit = (labels == NO_DIGIT_LABEL) & (p[:, :2].max(1) > SURE)
    return marks[~like_a_digit], labels[~like_a_digit]


def distorted(images: Images, seed: int) -> Images:
    """Change images as the networks' training does."""
    found = []
    numbers = generator(seed, "rejection", EPOCHS)
    for batch in torch.from_numpy(images).split(FEATURES_BATCH):
        draws = draw_numbers(len(batch), AUGMENTATION, numbers)
        found.append(distort(batch[:, None].float() / 255, AUGMENTATION, draws)[:, 0])
    return (torch.cat(found) * 255).round().to(torch.uint8).numpy()


def coarsened(digit: Images, numbers: Generator) -> Images:
    """Return a digit as it was scanned: 9 to 18 pixels high, some in black and white, some faint."""
    side = int(numbers.integers(12, 26))
    small = np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BOX), np.float32) / 255
    if numbers.random() < 0.5:
        small = (small > numbers.uniform(0.25, 0.6)).astype(np.float32)
    small = np.clip(small * numbers.uniform(0.7, 1.5), 0, 1) * (small > numbers.uniform(0, 0.3))
    return np.asarray(np.rint(mnist_form(small.astype(np.float32)) * 255), np.uint8)


def cut_out(digit: Images, neighbour: Images, numbers: Generator) -> Images:
    """Return a digit as it is cut out of a number: with a little of its neighbour, or not all of itself."""
    left, right = extent(digit > 60)[2:]
    page = np.zeros((28, 84), np.uint8)
    page[:, 28:56] = digit
    beside = neighbour[:, slice(*extent(neighbour > 60)[2:])]
    at = 28 + right + int(numbers.integers(-4, 3)) if numbers.random() < 0.5 else None
    start = at if at is not None else 28 + left + int(numbers.integers(-2, 5)) - beside.shape[1]
    place = page[:, start : start + beside.shape[1]]
    np.maximum(place, beside[:, : place.shape[1]], out=place)
    ends = 28 + left - int(numbers.integers(-1, 3)), 28 + right + int(numbers.integers(-1, 3))
    return np.asarray(
        np.rint(mnist_form(page[:, slice(*ends)].astype(np.float32) / np.float32(255)) * 255), np.uint8
    )


def validation_images(seed: int = 1) -> tuple[Images, Labels]:
    """Return MNIST's validation images and further non-digits, with their labels."""
    val = split(loading.load_data("mnist"), seed=0).val
    digits, labels = val.images.numpy().reshape(-1, 28, 28), val.labels.numpy()
    others = nondigits.make(VALIDATION_OTHERS, seed, digits, labels)
    return (
        np.concatenate([digits[:VALIDATION], others]),
        np.concatenate([labels[:VALIDATION], np.full(VALIDATION_OTHERS, NO_DIGIT_LABEL)]),
    )


def features(network: CNN, images: Images) -> Tensor:
    """Return what the first layers make of images: float16 (N, channels, 5, 5)."""
    found = []
    with torch.no_grad():
        for batch in torch.from_numpy(images).split(FEATURES_BATCH):
            x = network.stem(network.normalise(batch[:, None].float() / 255))
            found.append(nn.functional.max_pool2d(network.middle(x), 2).half())
    return torch.cat(found)


def logits_of(network: CNN, seen: Tensor) -> Tensor:
    """Return the logits (N, 11) of features, without the temperature."""
    logits: Tensor = network.output(network.top(seen.float()).mean(dim=(2, 3)))
    return logits


def train(network: CNN, seen: Tensor, labels: Tensor, seed: int = 0) -> None:
    """Train the last layers on features (N, channels, 5, 5) and labels (N,)."""
    weights = [*network.top.parameters(), *network.output.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=LR, weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * (len(seen) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / WARM_UP) * (1 - step / steps)
    )
    network.top.train()
    for epoch in range(EPOCHS):
        order = torch.randperm(len(seen), generator=generator(seed, "rejection", epoch))
        total = 0.0
        for batch in order[: len(order) // BATCH * BATCH].split(BATCH):
            loss = nn.functional.cross_entropy(logits_of(network, seen[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * BATCH
        print(f"{epoch + 1:3d}  training loss {total / len(order):.4f}", flush=True)
    network.top.eval()


def main() -> None:
    """Train the network further, fit its temperature, print how well it separates digits, write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", type=Path, nargs="+", help="files of page_nondigits.py")
    parser.add_argument("--start", default=REJECTION, help="network to start from")
    parser.add_argument("--out", type=Path, required=True, help="file for the network")
    given = parser.parse_args()
    network, about = model_file.load_single(model_path(given.start))
    assert isinstance(network, CNN)
    network.eval()
    network.output.bias.data[NO_DIGIT_LABEL] += bias_of_expectation(network, 0.5)
    images, labels = training_images(given.pages)
    print(f"{len(images):,} images, {(labels == NO_DIGIT_LABEL).mean():.0%} of them no digits", flush=True)
    train(network, features(network, images), torch.from_numpy(labels))
    unseen, names = validation_images()
    truth = torch.from_numpy(names)
    with torch.no_grad():
        logits = logits_of(network, features(network, unseen))
    network.temperature.fill_(fit_temperature(logits, truth))
    shift = bias_of_expectation(network, float((labels < NO_DIGIT_LABEL).mean()))
    network.output.bias.data[NO_DIGIT_LABEL] -= shift
    logits[:, NO_DIGIT_LABEL] -= shift
    is_digit = 1 - torch.softmax(logits / network.temperature, 1)[:, NO_DIGIT_LABEL]
    digits = truth < NO_DIGIT_LABEL
    print("threshold  digits refused  others accepted")
    for threshold in (0.1, 0.5, 0.9, 0.95):
        refused = (is_digit[digits] < threshold).double().mean()
        accepted = (is_digit[~digits] >= threshold).double().mean()
        print(f"{threshold:9.2f}  {refused:14.2%}  {accepted:15.2%}")
    architecture = {"name": "cnn", "channels": [24, 48, 96], "classes": NO_DIGIT_LABEL + 1}
    kept = {key: about[key] for key in ("classes", "data")}
    model_file.save_model(given.out, network.state_dict(), architecture, kept, half=True)
    print(f"{given.out}: {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
