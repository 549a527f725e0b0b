"""Ensembles: members are runs in their own folders, and a killed ensemble resumes to the same bits."""

import json
import signal
import sys
from pathlib import Path

import pytest
import torch
from reliability import trainer
from reliability.trainer import EPOCHS, STEP, STEPS, Moment, Reference, command, resume, signalled
from support.slow import mostly_slow

from digits.evaluation import logits
from digits.evaluation.epoch import Epoch
from digits.networks import model_file
from digits.options import TrainOptions
from digits.training.ensemble_run import mean_epoch
from digits.training.run import load_splits

if not sys.platform.startswith("linux"):
    pytest.skip("needs Linux: forked processes and /proc", allow_module_level=True)


ENSEMBLE = ("--ensemble", "2", "--view", "alternate")
CUTS = {
    "in the first": Moment(STEP, 5, signalled(signal.SIGKILL)),
    "in the second": Moment(STEP, EPOCHS * STEPS + 5, signalled(signal.SIGTERM)),
    "after the first": Moment("digits.training.single_run:SingleRun.finish", 1, signalled(signal.SIGKILL)),
    "after the second": Moment(
        "digits.training.ensemble_run:EnsembleRun.finish", 1, signalled(signal.SIGKILL)
    ),
    "before they are joined": Moment("digits.training.ensemble_run:assemble", 1, signalled(signal.SIGKILL)),
}


@pytest.mark.parametrize("cut", mostly_slow(CUTS, []))
def test_resume_of_an_ensemble(place: Path, whole: Reference, tmp_path: Path, cut: str) -> None:
    """K4: wherever an ensemble is cut off, it goes on to the same networks, the finished ones included."""
    kind = ENSEMBLE
    folder = tmp_path / "run"
    ended = trainer.run(command(place / "data.npz", folder, *kind), CUTS[cut])
    assert ended.code in (-signal.SIGKILL, 128 + signal.SIGTERM), ended.output
    resume(folder)
    whole(*kind)
    reference = place / "whole--ensemble2--viewalternate"
    for member, view in (("member-1", "as-is"), ("member-2", "upright")):
        assert trainer.differences(folder / member, trainer.outcome(reference / member)) == []
        assert json.loads((folder / member / "options.json").read_text())["view"] == view
    for name in ("metrics.csv", "model.npz", "summary.json"):
        assert without_seconds(folder / name) == without_seconds(reference / name)


def without_seconds(path: Path) -> object:
    """A file's content apart from the times in it."""
    if path.suffix == ".csv":
        return trainer.metrics(path.parent)
    if path.suffix == ".npz":
        return path.read_bytes()
    summary = json.loads(path.read_text())
    return {name: summary[name] for name in ("test", "members", "epochs", "data", "network")}


def test_members_of_an_ensemble_are_runs_of_their_own(place: Path, whole: Reference) -> None:
    """Member 2 is the network that training with the next seed alone gives, and the folder says the rest."""
    whole(*ENSEMBLE)
    folder = place / "whole--ensemble2--viewalternate"
    alone = whole("--seed", "1", "--view", "upright")
    found = trainer.outcome(folder / "member-2")
    assert {name: v for name, v in found.items() if name.startswith("model ")} == {
        name: v for name, v in alone.items() if name.startswith("model ")
    }
    _, splits = load_splits(TrainOptions(data=place / "data.npz"))
    members = [model_file.load(folder / f"member-{i}") for i in (1, 2)]
    mean = torch.stack([logits.compute_logits(m, splits.test).softmax(1) for m in members]).mean(0)
    ensemble = model_file.load(folder)
    ensemble.temperature.fill_(1)  # with its own, the order of the probabilities stays
    assert torch.allclose(logits.compute_logits(ensemble, splits.test).softmax(1), mean, atol=1e-6)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["test"]["accuracy"] == (mean.argmax(1) == splits.test.labels).double().mean().item()
    rights = [(logits.compute_logits(m, splits.test).argmax(1) == splits.test.labels) for m in members]
    assert summary["members"] == [right.double().mean().item() for right in rights]


def test_the_epochs_of_an_ensemble_are_means() -> None:
    """Losses and accuracies are averaged, seconds and images are summed."""
    epochs = (Epoch(3, 1.0, 0.5, 2.0, 0.25, 1.5, 100), Epoch(3, 2.0, 0.75, 3.0, 0.75, 2.5, 100))
    assert mean_epoch(epochs) == Epoch(3, 1.5, 0.625, 2.5, 0.5, 4.0, 200)
