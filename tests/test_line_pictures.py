"""Lines of writing that train the line recogniser: benchmarks/line_pictures.py and its modules."""

from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.benchmark_modules import benchmark_module

from digits.data.digit_styles import STYLES
from digits.data.synthetic import synthetic_digits
from digits.networks.line_network import ALPHABET, INK_ROWS, OTHER, ROWS, LineNetwork


@pytest.fixture(scope="module")
def line_pictures() -> Iterator[Any]:
    """The module benchmarks/line_pictures.py."""
    with benchmark_module("line_pictures") as module:
        yield module


@pytest.fixture(scope="module")
def composer(line_pictures: Any) -> Any:
    """A composer with drawn digits, so that no data set is needed, and without fonts of handwriting."""
    return line_pictures.Composer.of(*synthetic_digits(100, seed=0), None)


def test_lines_have_the_form_that_the_recogniser_reads(line_pictures: Any, composer: Any) -> None:
    """32 rows, at most the widest width, ink, and a label that CTC can place in the picture's answers."""
    rng = np.random.default_rng(1)
    for _ in range(15):
        picture, label = composer.compose(rng)
        rows, columns = picture.shape
        assert (rows, picture.dtype) == (ROWS, np.uint8)
        assert 8 <= columns <= line_pictures.WIDEST
        assert picture.max() > 0
        assert set(label) <= set(ALPHABET)
        assert columns // 4 * 2 >= 2 * len(label) + 1


def test_a_seed_gives_the_same_lines_again(composer: Any) -> None:
    """The same seed gives the same pictures and labels, another seed others."""
    first, again, other = (composer.compose(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first[1] == again[1]
    assert np.array_equal(first[0], again[0])
    assert first[0].shape != other[0].shape or not np.array_equal(first[0], other[0])


def test_labels_are_what_is_drawn(composer: Any) -> None:
    """The bundled line recogniser reads most lines of digits as their labels say."""
    rng, network = np.random.default_rng(2), LineNetwork.load()
    right = Counter[bool]()
    for number in ("7", "15", "208", "3469") * 4:
        picture, label = composer.line([import_module("line_texts").Character(c) for c in number], rng)
        assert label == number
        answers = network.log_probabilities(picture.astype(np.float32) / 255).argmax(1)
        kept = [k for i, k in enumerate(answers) if i == 0 or k != answers[i - 1]]
        right["".join(ALPHABET[k] for k in kept if k < len(ALPHABET)) == number] += 1
    assert right[True] >= 10, right


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("12.50", "12.50"),
        ("-7,5", "-7,5"),
        ("9:30/1", "9:30/1"),
        ("€ 5%", "x5x"),
        ("no 3", "xx3"),
        ("☆⑧", "xx"),
    ],
)
def test_what_is_no_digit_and_no_known_sign_is_labelled_as_other(
    composer: Any, written: str, label: str
) -> None:
    """Signs of the alphabet keep their labels; letters, other signs and drawings are x; a space is none."""
    character = import_module("line_texts").Character
    found = None
    rng = np.random.default_rng(3)
    while found is None:
        found = composer.line([character(c) for c in written], rng)
    assert found[1] == label


def test_every_kind_of_text_is_chosen(line_pictures: Any) -> None:
    """Digits, signs, letters, drawings, displays and empty lines come up."""
    texts = import_module("line_texts")
    rng = np.random.default_rng(0)
    seen = Counter(c.text for _ in range(2000) for c in texts.text(rng) or [texts.Character("empty")])
    labels = {line_pictures.label_of(character) for character in seen if character not in ("empty", " ")}
    assert labels == set(ALPHABET)
    wanted = ["empty", " ", "$", "€", "(", "%", "*", texts.DOODLE, *texts.DISPLAY, *texts.LETTERS]
    assert [character for character in wanted if not seen[character]] == []


def test_every_style_is_drawn_about_as_high_as_a_digit(line_pictures: Any) -> None:
    """Pen strokes of digits, displays and signs are finite, and digits fill the height from 0 to 1."""
    styles = import_module("line_styles")
    rng = np.random.default_rng(0)
    for digit in range(10):
        paths = [style(rng) for style in (*STYLES[digit], *styles.RARE_STYLES[digit])]
        paths += [styles.boxy(digit, 0.5, rng), styles.seven_segments(digit, 0.15, 0.5)]
        for path in paths:
            points = np.concatenate([np.array(stroke) for stroke in path])
            assert points[:, 1].min() == pytest.approx(0, abs=0.3), path
            assert points[:, 1].max() == pytest.approx(1, abs=0.25), path
            assert np.ptp(points[:, 0]) < 1.8, path
    for sign in styles.SIGNS:
        assert np.isfinite(np.concatenate([np.array(s) for s in styles.SIGNS[sign](rng)])).all()


def test_ink_fills_the_line_from_top_to_bottom(line_pictures: Any, composer: Any) -> None:
    """The ink of most lines is 28 rows high, within a tenth."""
    rng = np.random.default_rng(4)
    heights = []
    for _ in range(15):
        rows = np.flatnonzero((composer.compose(rng)[0] > 60).any(1))
        heights.append(rows[-1] - rows[0] + 1 if len(rows) else 0)
    assert np.median(heights) == pytest.approx(INK_ROWS, abs=0.1 * INK_ROWS)


def test_other_is_no_character_that_is_labelled_as_itself(line_pictures: Any) -> None:
    """A written x is a letter like any other."""
    assert line_pictures.label_of("x") == OTHER
    assert line_pictures.label_of("7") == "7"


@pytest.mark.slow
def test_training_goes_on_from_its_checkpoint_and_writes_a_network(
    composer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three steps, then one more by the same command; each time there is a network that reads lines."""
    training = import_module("line_recogniser")
    monkeypatch.setattr(training, "CHUNK", 128)
    monkeypatch.setattr(training, "TASK", 32)
    monkeypatch.setattr(training, "REPORT", 1)
    validation = [composer.compose(np.random.default_rng(seed)) for seed in range(8)]
    answers = []
    for steps in (3, 4):
        training.train(composer, validation, steps, tmp_path)
        network = LineNetwork.load(tmp_path / "line.npz")
        LineNetwork.load.cache_clear()
        answers.append(network.log_probabilities(validation[0][0].astype(np.float32) / 255))
    assert capsys.readouterr().out.count("loss") == 4
    assert not np.array_equal(answers[0], answers[1])
