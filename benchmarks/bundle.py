"""Put a trained network into the package, in half precision, if no answer changes by it.

    python benchmarks/bundle.py runs/accuracy/ensemble-0/member-1 cnn
    python benchmarks/bundle.py runs/accuracy/mlp-0 mlp

All 70,000 images are read with both forms of the weights. If one answer differs, nothing is written.
MODEL_CARD.md describes the networks; tests/networks/test_bundled.py checks its figures.
"""

import argparse
import tempfile
from pathlib import Path

import torch

import digits
from digits.data import loading
from digits.evaluation import logits
from digits.networks import model_file
from digits.networks.bundled import BUNDLED, model_path

WEIGHTS = Path(digits.__file__).parent / "weights"


def main() -> None:
    """Write src/digits/weights/NAME.npz."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="folder of a finished run, or its model file")
    parser.add_argument("name", choices=sorted(BUNDLED))
    given = parser.parse_args()
    model, meta = model_file.load_model(model_path(given.run))
    architecture = meta.pop("architecture")
    kept = {name: value for name, value in meta.items() if name not in ("kind", "format")}
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "trial.npz"
        model_file.save_model(trial, model.state_dict(), architecture, kept, half=True)
        half, _ = model_file.load_model(trial)
    collection = loading.load_data(meta["data"]["dataset"])
    changed, farthest = 0, 0.0
    for part in (collection.train, collection.test):
        if part is not None:
            full, rounded = logits.compute_logits(model, part), logits.compute_logits(half, part)
            changed += int((full.argmax(1) != rounded.argmax(1)).sum())
            farthest = max(farthest, float((full.softmax(1) - rounded.softmax(1)).abs().max()))
    print(f"{changed} answers changed, largest difference of a probability {farthest:.5f}")
    if changed:
        raise SystemExit("half precision changes answers; nothing was written")
    WEIGHTS.mkdir(exist_ok=True)
    path = WEIGHTS / f"{given.name}.npz"
    model_file.save_model(path, model.state_dict(), architecture, kept, half=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
