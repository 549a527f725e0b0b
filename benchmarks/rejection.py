"""Train the rejection network, which tells digits from other things: src/digits/weights/rejection.npz.

    python benchmarks/rejection.py

It is a small convolutional network with eleven classes, the last one "no digit". It learns from MNIST's
training images, from synthetic digits (`digits.data.synthetic`) and from non-digits made in code
(`nondigits.py`). 10,000 of MNIST's training images and non-digits of another seed are used for validation.
MNIST's test images are not used. `--trial FILE` writes to another file.
"""

import argparse
import dataclasses
import math
from pathlib import Path

import nondigits
import torch

from digits.data import loading, synthetic
from digits.data.dataset import Digits
from digits.data.splits import Splits, join, split
from digits.evaluation import calibration
from digits.evaluation.logits import compute_logits, probabilities
from digits.mnist import CLASSES
from digits.networks import model_file
from digits.networks.bundled import REJECTION, model_path
from digits.networks.network import Network
from digits.options import Augmentation
from digits.recipes import RECIPES
from digits.training import loop
from digits.training.state import begin

NO_DIGIT = CLASSES  # the label after 9
# Expected share of digits among the marks in users' pictures; in training it is about half. The correction is
# that of Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori
# probabilities", 2002.
DIGITS_AMONG_MARKS = 0.95
OPTIONS = dataclasses.replace(
    RECIPES["cnn"],
    channels=(24, 48, 96),
    epochs=10,
    label_smoothing=0.0,
    augmentation=Augmentation(
        rotation=10, scaling=0.15, shear=8, translation=1, elastic=12, thickness=0.6, sharpness=4
    ),
)
DRAWN, OTHERS, VALIDATION = 12_000, 60_000, 5_000


def sets(seed: int) -> Splits:
    """Return the training and validation sets: MNIST's images, synthetic digits and non-digits (label 10)."""
    splits = split(loading.load_data("mnist"), seed=0)
    train = splits.train
    digits, labels = train.images.numpy(), train.labels.numpy()
    parts = [
        synthetic.synthetic_digits(DRAWN, seed),
        (nondigits.make(OTHERS, seed, digits, labels), torch.full((OTHERS,), NO_DIGIT).numpy()),
    ]
    for images, names in parts:
        splits = join(splits, images, names)
    val = splits.val
    unseen = nondigits.make(VALIDATION, seed + 1, val.images.numpy(), val.labels.numpy())
    both = Digits(
        torch.cat([val.images, torch.from_numpy(unseen)]),
        torch.cat([val.labels, torch.full((VALIDATION,), NO_DIGIT)]),
    )
    return Splits(splits.train, both, splits.test)


def expect_digits(network: Network, among_training: float) -> None:
    """Shift the bias of "no digit" so that the network expects DIGITS_AMONG_MARKS.

    `among_training` is the share of digits in the training set, in (0, 1).
    """
    odds = DIGITS_AMONG_MARKS / (1 - DIGITS_AMONG_MARKS) * (1 - among_training) / among_training
    with torch.no_grad():
        network.output.bias[NO_DIGIT] -= network.temperature * math.log(odds)


def main() -> None:
    """Train the network, fit its temperature, print how well it separates digits, and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trial", type=Path, help="write to this file instead")
    parser.add_argument("--epochs", type=int, default=OPTIONS.epochs)
    given = parser.parse_args()
    options = dataclasses.replace(OPTIONS, epochs=given.epochs)
    splits = sets(options.seed)
    state = begin(options, splits.train)
    for epoch in loop.train(options, splits.train, splits.val, state=state):
        print(
            f"{epoch.number:3d}  training {epoch.train_accuracy:.2%}  validation {epoch.val_accuracy:.2%}"
            f"  {epoch.seconds:.1f} s",
            flush=True,
        )
    network = state.network.cpu()  # it may have been trained on a GPU
    logits = compute_logits(network, splits.val)
    network.temperature.fill_(calibration.fit_temperature(logits, splits.val.labels))
    expect_digits(network, float((splits.train.labels < NO_DIGIT).double().mean()))
    is_digit = 1 - probabilities(compute_logits(network, splits.val))[:, NO_DIGIT]
    digits = splits.val.labels < NO_DIGIT
    print("threshold  digits refused  others accepted")
    for threshold in (0.5, 0.7, 0.8, 0.85, 0.9, 0.95):
        refused = (is_digit[digits] < threshold).double().mean()
        accepted = (is_digit[~digits] >= threshold).double().mean()
        print(f"{threshold:9.2f}  {refused:14.2%}  {accepted:15.2%}")
    about = {
        "classes": [*"0123456789", "no digit"],
        "data": {
            "dataset": "mnist",
            "train_images": len(splits.train),
            "val_images": len(splits.val),
            "val_sha256": splits.val.sha256(),
        },
    }
    architecture = {"name": "cnn", "channels": list(options.channels), "classes": NO_DIGIT + 1}
    path = given.trial or model_path("cnn").with_name(f"{REJECTION}.npz")
    model_file.save_model(path, network.state_dict(), architecture, about, half=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
