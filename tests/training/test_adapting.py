"""`digits adapt`: a made-up writer's odd digits are learned, little is forgotten, nothing done by halves."""

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter
from support.saved_network import saved
from support.strokefont import sheet

import digits
from digits import files
from digits.cli.main import main
from digits.data import digit_styles, loading, synthetic
from digits.data.collection import Collection
from digits.data.dataset import Digits, as_fractions
from digits.data.pen import render
from digits.data.splits import Splits
from digits.errors import CheckpointError, DataError, OptionError, RunError
from digits.evaluation.logits import compute_logits
from digits.networks import model_file
from digits.networks.bundled import model_path
from digits.networks.ensemble import Ensemble
from digits.networks.mlp import MLP
from digits.networks.model_file import load_single
from digits.networks.network import Network
from digits.reading.reader import Reader
from digits.training import adapting, custom_digits, fine_tuning, rejection_tuning
from digits.training.adapt_options import AdaptOptions
from digits.training.adaptation import Adaptation, AdaptResult, AnswerChange, Answers, save_adaptation

Pixels = npt.NDArray[np.uint8]


def boxed_four(numbers: np.random.Generator) -> digit_styles.Path:
    """A 4 that is closed above by a bar, which everybody else would call a 9."""
    return [[(0.0, 0.0), (0.0, 0.5), (0.6, 0.5)], [(0.6, 0.0), (0.6, 1.0)], [(0.0, 0.0), (0.6, 0.0)]]


def odd_digits(each: int, seed: int) -> Iterator[tuple[int, Pixels]]:
    """Digits of a writer with that one odd habit, in MNIST's form."""
    numbers = np.random.default_rng(seed)
    for digit in range(10):
        for _ in range(each):
            habit = boxed_four if digit == 4 else digit_styles.STYLES[digit][-1]
            image = render(synthetic.handwritten(habit(numbers), numbers), pen=float(numbers.uniform(2, 3)))
            yield digit, np.asarray(np.rint(image * 255), dtype=np.uint8)


def write_folder(folder: Path, written: Iterator[tuple[int, Pixels]]) -> Path:
    """A folder per digit, numbered PNG files."""
    for number, (digit, pixels) in enumerate(written):
        (folder / str(digit)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / str(digit) / f"{number}.png")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty digits of that writer."""
    return write_folder(tmp_path / "my_digits", odd_digits(2, seed=1))


@pytest.fixture(scope="module")
def small_mnist(sample: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with 500 training images and 250 test images of the sample."""
    parts: dict[str, Any] = {}
    for name, digits_of in (("train", range(0, 5000, 10)), ("test", range(5, 5000, 20))):
        part = sample.at(torch.tensor(digits_of))
        parts |= {f"x_{name}": part.images.numpy(), f"y_{name}": part.labels.numpy()}
    path = tmp_path_factory.mktemp("small") / "mnist.npz"
    np.savez(path, **parts)
    return path


@pytest.fixture(scope="module")
def collection(small_mnist: Path) -> Collection:
    """These images as a data set."""
    return loading.load_data("mnist", small_mnist)


@pytest.fixture(scope="module")
def adapted(sample_file: Path, tmp_path_factory: pytest.TempPathFactory) -> AdaptResult:
    """What `digits.adapt` returns for sixty digits of that writer, MNIST's being the sample's."""
    place = tmp_path_factory.mktemp("adapt")
    folder = write_folder(place / "my_digits", odd_digits(6, seed=1))
    (folder / "3" / "notes.txt").write_text("no picture")
    return digits.adapt(folder, data=sample_file, out=place / "runs")


# ------------------------------------------------------------------------------------------ what it learns


@pytest.mark.slow
def test_an_odd_habit_is_learned_and_little_is_forgotten(adapted: AdaptResult) -> None:
    """Held-out digits gain beyond chance; MNIST's lose less than one in a hundred."""
    figures = json.loads((adapted.folder / "adapt.json").read_text())
    custom = figures["custom"]
    assert custom["after"]["total"] == custom["before"]["total"] == 60
    assert custom["after"]["accuracy"] >= custom["before"]["accuracy"] + 0.05
    assert custom["p"] < 0.05
    for part in ("validation", "test"):
        assert figures[part]["after"]["accuracy"] >= figures[part]["before"]["accuracy"] - 0.01


def test_adapt_returns_the_figures_of_the_file(
    folder: Path, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `digits.adapt` returns is what adapt.json says, and which picture could not be used."""
    monkeypatch.setattr(fine_tuning, "STEPS", 2)
    (folder / "3" / "notes.txt").write_text("no picture")
    (folder / "letters").mkdir()
    adapted = digits.adapt(folder, "mlp", data=small_mnist, out=tmp_path / "runs")
    figures = json.loads((adapted.folder / "adapt.json").read_text())
    for name in ("custom", "validation", "test"):
        change = getattr(adapted, name)
        assert (change.before.accuracy, change.after.accuracy) == (
            figures[name]["before"]["accuracy"],
            figures[name]["after"]["accuracy"],
        )
        assert change.compared.p_value == figures[name]["p"]
    assert adapted.folder.name == "adapt-1"
    assert list(adapted.notices) == figures["notices"]
    skipped, other = adapted.skipped
    assert "notes.txt is no picture" in skipped
    assert other == f"{folder / 'letters'} is in none of the folders 0 to 9"
    assert isinstance(digits.load(adapted.folder), MLP)
    assert sorted(path.name for path in adapted.folder.iterdir()) == [
        "adapt.json",
        "model.npz",
        "rejection.npz",
    ]


@pytest.mark.slow
def test_fine_tuning_learns_the_habit_and_forgets_little(sample: Digits, tmp_path: Path) -> None:
    """Once fine-tuned, the network reads new fours of that writer, and MNIST's digits nearly as before."""
    custom = custom_digits.load_custom_digits(write_folder(tmp_path / "my_digits", odd_digits(6, seed=1)))
    fours = torch.stack([torch.from_numpy(pixels) for digit, pixels in odd_digits(20, seed=2) if digit == 4])
    network, mnist = adapting.load_start("cnn").network, sample.at(torch.arange(0, len(sample), 10))
    splits = Splits(sample, mnist, mnist)
    tuned = fine_tuning.fine_tune(network, custom.digits, splits, 0, 0)
    answers = [compute_logits(net, fours).argmax(1) for net in (network, tuned)]
    assert (answers[0] == 4).sum() <= 5
    assert (answers[1] == 4).sum() >= 18
    right = [
        (compute_logits(net, mnist).argmax(1) == mnist.labels).double().mean() for net in (network, tuned)
    ]
    assert right[1] >= right[0] - 0.01


@pytest.mark.slow
def test_new_digits_of_that_writer_are_read(adapted: AdaptResult) -> None:
    """The saved network reads digits that were not there when it was trained, as `digits predict` does."""
    fours = [pixels for digit, pixels in odd_digits(20, seed=2) if digit == 4]
    before = [Reader.load("cnn").read(pixels, single=True).digits[0].digit for pixels in fours]
    reader = Reader.load(str(adapted.folder))
    after = [reader.read(pixels, single=True).digits[0].digit for pixels in fours]
    assert before.count(4) <= 5
    assert after.count(4) >= 18


@pytest.mark.slow
def test_the_file_says_what_it_is(adapted: AdaptResult) -> None:
    """The file says what the network was made from, beside all that it said before."""
    _, before = load_single(model_path("cnn"))
    network, meta = load_single(adapted.folder / "model.npz")
    assert meta["data"] == before["data"]
    assert meta["adapted"]["model"] == "cnn"
    assert meta["adapted"]["per_digit"] == [6] * 10
    assert 0.3 < float(network.temperature) < 3
    assert sorted(path.name for path in adapted.folder.iterdir()) == [
        "adapt.json",
        "model.npz",
        "rejection.npz",
    ]


@pytest.mark.slow
def test_it_can_be_evaluated(
    adapted: AdaptResult, mnist_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`digits evaluate` takes the run's folder."""
    assert main(["evaluate", str(adapted.folder), "--data", str(mnist_folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] > 0.985


@pytest.mark.slow
def test_what_is_printed(folder: Path, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                         capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """Yours, what was skipped, a table that lines up, and where the network is; or one JSON object."""
    monkeypatch.setattr(fine_tuning, "STEPS", 2)
    for i in range(7):
        (folder / "5" / f"a{i}\n.png").write_bytes(b"no picture")
    arguments = ["adapt", str(folder), "--data", str(small_mnist), "--out", str(tmp_path), "--model", "mlp"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "20 pictures in" in out
    assert out.count("skipped ") == 5
    assert "and 2 more" in out
    assert "a0?.png is no picture" in out
    names = ("read right", "yours, ", "MNIST, ")
    header, *rows = [line for line in out.splitlines() if line.startswith(names)]
    assert len(rows) == 3
    assert {line.index("% (") for line in rows} == {rows[0].index("% (")}
    assert {len(line) for line in rows} == {len(header)}
    assert f"digits predict --model {tmp_path}/adapt-1" in out
    assert main([*arguments, "--json", "--name", "again"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["folder"] == str(tmp_path / "again")
    assert len(found["skipped"]) == 7


def test_the_same_seed_gives_the_same_bits(
    folder: Path, sample: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the same network from the same seed; another seed, another network; the original stays."""
    monkeypatch.setattr(fine_tuning, "STEPS", 3)
    custom = custom_digits.load_custom_digits(folder).digits
    network, _ = load_single(model_path("mlp"))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    splits = Splits(sample, sample, sample)
    tuned = [fine_tuning.fine_tune(network, custom, splits, seed, 0).state_dict() for seed in (0, 0, 1)]
    assert all(torch.equal(tuned[0][name], tuned[1][name]) for name in before)
    assert not all(torch.equal(tuned[0][name], tuned[2][name]) for name in before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_weights_end_halfway() -> None:
    """Each weight is the mean of before and after; the temperature is left alone."""
    first, second = MLP(3, 4), MLP(3, 4)
    second.temperature.fill_(3)
    expected = (first.hidden1.weight + second.hidden1.weight) / 2
    between = fine_tuning.mean_network(first, second)
    assert isinstance(between, MLP)
    assert torch.allclose(between.hidden1.weight, expected)
    assert float(between.temperature) == 3


# ------------------------------------------------------------------------------------ what the reader answers


def barred_zero(numbers: np.random.Generator) -> Image.Image:
    """A 0 with a bar across, like a theta, which the bundled networks refuse."""
    picture = Image.new("L", (200, 220), 255)
    draw = ImageDraw.Draw(picture)
    width, rx, ry = int(numbers.integers(7, 14)), numbers.uniform(38, 55), numbers.uniform(60, 75)
    draw.ellipse((100 - rx, 110 - ry, 100 + rx, 110 + ry), outline=0, width=width)
    draw.line((100 - rx, 110, 100 + rx, 110), fill=0, width=width)
    return picture.filter(ImageFilter.GaussianBlur(1))


@pytest.mark.slow
def test_digits_that_were_refused_are_accepted_afterwards(sample: Digits, tmp_path: Path) -> None:
    """The fine-tuned networks read a habit that was refused as no digit; other marks stay refused."""
    numbers, folder = np.random.default_rng(1), tmp_path / "my_digits"
    write_folder(folder, ((digit, pixels) for digit, pixels in odd_digits(6, seed=1) if digit not in (0, 4)))
    (folder / "0").mkdir()
    for number in range(6):
        barred_zero(numbers).save(folder / "0" / f"{number}.png")
    new = [barred_zero(numbers) for _ in range(20)]
    start, custom = adapting.load_start("cnn"), custom_digits.load_custom_digits(folder).digits
    non_digits, others = rejection_tuning.load_non_digits()
    how = custom, Splits(sample, sample, sample), 0, 0
    network = fine_tuning.fine_tune(start.network, *how)
    network.temperature.copy_(start.network.temperature)
    rejection = rejection_tuning.fine_tune_rejection(start.rejection, non_digits, *how)
    readers = [
        Reader(model_file.to_classifier(one, start.meta), model_file.to_classifier(two, start.rejection_meta))
        for one, two in ((start.network, start.rejection), (network, rejection), (network, start.rejection))
    ]
    before, after, half = ([reader.read(picture, single=True).text for picture in new] for reader in readers)
    assert before.count("0") <= 2
    assert half.count("0") <= 10  # the network alone is not enough: the rejection network refuses them
    assert after.count("0") >= 18
    images = as_fractions(others.images).numpy()
    accepted = [int((reader.probabilities(images).max(1) >= reader.threshold).sum()) for reader in readers]
    assert accepted[1] <= accepted[0] + 3


def test_the_answers_are_those_of_the_reader(
    folder: Path, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is reported before fine-tuning is what the reader says to the pictures: right, wrong, refused."""
    monkeypatch.setattr(fine_tuning, "STEPS", 1)
    lines = [(3, np.eye(60, dtype=np.uint8) * 255), (4, np.eye(50, dtype=np.uint8)[::-1] * 255)]
    for number, (digit, pixels) in enumerate([*lines, *odd_digits(1, 9)]):
        Image.fromarray(pixels).save(folder / str(digit) / f"other{number}.png")
    custom = custom_digits.load_custom_digits(folder)
    found = adapting.adapt_network(AdaptOptions(folder), adapting.load_start("mlp"), custom, collection)
    reader = Reader.load("mlp")
    said = [
        (str(digit), reader.read(path, single=True).text)
        for digit in range(10)
        for path in (folder / str(digit)).iterdir()
    ]
    right, refused = sum(label == text for label, text in said), sum(text == "" for _, text in said)
    expected = {"right": right, "wrong": 32 - right - refused, "refused": refused, "total": 32}
    assert found.answers.before.to_json() == expected
    assert refused > 0
    assert right > 0


def test_answers_are_compared_picture_by_picture() -> None:
    """Gained and lost pictures, and the p-value of McNemar's test."""
    before = Answers(right=(True, False, False, True, False), wrong=(False, True, False, False, False))
    after = Answers(right=(True, True, True, False, False), wrong=(False,) * 5)
    change = AnswerChange(before, after)
    assert dataclasses.astuple(change.compared) == (1, 1, 2, 1)
    assert before.to_json() == {"right": 2, "wrong": 1, "refused": 2, "total": 5}
    assert change.to_json()["gained"] == 2
    assert change.to_json()["p"] == 1.0


def test_the_rejection_network_beside_a_model_is_used(tmp_path: Path) -> None:
    """Reader.load takes rejection.npz beside the model file; it must have eleven classes."""
    shutil.copy(model_path("mlp"), tmp_path / "model.npz")
    (tmp_path / "own").mkdir()
    own = saved("eleven", tmp_path / "own")
    shutil.copy(own, tmp_path / "rejection.npz")
    images = np.random.default_rng(0).random((4, 28, 28), np.float32)

    def doubts(reader: Reader) -> npt.NDArray[np.float32]:
        assert reader.rejection is not None
        return reader.rejection.probabilities(images)

    assert np.array_equal(doubts(Reader.load(tmp_path)), doubts(Reader.load("cnn", rejection=own)))
    bundled = doubts(Reader.load(tmp_path, rejection="rejection"))
    assert np.array_equal(bundled, doubts(Reader.load("mlp")))
    assert not np.array_equal(bundled, doubts(Reader.load(tmp_path)))
    assert Reader.load(tmp_path, rejection=None).rejection is None
    with pytest.raises(OptionError, match="mlp has 10 classes; expected a rejection network"):
        Reader.load(tmp_path, rejection="mlp")


# ---------------------------------------------------------------------------------------- what is held back


@pytest.mark.parametrize("each", [1, 2, 7])
def test_few_digits_are_each_held_back_once(each: int) -> None:
    """Five parts that make up the whole, every digit spread evenly; the same seed, the same parts."""
    labels = torch.arange(10).repeat(each)
    parts = adapting.held_out_parts(labels, 0)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(10 * each))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for part in parts:
        counts = torch.bincount(labels[part], minlength=10)
        assert counts.max() <= -(-each // 5)
    assert all(map(torch.equal, parts, adapting.held_out_parts(labels, 0)))
    assert len(adapting.held_out_parts(torch.tensor([3, 4, 5]), 0)) == 3


def test_a_fifth_of_many_digits_is_held_back() -> None:
    """One part, in proportion."""
    labels = torch.arange(10).repeat(40)
    (part,) = adapting.held_out_parts(labels, 0)
    assert torch.bincount(labels[part]).tolist() == [8] * 10


@pytest.mark.parametrize("each", [2, 30])
def test_nothing_held_back_is_learned(
    each: int, collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks that are asked have seen none of the digits asked about; nor MNIST's validation and test."""
    asked: list[tuple[set[bytes], Splits]] = []

    def learn_nothing(network: Network, custom: Digits, splits: Splits, *_: object) -> Network:
        asked.append(({image.numpy().tobytes() for image in custom.images}, splits))
        return network

    monkeypatch.setattr(fine_tuning, "fine_tune", learn_nothing)
    monkeypatch.setattr(rejection_tuning, "fine_tune_rejection", lambda network, *_: network)
    custom = custom_digits.load_custom_digits(write_folder(tmp_path / "my_digits", odd_digits(each, seed=3)))
    found = adapting.adapt_network(AdaptOptions(tmp_path), adapting.load_start("mlp"), custom, collection)
    everything = {image.numpy().tobytes() for image in custom.digits.images}
    if each < 25:
        assert found.folds == len(asked) - 1 == 5
        held = [everything - seen for seen, _ in asked[:-1]]
        assert sum(map(len, held)) == len(everything) == found.custom.after.total
        assert set.union(*held) == everything
        assert asked[-1][0] == everything
    else:
        assert found.folds == len(asked) == 1
        assert len(everything - asked[0][0]) == found.custom.after.total == 60
    assert (found.custom.compared.first, found.custom.compared.second) == (0, 0)
    splits = asked[0][1]
    learned = {image.numpy().tobytes() for image in splits.train.images}
    for part in (splits.val, splits.test):
        assert not learned & {image.numpy().tobytes() for image in part.images}


def test_of_many_digits_all_kinds_are_learned(sample: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room for 960 custom digits: of 1,500 sorted by label, every digit is learned."""
    learned: list[Digits] = []

    def only_look(_: object, mixed: Digits, *__: object, **___: object) -> Iterator[None]:
        learned.append(mixed)
        return iter(())

    monkeypatch.setattr(fine_tuning, "train", only_look)
    custom = Digits(torch.full((1500, 28, 28), 7, dtype=torch.uint8), torch.arange(1500) // 150)
    fine_tuning.fine_tune(adapting.load_start("mlp").network, custom, Splits(sample, sample, sample), 0, 0)
    is_custom = learned[0].images.flatten(1).eq(7).all(dim=1)
    assert is_custom.sum() == 960
    assert torch.bincount(learned[0].labels[is_custom], minlength=10).min() > 60


def test_an_adaptation_that_changes_nothing_changes_no_figure(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after are measured alike: as calibrated as the network that is kept."""
    monkeypatch.setattr(fine_tuning, "train", lambda *_, **__: iter(()))
    custom = custom_digits.load_custom_digits(write_folder(tmp_path / "my_digits", odd_digits(2, seed=1)))
    found = adapting.adapt_network(AdaptOptions(tmp_path), adapting.load_start("mlp"), custom, collection)
    for change in (found.custom, found.validation, found.test):
        assert change.after.loss == pytest.approx(change.before.loss, rel=1e-4)
        assert change.after.ece == pytest.approx(change.before.ece, abs=1e-5)


def test_a_network_that_knows_synthetic_digits_repeats_some(sample: Digits) -> None:
    """Synthetic digits join the repeated ones, in the proportion that the network was trained with."""
    collection = Collection("mnist", sample, None, "here", published=False)
    about = {"train_images": 58_000, "drawn_images": 14_500, "val_images": 2000, "split_seed": 0}
    splits, notices = adapting.splits_as_trained(collection, {"data": about})
    assert splits.synthetic == (len(splits.train) - splits.synthetic) // 4
    assert len(splits.val) == 2000
    assert len(notices) == 1
    assert adapting.splits_as_trained(collection, {})[0].synthetic == 0


# --------------------------------------------------------------------------------------- custom pictures


def test_stored_digits_are_taken_as_they_are(folder: Path) -> None:
    """What the page and MNIST store, (28, 28) white on black in its form, comes back pixel by pixel."""
    custom = custom_digits.load_custom_digits(folder)
    expected = {pixels.tobytes() for _, pixels in odd_digits(2, seed=1)}
    assert {image.numpy().tobytes() for image in custom.digits.images} == expected
    assert custom.skipped == ()


def test_photos_are_brought_into_that_form(tmp_path: Path) -> None:
    """Any picture will do: the digit is found, boxed and centred as `digits predict` does it."""
    for digit in "37":
        (tmp_path / digit).mkdir()
        sheet(digit, ink=40, colour=210).save(tmp_path / digit / "photo.jpg")
    custom = custom_digits.load_custom_digits(tmp_path)
    assert custom.digits.labels.tolist() == [3, 7]
    seen = Reader.load("cnn").read(tmp_path / "3" / "photo.jpg", single=True).digits[0].image
    assert np.array_equal(custom.digits.images[0].numpy(), np.rint(seen * 255).astype(np.uint8))


def test_what_cannot_be_used_is_named(folder: Path) -> None:
    """No picture, no ink, twice the same, under two digits: skipped, each with its reason."""
    (folder / "2" / "a.txt").write_text("no picture")
    Image.new("L", (50, 50), 255).save(folder / "2" / "b.png")
    first = min((folder / "3").iterdir())
    (folder / "3" / "z.png").write_bytes(first.read_bytes())
    (folder / "9" / "z.png").write_bytes(first.read_bytes())
    (folder / "2" / ".hidden").write_text("not looked at")
    custom = custom_digits.load_custom_digits(folder)
    assert len(custom.digits) == 20
    reasons = sorted(
        custom.skipped
    )  # by path: no message begins with anything else, however long the path is
    assert "a.txt is no picture" in reasons[0]
    assert "b.png holds no ink" in reasons[1]
    assert reasons[2].endswith(f"is the same picture as {first}")
    assert reasons[3].endswith(f"is the same picture as {first}, which is in the folder of digit 3")


def test_progress_is_told(folder: Path, collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Picture by picture, and step by step."""
    monkeypatch.setattr(fine_tuning, "STEPS", 2)
    told: list[tuple[int, int]] = []
    custom = custom_digits.load_custom_digits(folder, lambda done, total: told.append((done, total)))
    assert told == [(i, 20) for i in range(1, 21)]
    told.clear()
    start = adapting.load_start("mlp")
    adapting.adapt_network(
        AdaptOptions(folder), start, custom, collection, lambda done, total: told.append((done, total))
    )
    assert told == [(i, 12) for i in range(1, 13)]


# ------------------------------------------------------------------------------------------- what goes wrong


def test_too_little_to_learn_from(tmp_path: Path) -> None:
    """No folder, no pictures, only blank ones, only one digit: what was found, and what to do."""
    with pytest.raises(DataError, match="not a folder; expected a folder for each digit"):
        custom_digits.load_custom_digits(tmp_path / "nothing")
    (tmp_path / "photos").mkdir()
    (tmp_path / "7").mkdir()
    with pytest.raises(DataError, match="no pictures in folders named 0 to 9"):
        custom_digits.load_custom_digits(tmp_path)
    Image.new("L", (50, 50), 255).save(tmp_path / "7" / "blank.png")
    with pytest.raises(
        DataError, match=r"no picture that can be used \(1 skipped: .*blank.png holds no ink\)"
    ):
        custom_digits.load_custom_digits(tmp_path)
    sheet("7").save(tmp_path / "7" / "a.png")
    with pytest.raises(
        DataError, match=r"pictures of only one digit, 7.*expected pictures of at least two digits"
    ):
        custom_digits.load_custom_digits(tmp_path)


def test_networks_that_cannot_be_adapted(tmp_path: Path) -> None:
    """An ensemble, or one that knows shoes, is refused before anything is learned."""
    shoes, ensemble = tmp_path / "shoes.npz", tmp_path / "ensemble.npz"
    small = {"name": "mlp", "hidden": [4, 4]}
    model_file.save_model(shoes, MLP(4, 4).state_dict(), small, {"classes": ["shoe", "bag"]})
    members = Ensemble([MLP(4, 4)]).state_dict()
    model_file.save_model(ensemble, members, {"name": "ensemble", "members": [small]}, {})
    with pytest.raises(OptionError, match="was not trained on digits"):
        adapting.load_start(str(shoes))
    with pytest.raises(CheckpointError, match="expected a single network"):
        adapting.load_start(str(ensemble))


@pytest.fixture
def quick(
    folder: Path, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> tuple[AdaptOptions, Adaptation]:
    """An adaptation that has hardly learned, not saved yet."""
    monkeypatch.setattr(fine_tuning, "STEPS", 1)
    options = AdaptOptions(folder, out=folder.parent / "runs")
    custom = custom_digits.load_custom_digits(folder)
    return options, adapting.adapt_network(options, adapting.load_start("mlp"), custom, collection)


def test_each_run_has_a_folder_of_its_own(quick: tuple[AdaptOptions, Adaptation]) -> None:
    """adapt-1, adapt-2; a name that is taken is refused, and so is a place where no folder can be."""
    options, found = quick
    assert [save_adaptation(found, options).name for _ in range(2)] == ["adapt-1", "adapt-2"]
    with pytest.raises(RunError, match="already exists; choose another --name"):
        save_adaptation(found, AdaptOptions(options.folder, out=options.out, name="adapt-1"))
    (options.out / "file").write_text("")
    with pytest.raises(RunError, match="choose another --out"):
        save_adaptation(found, AdaptOptions(options.folder, out=options.out / "file", name="a"))


def test_a_name_that_is_taken_is_refused_before_the_training(
    folder: Path, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that exists ends the command before a network is trained."""
    options = AdaptOptions(folder, out=folder.parent, name=folder.name)
    monkeypatch.setattr(fine_tuning, "fine_tune", None)
    custom = custom_digits.load_custom_digits(folder)
    with pytest.raises(RunError, match="my_digits already exists; choose another --name"):
        adapting.adapt_network(options, adapting.load_start("mlp"), custom, collection)


def test_nothing_is_saved_by_halves(
    quick: tuple[AdaptOptions, Adaptation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the second file cannot be written, the first one and the folder are gone as well."""
    options, found = quick

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(files, "atomic_write", full)
    with pytest.raises(RunError, match=r"could not write .*adapt.json: No space left"):
        save_adaptation(found, options)
    assert list(options.out.iterdir()) == []


def test_an_interrupted_adaptation_leaves_nothing(
    folder: Path, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while it learns: exit code 130, and no folder."""

    def interrupt(*_: object) -> Network:
        raise KeyboardInterrupt

    monkeypatch.setattr(fine_tuning, "fine_tune", interrupt)
    out = tmp_path / "runs"
    assert (
        main(["adapt", str(folder), "--model", "mlp", "--data", str(small_mnist), "--out", str(out)]) == 130
    )
    assert not out.exists()
