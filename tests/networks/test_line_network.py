"""The line recogniser's network in NumPy, and what its answers say about texts."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional

from digits.errors import CheckpointError
from digits.networks.line_network import (
    ALPHABET,
    CTC_BLANK,
    LINE,
    LineNetwork,
    best_texts,
    places_of,
    text_log_probability,
    with_silent_signs,
)

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
FEW = [0, 1, ALPHABET.index("."), CTC_BLANK]  # classes of the lines that are solved by trying everything


@pytest.fixture
def line_recogniser(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module benchmarks/line_recogniser.py."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("line_recogniser")


def some_line(answers: int, classes: list[int], seed: int = 0) -> npt.NDArray[np.float64]:
    """Random log probabilities (answers, 17); classes that are not in `classes` are impossible."""
    logits = np.full((answers, CTC_BLANK + 1), -math.inf)
    logits[:, classes] = np.random.default_rng(seed).normal(0, 1.5, (answers, len(classes)))
    return np.asarray(logits - np.log(np.exp(logits).sum(1, keepdims=True)))


def paths(line: npt.NDArray[np.float64], classes: list[int]) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every sequence of one class an answer, with its log probability."""
    for path in itertools.product(classes, repeat=len(line)):
        yield path, float(line[np.arange(len(line)), path].sum())


def text_of(path: tuple[int, ...]) -> str:
    """The text of a path: repeats and blanks removed."""
    return "".join(ALPHABET[k] for k, _ in itertools.groupby(path) if k != CTC_BLANK)


@pytest.mark.parametrize("width", [8, 37, 152])
def test_numpy_answers_as_the_network_that_was_trained(
    line_recogniser: Any, tmp_path: Path, width: int
) -> None:
    """With batch normalisation folded, rounded to 16 bits, probabilities differ by less than 0.005."""
    torch.manual_seed(0)
    network = line_recogniser.LineTrainingNetwork()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):  # as after a training: not 0 and 1
                for value, low, high in ((module.running_mean, -0.2, 0.2), (module.running_var, 0.05, 0.3)):
                    assert value is not None
                    value.uniform_(low, high)
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.3, 0.3)
    network.eval()
    line_recogniser.save(network, tmp_path / "line.npz", 1.25)
    picture = np.random.default_rng(width).random((32, width), dtype=np.float32)
    with torch.no_grad():
        logits = network(torch.from_numpy(picture)[None, None])[0]
    found = LineNetwork.load(tmp_path / "line.npz").log_probabilities(picture)
    assert found.shape == (width // 4 * 2, CTC_BLANK + 1)
    expected = functional.softmax(logits / 1.25, -1).numpy()
    assert expected.max() - expected.min() > 0.1  # the network does not answer the same to everything
    assert np.abs(np.exp(found) - expected).max() < 0.005


@pytest.mark.parametrize("text", ["", "1", "11", "1200", "0.0", "x-/:,."])
def test_probability_of_a_text_is_that_of_pytorch(text: str) -> None:
    """CTC's forward sum equals the loss of PyTorch, with its sign changed."""
    line = some_line(14, list(range(CTC_BLANK + 1)))
    labels = torch.tensor([[ALPHABET.index(c) for c in text]], dtype=torch.long)
    lengths = torch.tensor([14]), torch.tensor([len(text)])
    loss = functional.ctc_loss(torch.from_numpy(line)[:, None], labels, *lengths, CTC_BLANK, reduction="sum")
    assert text_log_probability(line, text) == pytest.approx(-float(loss))


def test_a_text_that_is_too_long_is_impossible() -> None:
    """Two answers hold no three characters; equal neighbours need a blank between them."""
    line = some_line(2, list(range(CTC_BLANK + 1)))
    assert text_log_probability(line, "123") == -math.inf
    assert text_log_probability(line, "11") == -math.inf
    assert math.isfinite(text_log_probability(line, "12"))


@pytest.mark.parametrize("seed", range(3))
def test_likeliest_texts_are_those_found_by_trying_everything(seed: int) -> None:
    """A wide beam search finds every text of a short line, with its probability, in order."""
    line = some_line(5, FEW, seed)
    sums: dict[str, float] = defaultdict(lambda: -math.inf)
    for path, p in paths(line, FEW):
        sums[text_of(path)] = float(np.logaddexp(sums[text_of(path)], p))
    expected = sorted(sums, key=lambda text: -sums[text])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("digits.networks.line_network.LEAST_LIKELY", -1e6)
        found = best_texts(line, width=2000)
    assert [text for text, _ in found[:20]] == expected[:20]
    assert [p for _, p in found[:20]] == pytest.approx([sums[text] for text in expected[:20]])
    assert best_texts(line, width=4)[0][0] == expected[0]


@pytest.mark.parametrize("text", ["", "0", "00", "01", "1.0"])
def test_characters_stand_where_the_likeliest_path_has_them(text: str) -> None:
    """The alignment is the likeliest of all paths of the text."""
    line = some_line(6, FEW, seed=len(text))
    best = max((p, path) for path, p in paths(line, FEW) if text_of(path) == text)[1]
    runs, at = [], 0
    for k, group in itertools.groupby(best):
        count = len(list(group))
        if k != CTC_BLANK:
            runs.append((at, at + count - 1))
        at += count
    assert places_of(line, text) == runs


def test_silent_signs_count_as_blanks() -> None:
    """The probability of digits is that of all paths that show them once their signs are blanks."""
    line = some_line(5, FEW, seed=4)
    expected = -math.inf
    for path, p in paths(line, FEW):
        if text_of(tuple(k if k < 10 else CTC_BLANK for k in path)) == "10":
            expected = float(np.logaddexp(expected, p))
    assert text_log_probability(with_silent_signs(line), "10") == pytest.approx(expected)


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A network for single digits, or no file, is no line recogniser, and the message names the file."""
    for path in (LINE.with_name("mlp.npz"), tmp_path / "none.npz"):
        with pytest.raises(CheckpointError, match=path.name):
            LineNetwork.load(path)
