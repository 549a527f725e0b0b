"""Signals stop a training after saving; it resumes to the same bits."""

import itertools
import signal
import sys
from pathlib import Path

import pytest
from reliability import trainer
from reliability.trainer import (
    EPOCHS,
    PREDICT,
    SAVE,
    STEP,
    STEPS,
    TEST,
    Moment,
    Reference,
    command,
    resume,
    signalled,
)
from support.slow import mostly_slow

from digits.networks import tensor_file
from digits.training.interrupts import Interrupts

if not sys.platform.startswith("linux"):
    pytest.skip("needs Linux: forked processes and /proc", allow_module_level=True)


DRAW = "digits.evaluation.plots.mistakes:mistakes_figure"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = {  # the function and its call, and the steps that are done when the run has stopped
    "first step": (STEP, 1, 2),
    "mid-epoch": (STEP, STEPS + 4, STEPS + 5),
    "last step of an epoch": (STEP, 2 * STEPS, 2 * STEPS + 1),
    "validation": (PREDICT, 2, 2 * STEPS + 2),
    "saving": (SAVE, 3, 2 * STEPS + 2),
    "last step of all": (STEP, EPOCHS * STEPS, EPOCHS * STEPS),
    "last validation": (PREDICT, EPOCHS, EPOCHS * STEPS),
}


@pytest.mark.parametrize(
    ("number", "moment"),
    mostly_slow(
        itertools.product(SIGNALS, INTERRUPTED),
        [(signal.SIGTERM, "mid-epoch")],
    ),
)
def test_signals_stop_after_saving(
    place: Path, whole: Reference, tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    """K3: a signal, whenever it comes, stops within two steps, after saving; the exit code is 128 + n."""
    folder = tmp_path / "run"
    function, call, steps = INTERRUPTED[moment]
    ended = trainer.run(command(place / "data.npz", folder), Moment(function, call, signalled(number)))
    assert ended.code == 128 + number
    message = f"digits: stopped by {number.name} after saving; continue with --resume"
    assert ended.output.splitlines()[-1] == message
    assert not (folder / "summary.json").exists()
    meta, _ = tensor_file.load_tensors(folder / "checkpoint.npz", "checkpoint")
    assert meta["epoch"] * STEPS + meta["step"] == steps
    resume(folder)
    assert trainer.differences(folder, whole()) == []


@pytest.mark.parametrize(
    ("number", "function"),
    mostly_slow(itertools.product(SIGNALS, [TEST, DRAW]), [(signal.SIGTERM, TEST)]),
)
def test_signals_after_training_lose_nothing(
    place: Path, whole: Reference, tmp_path: Path, number: signal.Signals, function: str
) -> None:
    """K3: during the test and the drawing all is saved already; a resume tests and draws again."""
    folder = tmp_path / "run"
    plots = () if function == TEST else ("--plots",)
    start = command(place / "data.npz", folder, *plots)
    ended = trainer.run(start, Moment(function, 1, signalled(number)))
    assert ended.code in (128 + number, -number)
    assert "Traceback" not in ended.output
    resume(folder, "--no-plots")
    assert set(trainer.differences(folder, whole())) <= {"files"}  # a picture may have been drawn already


def test_second_signal_acts_at_once() -> None:
    """Who presses Ctrl-C twice does not want to wait for anything."""
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_ignored_signals_stay_ignored() -> None:
    """`nohup digits train &` survives the end of the session: a signal ignored before is ignored still."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGHUP)
        assert interrupts.number == 0
    finally:
        signal.signal(signal.SIGHUP, before)
