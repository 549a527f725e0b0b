"""The pictures show the numbers they were given, legibly, and are the same for the same numbers."""

import functools
import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.transforms import Affine2D, Bbox
from PIL import Image
from support.epochs import epoch, history
from support.slow import mostly_slow
from torch import Tensor

from digits.data.catalogue import DATASETS
from digits.evaluation.logits import probabilities
from digits.evaluation.metrics import Evaluation, evaluate_logits, most_confident_mistakes
from digits.evaluation.plots import confusion, curves, first_layer, mistakes, predictions
from digits.figure_style import save_png
from digits.mnist import DIGITS
from digits.options import TrainOptions
from digits.tuning.figure import tuning_figure
from digits.tuning.trials import Trial

State = Literal["complete", "pruned", "failed"]
FASHION = DATASETS["fashion-mnist"].classes
NARROW = "\u202f"  # the space between a number and its unit


def trial(number: int, accuracies: tuple[float, ...], state: State = "complete") -> Trial:
    """A trial with the default options."""
    return Trial(number, state, accuracies, 1.0, TrainOptions(), "")


def search(n: int) -> list[Trial]:
    """Return n trials of 4 epochs: every third one pruned, and one more without an epoch."""
    ends = [0.1, *np.random.default_rng(0).uniform(0.9, 0.985, n - 1).tolist()]
    whole = [tuple(end * part for part in (0.9, 0.97, 0.99, 1)) for end in ends]
    trials = [
        trial(i, course[:2], "pruned") if i % 3 == 2 else trial(i, course) for i, course in enumerate(whole)
    ]
    return [*trials, trial(n, (), "failed")]


def answers(n: int, right: float = 0.8, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Images, labels and logits of a network that is right about so often."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (n, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (n,), generator=generator)
    said = torch.where(torch.rand(n, generator=generator) < right, labels, (labels + 1) % 10)
    logits = torch.randn(n, 10, generator=generator)
    logits[torch.arange(n), said] += 4 + 6 * torch.rand(n, generator=generator)
    return images, labels, logits


def evaluation(counts: npt.NDArray[np.int64]) -> Evaluation:
    return Evaluation(confusion=tuple(map(tuple, counts.tolist())), loss=0.1, ece=0.01)


def perceptron(hidden: int) -> Tensor:
    return torch.randn(hidden, 28, 28, generator=torch.Generator().manual_seed(0))


def canvas_of(figure: Figure) -> Axes:
    """Return the axes that cover the whole figure."""
    return figure.axes[0]


def texts_of(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def pixels_of(image: AxesImage) -> npt.NDArray[Any]:
    return np.asarray(image.get_array())


IMAGES, LABELS, LOGITS = answers(200)
PERFECT = answers(50, right=1.0)
PICTURES: dict[str, Callable[[], Figure]] = {
    "curves": lambda: curves.curves_figure(history(20)),
    "curves, 1 epoch": lambda: curves.curves_figure(history(1)),
    "curves, 50 epochs": lambda: curves.curves_figure(history(50)),
    "curves, no finite number": lambda: curves.curves_figure([epoch(1, *[math.nan] * 4)]),
    "curves, running away": lambda: curves.curves_figure([*history(2), epoch(3, 3e20, 0.1, 4.6e32, 0.098)]),
    "confusion": lambda: confusion.confusion_figure(evaluate_logits(LOGITS, LABELS), DIGITS),
    "confusion, 60,000": lambda: confusion.confusion_figure(evaluation(np.full((10, 10), 6000)), DIGITS),
    "confusion, fashion": lambda: confusion.confusion_figure(evaluate_logits(LOGITS, LABELS), FASHION),
    "confusion, kmnist": lambda: confusion.confusion_figure(
        evaluate_logits(LOGITS, LABELS), DATASETS["kmnist"].classes
    ),
    "confusion, perfect": lambda: confusion.confusion_figure(evaluation(np.eye(10, dtype=int)), FASHION),
    "mistakes": lambda: mistakes.mistakes_figure(IMAGES, LABELS, LOGITS, DIGITS),
    "mistakes, fashion": lambda: mistakes.mistakes_figure(IMAGES, LABELS, LOGITS, FASHION),
    "mistakes, kmnist": lambda: mistakes.mistakes_figure(IMAGES, LABELS, LOGITS, DATASETS["kmnist"].classes),
    "mistakes, none": lambda: mistakes.mistakes_figure(*PERFECT, DIGITS),
    "first layer": lambda: first_layer.first_layer_figure(perceptron(128)),
    "first layer, 3": lambda: first_layer.first_layer_figure(perceptron(3)),
    "kernels": lambda: first_layer.first_layer_figure(perceptron(32)[:, :5, :5]),
    "predictions": lambda: predictions.predictions_figure(IMAGES, LABELS, LOGITS, DIGITS),
    "predictions, fashion": lambda: predictions.predictions_figure(IMAGES, LABELS, LOGITS, FASHION),
    "tuning": lambda: tuning_figure(search(30), {"lr": 0.52, "batch_size": 0.475, "hidden1": 0.005}),
    "tuning, 1 trial": lambda: tuning_figure(search(1)[:1], {}),
    "tuning, all alike": lambda: tuning_figure([trial(n, (0.9874, 0.9876)) for n in range(3)], {}),
    "tuning, perfect": lambda: tuning_figure([trial(0, (0.5, 1.0)), trial(1, (1.0,), "pruned")], {}),
    "predictions, 1": lambda: predictions.predictions_figure(IMAGES[:1], LABELS[:1], LOGITS[:1], DIGITS),
}


# --------------------------------------------------------------------------------------- every picture


class Scribe(RendererAgg):
    """Matplotlib's renderer; it also records the bounding box of each text, in pixels from the top left."""

    def __init__(self, figure: Figure) -> None:
        super().__init__(*figure.bbox.size, figure.dpi)  # type: ignore[no-untyped-call] # Matplotlib's
        self.upright: list[tuple[str, Bbox]] = []
        self.slanted: list[tuple[str, Bbox]] = []

    def draw_text(  # type: ignore[no-untyped-def] # as in Matplotlib
        self, gc, x, y, s, prop, angle, ismath=False, mtext=None
    ) -> None:
        width, height, descent = self.get_text_width_height_descent(s, prop, ismath)  # type: ignore[no-untyped-call] # likewise
        box = Bbox.from_extents(x, y - height + descent, x + width, y + descent)
        if angle:
            corners = Affine2D().rotate_deg_around(x, y, -angle).transform(box.corners())
            self.slanted.append((s, Bbox([corners.min(0), corners.max(0)])))
        else:
            self.upright.append((s, box))


@functools.cache
def drawn(name: str) -> Figure:
    """Return one of the pictures, drawn once for all tests that only look at it."""
    return PICTURES[name]()


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_is_cut_off_or_written_over(name: str) -> None:
    """Every text lies inside the picture, and horizontal texts do not overlap."""
    figure = drawn(name)
    width, height = figure.bbox.size
    scribe = Scribe(figure)
    figure.draw(scribe)
    assert scribe.upright
    for text, box in scribe.upright + scribe.slanted:
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0, f"{text!r} is cut off"
    for (one, first), (other, second) in combinations(scribe.upright, 2):
        assert not first.overlaps(second), f"{one!r} touches {other!r}"


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_as_wide_as_a_column_and_no_longer_than_two_screens(name: str) -> None:
    """Pictures are white, 1,000 pixels wide and at most two phone screens high."""
    figure = drawn(name)
    width, height = figure.bbox.size
    assert width == 1000
    assert 300 <= height <= 2400
    assert figure.get_facecolor() == (1, 1, 1, 1)


def test_saved_pictures_are_whole_png_files(tmp_path: Path) -> None:
    """`save_png` writes each figure as one PNG file, without date or version, and nothing else."""
    for name in ("curves", "confusion", "mistakes", "first layer", "predictions"):
        save_png(drawn(name), tmp_path / f"{name}.png")
    saved = sorted(tmp_path.iterdir())
    assert [path.name for path in saved] == [
        *("confusion.png", "curves.png", "first layer.png", "mistakes.png", "predictions.png")
    ]
    for path in saved:
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert picture.width == 1000
            assert picture.convert("L").getextrema()[1] == 255
            assert picture.info.keys() <= {"dpi"}  # no date, no version


def test_figures_and_saved_files_agree(tmp_path: Path) -> None:
    """In the saved file, the image of a mistake is enlarged by a whole number, pixel by pixel."""
    save_png(drawn("mistakes"), tmp_path / "mistakes.png")
    image = canvas_of(drawn("mistakes")).images[0]
    left, right, bottom, top = map(int, image.get_extent())
    with Image.open(tmp_path / "mistakes.png") as picture:
        grey = np.asarray(picture.convert("L"), dtype=int)[top:bottom, left:right]
    enlarged = np.kron(255 - pixels_of(image).astype(int), np.ones((6, 6), dtype=int))
    assert np.abs(grey - enlarged)[6:-6, 6:-6].max() <= 1  # inside the frame


DRAW = """
import hashlib, sys
from pathlib import Path
from digits.evaluation.plots import curves
from digits.figure_style import save_png
from support.epochs import history
path = Path(sys.argv[1])
save_png(curves.curves_figure(history(5)), path)
print(hashlib.sha256(path.read_bytes()).hexdigest())
print("matplotlib.pyplot" in sys.modules)
"""


SETTINGS = {  # what Matplotlib finds, each of which ends its import but the first
    "another backend": {"MPLBACKEND": "TkAgg"},
    "a Jupyter kernel's": {"MPLBACKEND": "module://matplotlib_inline_of_a_notebook.backend_inline"},
    "an unknown backend": {"MPLBACKEND": "nonsense"},
    "damaged file": {"MATPLOTLIBRC": "damaged"},
    "no folder": {"MPLCONFIGDIR": "/dev/null/here"},
}


@pytest.mark.parametrize("setting", mostly_slow(SETTINGS, ["a Jupyter kernel's"]))
def test_the_same_numbers_give_the_same_bytes_without_pyplot(tmp_path: Path, setting: str) -> None:
    """Another process draws the same bytes whatever Matplotlib's settings are, and never imports pyplot."""
    (tmp_path / "damaged").write_bytes(b"\xff\xfe\x00backend")
    save_png(curves.curves_figure(history(5)), tmp_path / "here.png")
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "7", **SETTINGS[setting]}
    command = [sys.executable, "-c", DRAW, str(tmp_path / "there.png")]
    digest, pyplot = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.split()
    assert digest == hashlib.sha256((tmp_path / "here.png").read_bytes()).hexdigest()
    assert pyplot == "False"


@pytest.mark.slow
def test_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Pictures drawn in several threads at once are the same as one drawn alone."""
    draw = PICTURES["confusion, fashion"]
    save_png(draw(), tmp_path / "alone.png")
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: save_png(draw(), path), paths))
    assert {path.read_bytes() for path in paths} == {(tmp_path / "alone.png").read_bytes()}


def test_dollar_signs_are_letters() -> None:
    """Dollar signs in a class name are written as they are."""
    names = ["$", "$x_1$", *DIGITS[2:]]
    assert "$x_1$" in texts_of(canvas_of(confusion.confusion_figure(evaluate_logits(LOGITS, LABELS), names)))


# ---------------------------------------------------------------------------------------------- curves


def test_curves_show_the_figures_and_their_final_values() -> None:
    """Four lines show the values of the epochs, with name and last value at their ends."""
    epochs = history(12)
    _, accuracy, loss = curves.curves_figure(epochs).axes
    for panel, names in (
        (accuracy, ("train_accuracy", "val_accuracy")),
        (loss, ("train_loss", "val_loss")),
    ):
        for line, name in zip(panel.lines, names, strict=False):
            assert list(np.asarray(line.get_xdata())) == list(range(1, 13))
            assert list(np.asarray(line.get_ydata())) == [getattr(epoch, name) for epoch in epochs]
    last = epochs[-1]
    assert texts_of(accuracy) == [
        f"training\n{100 * last.train_accuracy:.2f}{NARROW}%",
        f"validation\n{100 * last.val_accuracy:.2f}{NARROW}%",
    ]
    assert texts_of(loss) == [f"training\n{last.train_loss:.4f}", f"validation\n{last.val_loss:.4f}"]


def test_a_loss_that_runs_away_is_a_power_of_ten() -> None:
    """A huge loss is written as a power of ten."""
    _, _, loss = curves.curves_figure([epoch(1, 12345.6, 0.1, 4.6e32, 0.1)]).axes
    assert texts_of(loss) == ["training\n1.2e+04", "validation\n4.6e+32"]


def test_the_best_epoch_is_ringed_and_in_the_title() -> None:
    """Best is the highest validation accuracy, then the lowest validation loss, then the first."""
    figures = [(0.9, 0.3), (0.95, 0.4), (0.95, 0.2), (0.95, 0.2), (math.nan, 0.1)]
    epochs = [epoch(i, 0.1, 0.99, loss, accuracy) for i, (accuracy, loss) in enumerate(figures, start=1)]
    canvas, accuracy, loss = curves.curves_figure(epochs).axes
    assert np.asarray(accuracy.lines[2].get_xydata()).tolist() == [[3, 0.95]]
    assert np.asarray(loss.lines[2].get_xydata()).tolist() == [[3, 0.2]]
    assert texts_of(canvas)[0] == f"95.00{NARROW}% of the validation images read right"
    assert "best of 5 epochs, number 3" in texts_of(canvas)[1]


def test_one_epoch_is_a_point() -> None:
    """A single epoch is a point, and the text does not speak of a best epoch."""
    canvas, accuracy, _ = curves.curves_figure(history(1)).axes
    assert accuracy.lines[0].get_marker() == "o"
    assert "best" not in texts_of(canvas)[1]


def test_the_line_named_above_ends_above() -> None:
    """The names at the ends of the lines have the order of the lines."""
    for train, val in ((0.9, 0.9001), (0.9001, 0.9)):
        _, accuracy, _ = curves.curves_figure([epoch(1, 1, 0.1, 1, 0.1), epoch(2, 1, train, 1, val)]).axes
        training, validation = (text.get_position()[1] for text in accuracy.texts)
        assert (training > validation) == (train > val)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_leave_a_gap(broken: float) -> None:
    """Values that are not finite leave a gap in the line, and the last value is "not a number"."""
    epochs = [*history(3), epoch(4, broken, 0.1, broken, 0.1)]
    _, _, loss = curves.curves_figure(epochs).axes
    assert np.isfinite(np.asarray(loss.lines[1].get_ydata())).tolist() == [True, True, True, False]
    assert texts_of(loss) == ["training\nnot a number", "validation\nnot a number"]


# ------------------------------------------------------------------------------------------- confusion


def cells_of(figure: Figure) -> list[tuple[str, tuple[float, ...]]]:
    """Return the text and the colour of each cell, row by row."""
    canvas = canvas_of(figure)
    rectangles = [patch for patch in canvas.patches if isinstance(patch, Rectangle)]
    return [
        (
            "".join(t.get_text() for t in canvas.texts if patch.get_bbox().contains(*t.get_position())),
            tuple(map(float, patch.get_facecolor())),  # type: ignore[arg-type] # an RGBA tuple, typed as any colour
        )
        for patch in rectangles
    ]


def test_confusion_cells_hold_the_counts() -> None:
    """Each cell's number is the count of its row and column; cells of 0 are empty."""
    found = evaluate_logits(LOGITS, LABELS)
    written = [text for text, _ in cells_of(confusion.confusion_figure(found, FASHION))]
    assert [int(text or 0) for text in written] == [count for row in found.confusion for count in row]
    assert "0" not in written


def test_confusion_colours_show_the_mistakes() -> None:
    """Correct predictions are grey; the more frequent a mistake, the stronger its colour."""
    counts = np.diag([900] * 10)
    counts[4, 9], counts[9, 4], counts[0, 1] = 30, 10, 1
    colours = np.array(
        [colour for _, colour in cells_of(confusion.confusion_figure(evaluation(counts), FASHION))]
    )
    colours = colours.reshape(10, 10, 4)[..., :3]
    saturation = colours.max(2) - colours.min(2)
    assert np.diag(saturation).max() == 0
    assert saturation[4, 9] == saturation.max()
    assert saturation[4, 9] > saturation[9, 4] > saturation[0, 1] > 0.9 * saturation[0, 2]


def test_confusion_says_accuracy_interval_and_worst_pair() -> None:
    """Title and text have the accuracy, its interval and the most frequent mistake."""
    counts = np.diag([97, 98, 99, 100, 90, 100, 100, 100, 100, 100])
    counts[4, 9], counts[0, 1] = 10, 1
    texts = texts_of(canvas_of(confusion.confusion_figure(evaluation(counts), DIGITS)))
    assert texts[0] == f"98.89{NARROW}% of 995 test images read right"
    assert texts[1] == f"95 % interval 98.03 to 99.38{NARROW}%. Most often wrong: 4 read as 9, 10 times."
    assert "90.0" in texts  # recall of 4
    assert "90.9" in texts  # precision of 9
    assert "99.0" in texts  # recall of 0, precision of 1


def test_confusion_of_few_images_says_what_it_does_not_know() -> None:
    """A class without images has no recall, and one without predictions no precision."""
    counts = np.zeros((10, 10), dtype=int)
    counts[0, 0], counts[1, 0] = 3, 1
    texts = texts_of(canvas_of(confusion.confusion_figure(evaluation(counts), FASHION)))
    assert "Trouser read as T-shirt/top, once." in texts[1].replace("\n", " ")
    assert texts.count("–") == 8 + 9


def test_100_percent_is_said_of_perfection_only() -> None:
    """100 % is written only without any mistake: one mistake in 60,000 is 99.99 %."""
    counts = np.diag([6000] * 10)
    title = texts_of(canvas_of(confusion.confusion_figure(evaluation(counts), FASHION)))[0]
    assert title == f"100{NARROW}% of 60,000 test images read right"
    counts[0, :2] = 5999, 1
    texts = texts_of(canvas_of(confusion.confusion_figure(evaluation(counts), FASHION)))
    assert texts[0] == f"99.99{NARROW}% of 60,000 test images read right"
    assert texts.count("99.9") == 2


# -------------------------------------------------------------------------------------------- mistakes


def test_mistakes_are_the_most_confident_ones_in_order() -> None:
    """The images are those of the most confident mistakes, each with truth, answer and probability."""
    canvas = canvas_of(mistakes.mistakes_figure(IMAGES, LABELS, LOGITS, DIGITS))
    worst = most_confident_mistakes(LOGITS, LABELS, 25)
    assert len(canvas.images) == 25
    for shown, i in zip(canvas.images, worst, strict=True):
        assert np.array_equal(pixels_of(shown), IMAGES[i].numpy())
    expected = []
    for i in worst:
        expected.append(f"{LABELS[i]} → {LOGITS[i].argmax()}")
        expected.append(f"{100 * min(probabilities(LOGITS)[i].max().item(), 0.9999):.2f}{NARROW}%")
    assert texts_of(canvas)[2:] == expected
    wrong = int((LOGITS.argmax(1) != LABELS).sum())
    assert texts_of(canvas)[0] == f"{wrong} of 200 test images read wrong"
    assert texts_of(canvas)[1].startswith("The 25 it was surest of")


def test_long_names_take_two_lines() -> None:
    """If class names are long, the true class stands above the predicted one."""
    canvas = canvas_of(mistakes.mistakes_figure(IMAGES, LABELS, LOGITS, FASHION))
    first = most_confident_mistakes(LOGITS, LABELS, 1)
    truth, answer = FASHION[int(LABELS[first])], FASHION[int(LOGITS[first].argmax())]
    assert texts_of(canvas)[2:4] == [f"{truth} →", answer]
    assert len(canvas.images) == 24


def test_few_mistakes_are_all_shown() -> None:
    """With fewer mistakes than places, all are shown and the text does not say 25."""
    wrong = most_confident_mistakes(LOGITS, LABELS, 2)
    canvas = canvas_of(mistakes.mistakes_figure(IMAGES[wrong], LABELS[wrong], LOGITS[wrong], DIGITS))
    assert len(canvas.images) == 2
    assert texts_of(canvas)[1].startswith("Surest first")


def test_no_mistakes_make_a_friendly_picture() -> None:
    """A network without mistakes gets a picture with a tick."""
    canvas = canvas_of(mistakes.mistakes_figure(*PERFECT, DIGITS))
    assert texts_of(canvas)[0] == "All 50 test images read right"
    assert len(canvas.images) == 0
    assert len(canvas.lines) == 1


# ----------------------------------------------------------------------------------------- first layer


def test_first_layer_shows_the_strongest_neurons_on_one_scale() -> None:
    """The images are the rows with the largest norms, white at zero, with the same limits for all."""
    weights = perceptron(100)
    canvas = canvas_of(first_layer.first_layer_figure(weights.requires_grad_()))
    *tiles, scale = canvas.images
    rows = sorted(weights.detach().numpy(), key=lambda row: -float(np.linalg.norm(row)))[:64]
    assert np.array_equal([pixels_of(tile) for tile in tiles], rows)
    limits = {tile.get_clim() for tile in tiles}
    assert len(limits) == 1
    assert (low_and_high := limits.pop())[0] == -low_and_high[1]
    assert pixels_of(scale)[0, 0] == low_and_high[0]
    assert tiles[0].get_cmap()(0.5)[:3] == pytest.approx((0.97, 0.97, 0.97), abs=0.01)
    assert texts_of(canvas)[0] == "What 64 of 100 first-layer neurons look for"


def test_a_small_first_layer_is_shown_whole() -> None:
    """Few neurons are all shown, and weights of zero are no problem."""
    canvas = canvas_of(first_layer.first_layer_figure(torch.zeros(5, 28, 28)))
    assert len(canvas.images) == 5 + 1
    assert texts_of(canvas)[0] == "What the 5 first-layer neurons look for"


# ----------------------------------------------------------------------------------------- predictions


def test_predictions_show_the_first_images_with_their_likeliest_classes() -> None:
    """24 images in their order, each with its three most probable classes, the truth in bold."""
    canvas = canvas_of(predictions.predictions_figure(IMAGES, LABELS, LOGITS, DIGITS))
    assert np.array_equal([pixels_of(shown) for shown in canvas.images], IMAGES[:24].numpy())
    names = [text for text in canvas.texts[2:] if "%" not in text.get_text()]
    likeliest = LOGITS.argsort(1, descending=True)[:24, :3]
    for i, ranked in enumerate(likeliest.tolist()):
        shown = [int(text.get_text()) for text in names[3 * i : 3 * i + 3]]
        assert shown == ranked or (shown[:2] == ranked[:2] and shown[2] == LABELS[i])
        bold = [int(text.get_text()) for text in names[3 * i : 3 * i + 3] if text.get_fontweight() == "bold"]
        assert bold == [LABELS[i]]
    right = int((LOGITS.argmax(1) == LABELS)[:24].sum())
    assert texts_of(canvas)[0] == f"{right} of these 24 test images read right"


def test_bars_are_as_long_as_probabilities() -> None:
    """A probability of 1 fills the row; blue is the true class, orange a wrong prediction, grey the rest."""
    chances = torch.tensor([[0.5, 0.3, 0.15, 0.05, *[1e-9] * 6], [0.6, 0.25, 0.1, 0.05, *[1e-9] * 6]])
    labels = torch.tensor([0, 3])
    canvas = canvas_of(predictions.predictions_figure(IMAGES[:2], labels, chances.log(), DIGITS))
    bars = [patch for patch in canvas.patches if isinstance(patch, Rectangle) and patch.get_fill()]
    rows, filled = bars[0::2], bars[1::2]
    shares = [bar.get_width() / row.get_width() for row, bar in zip(rows, filled, strict=True)]
    assert shares == pytest.approx([0.5, 0.3, 0.15, 0.6, 0.25, 0.05], abs=1e-6)
    blue, grey, orange = filled[0], filled[1], filled[3]
    kinds = [bar.get_facecolor() for bar in filled]
    assert kinds == [bar.get_facecolor() for bar in (blue, grey, grey, orange, grey, blue)]
    assert len({blue.get_facecolor(), grey.get_facecolor(), orange.get_facecolor()}) == 3


def test_certainty_is_not_overstated() -> None:
    """0 % and 100 % are written only for exactly 0 and 1."""
    logits = torch.tensor([[8.0, 0.0, -2000.0, *[-3000.0] * 7], [2000.0, *[0.0] * 9]])
    canvas = canvas_of(predictions.predictions_figure(IMAGES[:2], torch.tensor([0, 0]), logits, DIGITS))
    written = [text for text in texts_of(canvas)[2:] if "%" in text]
    assert [text.replace(NARROW, " ") for text in written] == [">99 %", "<1 %", "0 %", "100 %", "0 %", "0 %"]
