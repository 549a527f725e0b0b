"""Workers that are killed, and searches that start at the same moment.

Longer forms of these tests: `python -m tests.reliability`.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from reliability import searches, trainer
from reliability.trainer import Trainer

STORAGES = ("journal", "sqlite", "postgresql")
ALL_STORAGES = [
    "journal",
    pytest.param("sqlite", marks=pytest.mark.slow),
    pytest.param("postgresql", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small data file for all tests."""
    return trainer.write_data(tmp_path_factory.mktemp("data") / "data.npz")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "workers"), [("journal", 2), *((name, 3) for name in STORAGES)], indirect=["url"]
)
def test_a_killed_worker_costs_its_trial_only(
    tmp_path: Path, data: Path, url: str | None, workers: int
) -> None:
    """H1: one of the workers is killed; the others finish, and its trial counts as failed."""
    assert searches.kill_worker(tmp_path, data, url, "one-killed", workers) == []


@pytest.mark.slow
@pytest.mark.parametrize("url", ALL_STORAGES, indirect=True)
def test_a_killed_search_goes_on(tmp_path: Path, data: Path, url: str | None) -> None:
    """H1: the next start records the trial that a killed process left running as failed."""
    assert searches.kill_search(tmp_path, data, url, "all-killed") == []


@pytest.mark.slow
@pytest.mark.parametrize("url", STORAGES, indirect=True)
def test_two_searches_start_at_the_same_moment(tmp_path: Path, data: Path, url: str | None) -> None:
    """H2: two searches on an empty storage do not crash, and they share the budget."""
    assert searches.start_together(tmp_path, data, url, "together") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "workers"),
    [(signal.SIGINT, 1), pytest.param(signal.SIGTERM, 2, marks=pytest.mark.slow)],
)
def test_a_signal_ends_it_with_the_best_so_far(
    tmp_path: Path, data: Path, number: signal.Signals, workers: int
) -> None:
    """After a signal, running trials are failed, the report is printed, and the same command can continue."""
    process = Trainer(searches.command(data, tmp_path, None, "--workers", str(workers)))
    folder = tmp_path / "study"
    searches.await_trials(folder, None, "COMPLETE", 2)
    process.send(number)
    ended = process.wait()
    assert ended.code == 128 + number, ended.output
    assert f"stopped by {number.name}; run the same command again" in ended.output
    assert "digits train" in ended.output
    found = set(searches.states(folder, None).values())
    assert found <= {"COMPLETE", "FAIL", "PRUNED"}  # none is left running


PARENT = """
import sys
from pathlib import Path
from digits.tuning.workers import WorkerProcesses
from support.deaf_worker import work
if __name__ == "__main__":
    for _ in WorkerProcesses(work, (Path(sys.argv[1]),), 2).run(lambda: False):
        pass
"""


@pytest.mark.slow
def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """When the search's process is killed, its workers end within seconds, though they are busy elsewhere."""
    script, pids = tmp_path / "parent.py", tmp_path / "pids"
    script.write_text(PARENT)
    pids.mkdir()
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    parent = subprocess.Popen([sys.executable, script, pids], env={**os.environ, "PYTHONPATH": paths})
    deadline = time.monotonic() + 60
    while len(workers := [int(path.name) for path in pids.iterdir()]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    while any(map(_lives, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    """Return True if a process has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
