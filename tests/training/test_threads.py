"""Threads: a training uses those of its options, and only one where several hinder each other."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

import digits
from digits.data.dataset import Digits
from digits.networks import tensor_file
from digits.options import TrainOptions
from digits.training import threads
from digits.training.devices import use_threads
from digits.training.distributed import World
from digits.training.run_folder import find_unfinished

CONVOLUTIONS: dict[str, Any] = {
    "model": "cnn",
    "hidden": TrainOptions.hidden,
    "channels": (2, 2, 2),
    "dropout": 0.5,
}
SMALL = TrainOptions(hidden=(8, 8), epochs=1, plots=False, device="cpu", name="run", threads=2)
DIGITS = Digits(torch.arange(40 * 784).remainder(251).to(torch.uint8).view(40, 28, 28), torch.arange(40) % 10)


def measured(monkeypatch: pytest.MonkeyPatch, together: float) -> None:
    """Let the trial find 0.1 s a step with one thread, and this many seconds with several."""
    monkeypatch.setattr(threads, "step_seconds", lambda options, n, *_: 0.1 if n == 1 else together)


@pytest.mark.parametrize(("together", "used"), [(0.06, 2), (0.12, 2), (0.3, 1), (4.0, 1)])
def test_threads_are_used_unless_they_hinder_each_other(
    monkeypatch: pytest.MonkeyPatch, together: float, used: int
) -> None:
    """On an idle machine (0.6 to 1.2 times the time) they are used, beside a busy one (3 to 40) not."""
    measured(monkeypatch, together)
    number, notices = threads.pick_threads(SMALL, DIGITS)
    assert number == used
    assert len(notices) == (used == 1)


@pytest.mark.parametrize("ensemble", [1, 2])
def test_a_run_whose_threads_hinder_each_other_is_that_of_one_thread(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ensemble: int
) -> None:
    """The weights are those of --threads 1; options, checkpoint and summary say 1, and one note says why."""
    measured(monkeypatch, 4.0)
    options = dataclasses.replace(SMALL, data=tiny_folder, ensemble=ensemble)
    fallen, alone = (
        digits.run(dataclasses.replace(options, out=tmp_path / str(number), threads=number)).folder
        for number in (2, 1)
    )
    assert (fallen / "model.npz").read_bytes() == (alone / "model.npz").read_bytes()
    summary = json.loads((fallen / "summary.json").read_text())
    assert summary["threads"] == json.loads((fallen / "options.json").read_text())["threads"] == 1
    (notice,) = summary["notices"][-1:]
    assert "2 threads hinder each other" in notice
    assert "4000.0 ms, and 100.0 ms with one thread" in notice
    last = fallen if ensemble == 1 else fallen / f"member-{ensemble}"
    meta, _ = tensor_file.load_tensors(last / "checkpoint.npz", "checkpoint")
    assert meta["circumstances"]["threads"] == "1"
    monkeypatch.undo()
    resumed = digits.run(find_unfinished(tmp_path / "2", "run"))  # With other threads it would be refused.
    assert len(resumed.history) == 1


def test_the_loop_uses_the_threads_of_its_options() -> None:
    """`digits.train` trains with `options.threads`; between the epochs the caller has its own number."""
    options, inside, between = dataclasses.replace(SMALL, epochs=2, batch_size=40), [], []
    with use_threads(3):
        for _ in digits.train(
            options, DIGITS, DIGITS, after_step=lambda _: inside.append(torch.get_num_threads())
        ):
            between.append(torch.get_num_threads())
    assert inside == [2, 2]
    assert between == [3, 3]


def test_the_trial_measures_a_step_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial takes about TRIAL_SECONDS, and changes neither the random numbers nor the threads."""
    monkeypatch.setattr(threads, "TRIAL_SECONDS", 0.01)
    before, random = torch.get_num_threads(), torch.random.get_rng_state()
    for options in (SMALL, dataclasses.replace(SMALL, **CONVOLUTIONS)):
        assert 0 < threads.step_seconds(options, 1, DIGITS, World()) < 1
    assert torch.get_num_threads() == before
    assert torch.equal(torch.random.get_rng_state(), random)
