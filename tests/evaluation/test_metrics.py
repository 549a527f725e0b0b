"""The figures against scikit-learn, scipy and the obvious slow versions."""

import json
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn import metrics
from torch import Tensor, nn

from digits.data.dataset import Digits
from digits.errors import DataError, TrainingError
from digits.evaluation.calibration import expected_calibration_error, fit_temperature
from digits.evaluation.comparison import Comparison, compare_logits
from digits.evaluation.intervals import wilson_interval
from digits.evaluation.logits import compute_logits, probabilities
from digits.evaluation.metrics import DISPUTED, evaluate_logits, evaluate_undisputed, most_confident_mistakes
from digits.networks.mlp import MLP


def answers(n: int, seed: int = 0, classes: int = 10) -> tuple[Tensor, Tensor]:
    """Float32 logits and labels of a network that is right about half the time."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=generator)
    logits = 3 * torch.randn(n, classes, generator=generator)
    logits[torch.arange(n), labels] += 3
    return logits, labels


def pictures(n: int, seed: int = 0) -> Tensor:
    return torch.randint(256, (n, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


# ----------------------------------------------------------------------------------------- asking the network


class Layers(nn.Module):
    """A network with layers that behave differently in training: batch normalisation and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(784, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(self.drop(self.norm(images)).flatten(1))
        return logits


def test_logits_are_those_of_the_network_on_unit_pixels() -> None:
    """Bytes become floats from 0 to 1 with a channel, in batches that leave no trace in the result."""
    model, images = MLP(), pictures(25)
    expected = model.eval()(torch.tensor(images.numpy()[:, None] / 255.0, dtype=torch.float32)).detach()
    torch.testing.assert_close(compute_logits(model, images, batch=10), expected, rtol=1e-5, atol=1e-6)


def test_a_data_set_is_read_like_its_images() -> None:
    """A `Digits` can be given instead of its images."""
    model, images = MLP(), pictures(3)
    digits = Digits(images, torch.zeros(3, dtype=torch.int64))
    assert torch.equal(compute_logits(model, digits), compute_logits(model, images))


@pytest.mark.parametrize("model", [MLP(), Layers()], ids=["MLP", "norm and dropout"])
def test_answers_do_not_depend_on_batch_neighbours(model: nn.Module) -> None:
    """An image gets the same logits among other images, and alone to within rounding."""
    first, second = pictures(20, seed=1), pictures(20, seed=2)
    second[7] = first[7]
    model.train()
    assert torch.equal(compute_logits(model, first)[7], compute_logits(model, second)[7])
    torch.testing.assert_close(
        compute_logits(model, first)[7:8], compute_logits(model, first[7:8]), rtol=1e-4, atol=1e-5
    )


def test_training_mode_is_restored_layer_by_layer() -> None:
    """A layer the trainer froze stays frozen, the others train on, even after a failure."""
    model = Layers().train()
    model.norm.eval()
    compute_logits(model, pictures(2))
    model.last = nn.Linear(3, 10)
    with pytest.raises(RuntimeError):
        compute_logits(model, pictures(2))
    assert (model.training, model.norm.training, model.drop.training) == (True, False, True)


def test_logits_can_be_trained_on() -> None:
    """A temperature can be fitted to the logits by gradient descent afterwards."""
    temperature = torch.ones(1, requires_grad=True)
    (compute_logits(MLP(), pictures(2)) / temperature).logsumexp(1).sum().backward()
    assert temperature.grad is not None
    assert temperature.grad.isfinite().all()


def test_no_images_give_no_logits() -> None:
    """An empty set is not an error until somebody wants figures of it."""
    assert compute_logits(MLP(), pictures(0)).shape == (0, 10)


def test_a_network_without_parameters_is_asked_too() -> None:
    """A fixed rule, such as the mean ink of each column pair, is a network as well."""
    assert compute_logits(nn.AdaptiveAvgPool2d((1, 10)), pictures(2)).shape == (2, 1, 1, 10)


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (torch.zeros(2, 28, 28), r"float32 \(2, 28, 28\)"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), r"uint8 \(2, 1, 28, 28\)"),
        (torch.zeros(28, 28, dtype=torch.uint8), r"uint8 \(28, 28\)"),
    ],
)
def test_other_images_are_refused(images: Tensor, found: str) -> None:
    """Floats, which would be divided by 255 twice, and other shapes are named and refused."""
    with pytest.raises(DataError, match=f"found {found}"):
        compute_logits(MLP(), images)


# ------------------------------------------------------------------------------------------------ the figures


@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_scikit_learns(seed: int) -> None:
    """Accuracy, loss, confusion and the per-class figures are scikit-learn's."""
    logits, labels = answers(997, seed)
    guesses, classes = logits.argmax(1), list(range(10))
    found = evaluate_logits(logits, labels)
    assert found.accuracy == metrics.accuracy_score(labels, guesses)
    assert (found.correct, found.total) == (int((guesses == labels).sum()), 997)
    assert found.loss == pytest.approx(
        metrics.log_loss(labels, logits.double().softmax(1), labels=classes), rel=1e-9
    )
    assert np.array_equal(found.confusion, metrics.confusion_matrix(labels, guesses, labels=classes))
    expected = np.transpose(
        metrics.precision_recall_fscore_support(labels, guesses, labels=classes, zero_division=0)
    )
    ours = [(c.precision, c.recall, c.f1, c.support) for c in found.per_class]
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_absent_and_never_given_classes_have_zeros() -> None:
    """A class without images or answers has figures of 0, without a warning, as in scikit-learn."""
    labels = torch.tensor([0, 0, 1, 2])
    logits = torch.eye(4)[torch.tensor([0, 1, 1, 0])]  # class 2 is never the answer, class 3 never the truth
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluate_logits(logits, labels)
    expected = np.transpose(
        metrics.precision_recall_fscore_support(
            labels, logits.argmax(1), labels=[0, 1, 2, 3], zero_division=0
        )
    )
    np.testing.assert_allclose([(c.precision, c.recall, c.f1, c.support) for c in found.per_class], expected)
    assert found.per_class[2].precision == found.per_class[3].f1 == 0.0


def test_of_equal_logits_the_first_is_the_answer() -> None:
    """A network that knows nothing answers 0, everywhere alike."""
    found = evaluate_logits(torch.zeros(3, 10), torch.tensor([0, 0, 5]))
    assert found.confusion[0][0] == 2
    assert found.confusion[5][0] == 1
    assert found.loss == pytest.approx(math.log(10))


def test_json_holds_every_figure() -> None:
    """What is written as JSON reads back as the same numbers."""
    found = evaluate_logits(*answers(300))
    read = json.loads(json.dumps(found.to_json()))
    assert (read["correct"], read["total"], read["accuracy"]) == (found.correct, found.total, found.accuracy)
    assert (read["loss"], read["ece"], tuple(read["interval"])) == (found.loss, found.ece, found.interval)
    assert tuple(map(tuple, read["confusion"])) == found.confusion
    assert read["per_class"][3] == {
        "precision": found.per_class[3].precision,
        "recall": found.per_class[3].recall,
        "f1": found.per_class[3].f1,
        "support": found.per_class[3].support,
    }


def test_figures_leave_their_arguments_alone() -> None:
    """Logits that still need a gradient are read, and neither argument is changed."""
    logits, labels = answers(50)
    before = logits.clone(), labels.clone()
    evaluate_logits(logits.requires_grad_(), labels)
    assert torch.equal(logits, before[0])
    assert torch.equal(labels, before[1])


@settings(deadline=None)  # the first call pays for warming up
@given(st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_is_wilsons(counts: tuple[int, int]) -> None:
    """The interval is scipy's, lies between 0 and 1 and holds the accuracy, at 0 and 100 % as well."""
    correct, total = counts
    low, high = wilson_interval(correct, total)
    expected = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= correct / total <= high <= 1


def test_evaluation_gives_the_95_percent_interval() -> None:
    """The interval of an evaluation is that of its counts."""
    found = evaluate_logits(*answers(500))
    expected = binomtest(found.correct, found.total).proportion_ci(0.95, method="wilson")
    assert found.interval == pytest.approx((expected.low, expected.high))


# ------------------------------------------------------------------------------------------------ calibration


def slow_calibration_error(confidence: list[float], right: list[bool], bins: int) -> float:
    """Guo et al. 2017, eq. 3, as it stands there."""
    error = 0.0
    for m in range(1, bins + 1):
        members = [i for i, c in enumerate(confidence) if (m - 1) / bins < c <= m / bins]
        gap = sum(right[i] for i in members) - sum(confidence[i] for i in members)
        error += abs(gap) / len(confidence)
    return error


@pytest.mark.parametrize("bins", [1, 7, 15, 100])
def test_calibration_error_equals_a_slow_loop(bins: int) -> None:
    """The vectorised calibration error is the loop over bins."""
    logits, labels = answers(800)
    confidence, guesses = logits.double().softmax(1).max(1)
    expected = slow_calibration_error(confidence.tolist(), (guesses == labels).tolist(), bins)
    assert expected_calibration_error(logits, labels, bins) == pytest.approx(expected, rel=1e-9)


def test_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    """Of two bins, an answer of exactly 1/2 is in the lower one, as the definition has it."""
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(1 / 3)]])  # confidence 1/2 and 3/4, both right
    assert expected_calibration_error(logits, torch.tensor([0, 0]), bins=2) == pytest.approx((0.5 + 0.25) / 2)
    logits = torch.tensor([[0.0, 0.0], [math.log(1 / 3), 0.0]])  # the second wrong: the gaps must not cancel
    assert expected_calibration_error(logits, torch.tensor([0, 0]), bins=2) == pytest.approx((0.5 + 0.75) / 2)


def test_evaluation_uses_fifteen_bins() -> None:
    """The calibration error of an evaluation is the usual one, with 15 bins."""
    logits, labels = answers(200)
    assert evaluate_logits(logits, labels).ece == expected_calibration_error(logits, labels, bins=15)


@pytest.mark.parametrize("factor", [0.2, 1.0, 3.0])
def test_the_temperature_is_the_one_of_least_loss(factor: float) -> None:
    """As SciPy's minimiser finds it, whatever the scale of the logits; divided by it, they want 1."""
    logits, labels = answers(2000)
    logits = factor * logits
    found = fit_temperature(logits, labels)

    def loss(log_t: float) -> float:
        return float(nn.functional.cross_entropy(logits.double() / math.exp(log_t), labels))

    least = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-7})
    assert found == pytest.approx(math.exp(least.x), rel=1e-4)
    assert fit_temperature(logits / found, labels) == pytest.approx(1, abs=1e-4)


def test_a_fitted_temperature_makes_probabilities_honest() -> None:
    """Labels drawn from the probabilities of known logits: boasting by a factor of 3 is found and undone."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, 10, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.03)
    boast, honest = expected_calibration_error(3 * logits, labels), expected_calibration_error(logits, labels)
    assert honest < 0.02 < boast


def test_a_network_without_mistakes_has_a_finite_temperature() -> None:
    """Where no temperature is low enough, the search ends at its border."""
    assert fit_temperature(torch.eye(10), torch.arange(10)) == pytest.approx(1 / 20)


def test_probabilities_are_a_softmax() -> None:
    """Probabilities are exp(logit) over the row's sum, also where exp overflows."""
    logits, _ = answers(20)
    expected = np.exp(logits.double().numpy())
    np.testing.assert_allclose(probabilities(logits), expected / expected.sum(1, keepdims=True), rtol=1e-12)
    assert probabilities(torch.tensor([[2000.0, 0.0]])).tolist() == [[1.0, 0.0]]


# --------------------------------------------------------------------------------------------------- mistakes


def test_mistakes_come_most_confident_first() -> None:
    """The order is that of a sort by falling probability, and nothing that was right is among them."""
    logits, labels = answers(300)
    confidence, guesses = logits.double().softmax(1).max(1)
    wrong = [i for i in range(300) if guesses[i] != labels[i]]
    expected = sorted(wrong, key=lambda i: -confidence[i].item())
    assert most_confident_mistakes(logits, labels, 25).tolist() == expected[:25]
    assert most_confident_mistakes(logits, labels, 1000).tolist() == expected


def test_equally_confident_mistakes_keep_their_order() -> None:
    """Ties are settled by the index."""
    logits = torch.tensor([[2.0, 0.0, 0.0], [5.0, 0.0, 0.0]]).repeat(20, 1)
    labels = torch.arange(40) % 3  # every third is right
    sure, unsure = [i for i in range(1, 40, 2) if i % 3], [i for i in range(0, 40, 2) if i % 3]
    assert most_confident_mistakes(logits, labels, 40).tolist() == sure + unsure


def test_a_perfect_network_has_no_mistakes() -> None:
    """All right: accuracy 1, an empty list."""
    logits = torch.eye(10) * 50
    assert most_confident_mistakes(logits, torch.arange(10), 25).tolist() == []
    found = evaluate_logits(logits, torch.arange(10))
    assert found.accuracy == found.interval[1] == 1.0
    assert found.ece == pytest.approx(0.0)


# -------------------------------------------------------------------------------------------- what is refused


def test_an_empty_set_is_refused() -> None:
    """No images, no figures: the message says so instead of a division by zero."""
    with pytest.raises(DataError, match="nothing to evaluate"):
        evaluate_logits(torch.zeros(0, 10), torch.zeros(0, dtype=torch.int64))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_answers_that_are_not_numbers_are_refused(value: float) -> None:
    """One NaN or infinite logit among many is found, counted and explained."""
    logits, labels = answers(50)
    logits[17, 3] = value
    for function in (evaluate_logits, expected_calibration_error):
        with pytest.raises(TrainingError, match=r"1 of 50 images .* lower learning rate"):
            function(logits, labels)
    with pytest.raises(TrainingError, match="1 of 50"):
        probabilities(logits)


def test_labels_of_another_set_are_refused() -> None:
    """Too few labels, and labels the network has no output for, are named."""
    logits, labels = answers(5)
    with pytest.raises(DataError, match=r"5 images and labels \(4,\)"):
        evaluate_logits(logits, labels[:4])
    for wrong, found in ((10, "found 0 to 10"), (-1, "found -1 to 0")):
        with pytest.raises(DataError, match=found):
            evaluate_logits(logits, torch.tensor([0, 0, 0, 0, wrong]))


# ----------------------------------------------------------------------------------------- comparing


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (5, 5), (3, 12), (40, 20), (900, 1000)])
def test_mcnemars_test_is_the_binomial_test(first: int, second: int) -> None:
    """The p-value is that of SciPy's exact two-sided binomial test with probability 1/2."""
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert Comparison(100, first, second, 3).p_value == pytest.approx(expected, rel=1e-9)


def test_a_comparison_counts_image_by_image() -> None:
    """Every image is counted once, in the cell of who reads it right."""
    labels = torch.tensor([0, 1, 2, 3, 4, 5])
    one_hot = torch.eye(10)
    first = one_hot[torch.tensor([0, 1, 2, 9, 9, 9])]
    second = one_hot[torch.tensor([0, 1, 9, 3, 9, 9])]
    assert compare_logits(first, second, labels) == Comparison(both=2, first=1, second=1, neither=2)
    with pytest.raises(DataError, match="every image needs one label"):
        compare_logits(first, second[:5], labels)


def test_disputed_images_are_left_out(mnist_logits: tuple[Tensor, Tensor]) -> None:
    """Of 10,000 images 9,985 are left, and wrong answers to the disputed ones cost nothing."""
    logits, labels = mnist_logits
    spoiled = logits.clone()
    spoiled[list(DISPUTED)] = torch.nn.functional.one_hot((labels[list(DISPUTED)] + 1) % 10, 10).float()
    found = evaluate_undisputed(spoiled, labels)
    assert found.total == 9_985
    assert found == evaluate_undisputed(logits, labels)
    assert evaluate_logits(spoiled, labels).correct <= found.correct < found.total


@pytest.fixture
def mnist_logits() -> tuple[Tensor, Tensor]:
    """Answers to 10,000 images, some of them wrong."""
    draws = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (10_000,), generator=draws)
    return torch.eye(10)[labels] * 3 + torch.randn(10_000, 10, generator=draws), labels


def test_there_are_fifteen_disputed_images() -> None:
    """The list is that of the source: fifteen different places in the test set."""
    assert len(set(DISPUTED)) == len(DISPUTED) == 15
    assert all(0 <= index < 10_000 for index in DISPUTED)
