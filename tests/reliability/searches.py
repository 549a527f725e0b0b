"""H1 and H2: workers that die in the middle of a search, and searches that start at the same moment."""

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import optuna

from digits.tuning.storage import open_storage
from digits.tuning.workers import lock_file

from . import database, trainer
from .trainer import TIMEOUT, Trainer

WORKERS = 3
TRIALS = 6


def command(data: Path, out: Path, url: str | None, *more: str, name: str = "study") -> list[str]:
    """The command line of a small search: trials take a few tenths of a second, so that kills hit them."""
    return [
        *("tune", "--out", str(out), "--name", name, "--data", str(data), "--no-plots", "--pruner", "none"),
        *("--search", "lr", "optimizer", *(("--storage", url) if url else ())),
        *("--epochs", "6", "--batch-size", "1", "--hidden", "16", "8", *more),
    ]


@contextlib.contextmanager
def empty_storage(kind: str, file: Path, programs: Path) -> Iterator[str | None]:
    """A storage in which there is nothing yet, not even tables: its URL, None for a journal."""
    if kind == "postgresql":
        with database.postgresql(programs) as url:
            yield url
    else:
        yield f"sqlite:///{file}" if kind == "sqlite" else None


def states(folder: Path, url: str | None) -> dict[int, str]:
    """The state of every trial by its number."""
    trials = _trials(folder, url)
    numbers = [trial.number for trial in trials]
    assert len(set(numbers)) == len(numbers), f"trial numbers repeat: {numbers}"
    return {trial.number: trial.state.name for trial in trials}


def _trials(folder: Path, url: str | None) -> list[optuna.trial.FrozenTrial]:
    with open_storage(url, folder) as storage:
        return optuna.load_study(study_name=folder.name, storage=storage).get_trials(deepcopy=False)


def kill_worker(place: Path, data: Path, url: str | None, name: str, workers: int = WORKERS) -> list[str]:
    """H1: kill one of several workers in the middle of a trial; return what was not as promised."""
    for attempt in range(TRIALS):  # on a busy machine a trial may end before the signal arrives
        folder = place / f"{name}-{attempt}"
        more = ("--workers", str(workers), "--trials", str(TRIALS))
        search = Trainer(command(data, place, url, *more, name=folder.name))
        number, process = _running_trial(folder, url)
        os.kill(process, signal.SIGKILL)
        ended = search.wait()
        if states(folder, url)[number] != "COMPLETE":
            break
    else:
        return ["no kill came in the middle of a trial"]
    failures = [] if ended.code == 0 else [f"the others did not finish: {ended.output}"]
    if f"1 of {workers} workers failed (SIGKILL)" not in ended.output:
        failures.append(f"nothing was said of the one that died: {ended.output}")
    return failures + _unlike(folder, url, {"COMPLETE": TRIALS, "FAIL": 1})


def kill_search(place: Path, data: Path, url: str | None, name: str) -> list[str]:
    """H1: kill a search in the middle of a trial and start it again; what was not as promised."""
    folder = place / name
    words = command(data, place, url, "--trials", str(TRIALS), name=name)
    for _ in range(TRIALS):  # on a busy machine a trial may end before the signal comes
        search = Trainer(words)
        await_trials(folder, url, "RUNNING", 1)
        search.send(signal.SIGKILL)
        search.wait()
        if list(states(folder, url).values()).count("RUNNING") == 1:
            break
    else:
        return ["no kill came in the middle of a trial"]
    ended = trainer.run(words)
    failures = [] if ended.code == 0 else [f"could not go on: {ended.output}"]
    return failures + _unlike(folder, url, {"COMPLETE": TRIALS, "FAIL": 1})


def _unlike(folder: Path, url: str | None, expected: dict[str, int]) -> list[str]:
    """Where the trials' states are not as expected."""
    found = dict(Counter(states(folder, url).values()))
    return [] if found == expected else [f"there are {found}, expected {expected}"]


def start_together(place: Path, data: Path, url: str | None, name: str) -> list[str]:
    """H2: two searches at the same moment, on a storage in which there is nothing yet."""
    # A folder each, where there is a database: then no lock in the folder keeps them apart.
    outs = [place / "a", place / "b"] if url else [place, place]
    more = ("--epochs", "1", "--trials", "4")
    searches = [Trainer(command(data, out, url, *more, name=name), held=True) for out in outs]
    for search in searches:
        search.await_stop()
    for search in searches:
        search.send(signal.SIGCONT)
    ended = [search.wait() for search in searches]
    failures = [f"exit code {end.code}: {end.output}" for end in ended if end.code]
    counts = Counter(states(outs[0] / name, url).values())
    proposed = counts.pop("WAITING", 0)  # for the next trial, where a database's turns are taken by row
    if set(counts) != {"COMPLETE"} or proposed > bool(url) or not 4 <= counts["COMPLETE"] <= 4 + bool(url):
        failures.append(f"in the end there were {dict(counts)}")
    return failures


def await_trials(folder: Path, url: str | None, state: str, count: int) -> None:
    """Return once so many trials are in a state."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if list(folder.glob(".worker-*")) and list(states(folder, url).values()).count(state) >= count:
            return
        time.sleep(0.05)
    raise TimeoutError(f"no {count} trials in {folder}")


def _running_trial(folder: Path, url: str | None) -> tuple[int, int]:
    """Return the number of a running trial and its process.

    Wait until two workers have had a trial, or until one worker has had half of all trials: on a busy machine
    the others may still be starting.
    """
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        trials = _trials(folder, url) if list(folder.glob(".worker-*")) else []
        busy = len({trial.user_attrs.get("worker") for trial in trials}) >= 2
        if busy or len(trials) > TRIALS // 2:
            running = [trial for trial in trials if trial.state.name == "RUNNING"]
            for trial in running[-1:]:  # the newest has the most epochs left
                with contextlib.suppress(OSError, KeyError, IndexError):  # it has only just started
                    return trial.number, int(lock_file(trial.user_attrs["worker"]).read_text().split()[1])
        time.sleep(0.02)
    raise TimeoutError(f"no trial of {folder} was seen running")
