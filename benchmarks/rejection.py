"""Train the rejection network, which tells digits from other things: src/digits/weights/rejection.npz.

    python benchmarks/rejection.py

It is a small convolutional network with eleven classes, the last one "no digit". It learns from MNIST's
training images, from synthetic digits (`digits.data.synthetic`) and from non-digits made in code
(`nondigits.py`). 10,000 of MNIST's training images and non-digits of another seed are used for validation.
MNIST's test images are not used. `--trial FILE` writes to another file.

    python benchmarks/rejection.py --non-digits

writes src/digits/weights/nondigits.npz: 1,500 non-digits of another seed, drawn in code alone, with which
`digits adapt` keeps the network from forgetting them.
"""

import argparse
import dataclasses
from pathlib import Path

import nondigits
import numpy as np
import torch

from digits.data import loading, synthetic
from digits.data.dataset import Digits
from digits.data.splits import Splits, join, split
from digits.evaluation import calibration
from digits.evaluation.logits import compute_logits, probabilities
from digits.networks import model_file
from digits.networks.bundled import NON_DIGITS, REJECTION, model_path
from digits.options import Augmentation
from digits.recipes import RECIPES
from digits.training import loop
from digits.training.rejection_tuning import NO_DIGIT_LABEL, bias_of_expectation
from digits.training.state import begin

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
FOR_ADAPT, FOR_ADAPT_SEED = 1500, 4


def sets(seed: int) -> Splits:
    """Return the training and validation sets: MNIST's images, synthetic digits and non-digits (label 10)."""
    splits = split(loading.load_data("mnist"), seed=0)
    train = splits.train
    digits, labels = train.images.numpy(), train.labels.numpy()
    parts = [
        synthetic.synthetic_digits(DRAWN, seed),
        (nondigits.make(OTHERS, seed, digits, labels), torch.full((OTHERS,), NO_DIGIT_LABEL).numpy()),
    ]
    for images, names in parts:
        splits = join(splits, images, names)
    val = splits.val
    unseen = nondigits.make(VALIDATION, seed + 1, val.images.numpy(), val.labels.numpy())
    both = Digits(
        torch.cat([val.images, torch.from_numpy(unseen)]),
        torch.cat([val.labels, torch.full((VALIDATION,), NO_DIGIT_LABEL)]),
    )
    return Splits(splits.train, both, splits.test)


def write_non_digits() -> None:
    """Write the non-digits for `digits adapt`, uint8 (1500, 28, 28)."""
    nothing = np.zeros((1, 28, 28), np.uint8), np.zeros(1, np.int64)
    images = nondigits.make(FOR_ADAPT, FOR_ADAPT_SEED, *nothing, without=nondigits.OF_MNIST)
    np.savez_compressed(NON_DIGITS, images=images)
    print(f"{NON_DIGITS}: {NON_DIGITS.stat().st_size:,} bytes")


def main() -> None:
    """Train the network, fit its temperature, print how well it separates digits, and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trial", type=Path, help="write to this file instead")
    parser.add_argument("--epochs", type=int, default=OPTIONS.epochs)
    parser.add_argument("--non-digits", action="store_true", help="write the non-digits for digits adapt")
    given = parser.parse_args()
    if given.non_digits:
        write_non_digits()
        return
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
    among_training = float((splits.train.labels < NO_DIGIT_LABEL).double().mean())
    network.output.bias.data[NO_DIGIT_LABEL] -= bias_of_expectation(network, among_training)
    is_digit = 1 - probabilities(compute_logits(network, splits.val))[:, NO_DIGIT_LABEL]
    digits = splits.val.labels < NO_DIGIT_LABEL
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
    architecture = {"name": "cnn", "channels": list(options.channels), "classes": NO_DIGIT_LABEL + 1}
    path = given.trial or model_path("cnn").with_name(f"{REJECTION}.npz")
    model_file.save_model(path, network.state_dict(), architecture, about, half=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
