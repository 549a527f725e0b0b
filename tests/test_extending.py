"""What CONTRIBUTING.md says of adding a recipe, a data set, an augmentation, a network or a command works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DIFFS = re.findall(r"^```diff\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL)
USE = """
import sys
from pathlib import Path

import numpy as np
import torch

import digits
from digits.cli.main import main
from digits.data.augmentation import augment
from digits.networks.numpy_inference import Classifier

folder, out = sys.argv[1:]
base = ["train", "--data", folder, "--out", out, "--no-plots", "--epochs", "1"]

assert main([*base, "--recipe", "patient", "--name", "patient"]) == 0
assert '"lr": 0.003' in (Path(out) / "patient" / "options.json").read_text()

assert main([*base, "--dataset", "mine", "--unverified", "--name", "mine"]) == 0

images = torch.ones(50, 1, 28, 28)
paler = augment(images, digits.Augmentation(fading=0.5), torch.Generator().manual_seed(0))
assert 0.5 <= paler.min() < 0.6 and 0.9 < paler.max() <= 1
assert main([*base, "--fading", "0.2", "--name", "fading"]) == 0

assert main([*base, "--model", "linear", "--name", "linear"]) == 0
assert main(["evaluate", f"{out}/linear", "--data", folder]) == 0
image = np.random.default_rng(0).random((1, 28, 28), np.float32)
by_torch = digits.load(f"{out}/linear").probabilities(torch.from_numpy(image)[None])
assert np.allclose(Classifier.load(f"{out}/linear").probabilities(image), by_torch, atol=1e-6)

assert main(["hello", "World", "--loud"]) == 0
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the package to which every diff in CONTRIBUTING.md has been applied."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for diff in DIFFS:
        command = ["git", "apply", "-p0", "--unidiff-zero", "-"]
        done = subprocess.run(command, cwd=folder, input=diff, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stderr}\n{diff}"
    return folder


def test_there_is_a_diff_for_each(extended: Path) -> None:
    """CONTRIBUTING.md has five diffs, and they still fit the code."""
    assert len(DIFFS) == 5


def test_what_was_added_can_be_used(extended: Path, tiny_folder: Path, tmp_path: Path) -> None:
    """With the five diffs, the new recipe, data set, augmentation and network train, and the command runs."""
    environment = {**os.environ, "PYTHONPATH": str(extended / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", USE, str(tiny_folder), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "HELLO, WORLD!" in done.stdout
