"""The networks in the package keep the promises of their card."""

import json
import re
from pathlib import Path

import pytest
import torch

import digits
from digits.data.collection import Collection
from digits.evaluation import disputed_labels, metrics
from digits.evaluation.logits import compute_logits
from digits.networks.bundled import BUNDLED, model_path
from digits.networks.model_file import load_model
from digits.networks.tensor_file import load_tensors

ROOT = Path(__file__).parents[2]
CARD = (ROOT / "MODEL_CARD.md").read_text()
LIMIT = 2 * 2**20  # bytes of one file


def card(name: str) -> dict[str, str]:
    """Return the row of the model card's table about a network, by column."""
    rows = [line.strip("| ").split(" | ") for line in CARD.splitlines() if line.startswith("|")]
    columns = next(row for row in rows if row[0] == "network")
    row = next(row for row in rows if row[0] == f"`{name}`")
    return dict(zip(columns, row, strict=True))


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_a_bundled_network_is_small_and_in_half_precision(name: str) -> None:
    """Each file has less than 2 MB, and every weight in it 16 bits."""
    path = model_path(name)
    assert path.stat().st_size < LIMIT
    _, tensors = load_tensors(path, "model")
    assert {t.dtype for t in tensors.values() if t.is_floating_point()} == {torch.float16}


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_a_bundled_network_was_trained_on_the_training_images(name: str) -> None:
    """The file says that it was trained on the 60,000 published training images of MNIST only."""
    _, meta = load_model(model_path(name))
    about = meta["data"]
    assert (about["dataset"], about["published"], about["own_test_set"]) == ("mnist", True, True)
    assert about["train_images"] + about["val_images"] == 60_000
    assert about["test_images"] == 10_000


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_a_bundled_network_reaches_its_cards_figures(name: str, mnist: Collection) -> None:
    """Accuracy on the full test set and number of weights are exactly those of the model card."""
    assert mnist.test is not None
    logits = compute_logits(digits.load(name), mnist.test)
    found, row = metrics.evaluate_logits(logits, mnist.test.labels), card(name)
    assert row["test"] == f"{found.accuracy:.2%}".replace("%", " %")
    undisputed = disputed_labels.evaluate_undisputed(logits, mnist.test.labels)
    assert row["without disputed"] == f"{undisputed.accuracy:.2%}".replace("%", " %")
    assert row["weights"] == f"{sum(p.numel() for p in digits.load(name).parameters()):,}"


def test_evaluate_takes_a_bundled_name(mnist_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`digits evaluate cnn` gives the accuracy on the model card."""

    from digits.cli.main import main

    assert main(["evaluate", "cnn", "--data", str(mnist_folder), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert f"{json.loads(captured.out)['accuracy']:.2%}".replace("%", " %") == card("cnn")["test"]


def test_a_bundled_network_reads_right_after_installation() -> None:
    """Without data or download, both networks classify a vertical bar as a 1."""
    image = torch.zeros(1, 1, 28, 28)
    image[:, :, 4:24, 13:15] = 1
    for name in sorted(BUNDLED):
        probabilities = digits.load(name).probabilities(image)
        assert probabilities.argmax().item() == 1
        assert probabilities.sum().item() == pytest.approx(1)


def test_the_cards_commands_exist() -> None:
    """Every program named on the card is in the repository."""
    for path in re.findall(r"python (\S+\.py)", CARD):
        assert (ROOT / path).exists(), path
