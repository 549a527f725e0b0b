"""Runs that several test files share, trained once."""

import functools
import shutil
import signal
from pathlib import Path

import pytest
from reliability import trainer
from reliability.trainer import STEP, STEPS, Moment, Reference, command, signalled

from digits.networks import tensor_file


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data.npz in it."""
    folder = tmp_path_factory.mktemp("resume")
    trainer.write_data(folder / "data.npz")
    return folder


@pytest.fixture(scope="session")
def whole(place: Path) -> Reference:
    """The outcome of an uninterrupted run with these further options."""

    @functools.cache
    def outcome(*more: str) -> dict[str, object]:
        folder = place / f"whole{''.join(more)}"
        ended = trainer.run(command(place / "data.npz", folder, *more))
        assert ended.code == 0, ended.output
        return trainer.outcome(folder)

    return outcome


@pytest.fixture(scope="session")
def cut_run(place: Path) -> Path:
    """The folder of a run that was killed in its second epoch, with two checkpoints."""
    folder = place / "cut"
    start = command(place / "data.npz", folder, "--checkpoint-every", "4")
    ended = trainer.run(start, Moment(STEP, 2 * STEPS - 1, signalled(signal.SIGKILL)))
    assert ended.code == -signal.SIGKILL
    assert tensor_file.previous(folder / "checkpoint.npz").exists()
    return folder


@pytest.fixture
def cut(cut_run: Path, tmp_path: Path) -> Path:
    """A copy of `cut_run` for one test."""
    return shutil.copytree(cut_run, tmp_path / "run")
