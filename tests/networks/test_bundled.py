"""The networks in the package keep the promises of their card."""

import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from support.saved_network import saved

import digits
from digits.cli.main import main
from digits.data import sketch
from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.data.synthetic import synthetic_digits
from digits.evaluation import disputed_labels, metrics
from digits.evaluation.logits import compute_logits
from digits.networks.bundled import BUNDLED, REJECTION, as_argument, model_path
from digits.networks.model_file import load_model
from digits.networks.tensor_file import load_tensors
from digits.serving.app import load_readers
from digits.training.adapting import load_start
from digits.training.teacher import load_teacher

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
def test_a_bundled_network_knows_which_images_it_has_seen(name: str, sample: Digits) -> None:
    """The sample has 5,000 of the training images, and digits drawn by the package are none of them."""
    seen = sketch.from_text(load_model(model_path(name))[1]["seen"])
    assert seen is not None
    assert len(seen) == sketch.SIZE
    assert sketch.count_seen(sample.images, seen) == len(sample)
    assert sketch.count_seen(torch.from_numpy(synthetic_digits(50, 0)[0]), seen) == 0


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


@pytest.mark.parametrize("name", [*BUNDLED, REJECTION])
@pytest.mark.parametrize("kind", ["folder", "file", "run"])
def test_a_file_or_folder_of_the_same_name_changes_nothing(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bundled name means the bundled network, whatever lies in the current folder; ./NAME is the other."""
    expected = model_path(name)
    monkeypatch.chdir(tmp_path)
    if kind == "file":
        Path(name).write_bytes(b"something else")
    else:
        Path(name).mkdir()
    if kind == "run":
        saved("mlp", Path(name))
        assert (
            model_path(f"./{name}")
            == model_path(f"{name}/")
            == model_path(Path(name))
            == Path(name, "model.npz")
        )
        assert digits.load(as_argument(Path(name))).state_dict()["hidden1.weight"].shape == (20, 784)
    assert model_path(name) == model_path(name) == expected
    notes = [
        f"note: {name} is the bundled network; {Path(name).absolute()} is not used: write ./{name} for it"
    ]
    assert caplog.messages == (notes if name in BUNDLED else [])


@pytest.mark.parametrize("name", BUNDLED)
def test_every_command_takes_the_bundled_network(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders named like the bundled networks stop no command that uses these, also by default."""
    monkeypatch.chdir(tmp_path)
    for folder in (*BUNDLED, REJECTION):
        Path(folder).mkdir()
    Image.new("L", (28, 28)).save("black.png")
    assert main(["predict", "black.png"]) == main(["predict", "black.png", "--model", name]) == 0
    assert load_start(name).meta["data"]["dataset"] == "mnist"
    assert load_teacher(name, "mnist", "")[0].training is False
    assert list(load_readers(())) == sorted(BUNDLED)
    for place in ("evaluate", name, "--data", "nowhere"), ("compare", name, name, "--data", "nowhere"):
        capsys.readouterr()
        assert main(list(place)) == 1
        assert "nowhere" in capsys.readouterr().err  # the network was loaded before the data


def test_the_cards_commands_exist() -> None:
    """Every program named on the card is in the repository."""
    for path in re.findall(r"python (\S+\.py)", CARD):
        assert (ROOT / path).exists(), path
