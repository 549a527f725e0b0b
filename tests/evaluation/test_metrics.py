"""The measures against scikit-learn's."""

import json
import math
import warnings

import numpy as np
import pytest
import torch
from sklearn import metrics
from support.predictions import answers
from torch import Tensor

from digits.errors import DataError
from digits.evaluation.disputed_labels import DISPUTED, evaluate_undisputed
from digits.evaluation.metrics import evaluate_logits, most_confident_mistakes


@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_scikit_learns(seed: int) -> None:
    """Accuracy, loss, confusion matrix, precision, recall and F1 are scikit-learn's."""
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
    np.testing.assert_allclose(np.array(ours, dtype=float), expected, rtol=1e-12)


def test_a_score_without_a_divisor_is_none() -> None:
    """A class without images or predictions has None where scikit-learn has NaN, and null in JSON."""
    labels = torch.tensor([0, 0, 1, 2])
    logits = torch.eye(4)[torch.tensor([0, 1, 1, 0])]  # class 2 is never the answer, class 3 never the truth
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluate_logits(logits, labels)
    expected = np.transpose(
        metrics.precision_recall_fscore_support(
            labels, logits.argmax(1), labels=[0, 1, 2, 3], zero_division=np.nan
        )
    )
    ours = [(c.precision, c.recall, c.f1, c.support) for c in found.per_class]
    np.testing.assert_allclose(np.array(ours, dtype=float), expected)
    assert found.per_class[2].precision is found.per_class[3].recall is found.per_class[3].f1 is None
    assert json.loads(json.dumps(found.to_json()))["per_class"][3] == {
        **{"precision": None, "recall": None, "f1": None},
        "support": 0,
    }


def test_of_equal_logits_the_first_is_the_answer() -> None:
    """If all logits are equal, the predicted class is the first."""
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
    """Neither argument is changed, and logits that need a gradient are accepted."""
    logits, labels = answers(50)
    before = logits.clone(), labels.clone()
    evaluate_logits(logits.requires_grad_(), labels)
    assert torch.equal(logits, before[0])
    assert torch.equal(labels, before[1])


def test_mistakes_come_most_confident_first() -> None:
    """Mistakes are sorted by confidence, highest first, without correct predictions among them."""
    logits, labels = answers(300)
    confidence, guesses = logits.double().softmax(1).max(1)
    wrong = [i for i in range(300) if guesses[i] != labels[i]]
    expected = sorted(wrong, key=lambda i: -confidence[i].item())
    assert most_confident_mistakes(logits, labels, 25).tolist() == expected[:25]
    assert most_confident_mistakes(logits, labels, 1000).tolist() == expected


def test_equally_confident_mistakes_keep_their_order() -> None:
    """Mistakes with the same confidence are sorted by index."""
    logits = torch.tensor([[2.0, 0.0, 0.0], [5.0, 0.0, 0.0]]).repeat(20, 1)
    labels = torch.arange(40) % 3  # every third is right
    sure, unsure = [i for i in range(1, 40, 2) if i % 3], [i for i in range(0, 40, 2) if i % 3]
    assert most_confident_mistakes(logits, labels, 40).tolist() == sure + unsure


def test_a_perfect_network_has_no_mistakes() -> None:
    """A perfect network has accuracy 1 and no mistakes."""
    logits = torch.eye(10) * 50
    assert most_confident_mistakes(logits, torch.arange(10), 25).tolist() == []
    found = evaluate_logits(logits, torch.arange(10))
    assert found.accuracy == found.interval[1] == 1.0
    assert found.ece == pytest.approx(0.0)


def test_an_empty_set_is_refused() -> None:
    """An evaluation without images raises DataError."""
    with pytest.raises(DataError, match="nothing to evaluate"):
        evaluate_logits(torch.zeros(0, 10), torch.zeros(0, dtype=torch.int64))


def test_disputed_images_are_left_out(mnist_logits: tuple[Tensor, Tensor]) -> None:
    """9,985 of 10,000 images are left, and wrong predictions for the disputed ones do not count."""
    logits, labels = mnist_logits
    spoiled = logits.clone()
    spoiled[list(DISPUTED)] = torch.nn.functional.one_hot((labels[list(DISPUTED)] + 1) % 10, 10).float()
    found = evaluate_undisputed(spoiled, labels)
    assert found.total == 9_985
    assert found == evaluate_undisputed(logits, labels)
    assert evaluate_logits(spoiled, labels).correct <= found.correct < found.total


@pytest.fixture
def mnist_logits() -> tuple[Tensor, Tensor]:
    """Logits and labels of 10,000 images, some of them classified wrongly."""
    draws = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (10_000,), generator=draws)
    return torch.eye(10)[labels] * 3 + torch.randn(10_000, 10, generator=draws), labels


def test_there_are_fifteen_disputed_images() -> None:
    """The list has fifteen different indices of the test set."""
    assert len(set(DISPUTED)) == len(DISPUTED) == 15
    assert all(0 <= index < 10_000 for index in DISPUTED)
