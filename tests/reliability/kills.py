"""K2: kill a training at random times and resume it, again and again, until it is finished."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

from . import trainer
from .trainer import Trainer, command, resumption

STAGES = ("before the first checkpoint", "while training", "after training")


@dataclass(frozen=True)
class Run:
    """A training that was killed several times before it finished, and what was wrong with it."""

    seed: int
    kills: Counter[str]  # by stage
    failures: tuple[str, ...]


def kills(place: Path, count: int, seeds: int) -> Iterator[Run]:
    """Yield runs that are killed `count` times together, or a few times more, divided among the seeds."""
    data = trainer.write_data(place / "data.npz")
    for seed in range(seeds):
        more = ("--checkpoint-every", "1", "--seed", str(seed))
        reference, duration = _whole(command(data, place / f"whole-{seed}", *more), place / f"whole-{seed}")
        draws, done, number = random.Random(seed), 0, 0
        while done < count / seeds:
            folder = place / f"killed-{seed}-{number}"
            start = command(data, folder, *more)
            run = _until_finished(folder, start, reference, draws, duration, seed)
            yield run
            done, number = done + run.kills.total(), number + 1


def _whole(start: list[str], folder: Path) -> tuple[dict[str, object], float]:
    """Run without a kill; return the outcome and the seconds it took."""
    trainer.run(["--version"])  # starting the fork server does not count
    begun = time.monotonic()
    ended = trainer.run(start)
    assert ended.code == 0, ended.output
    return trainer.outcome(folder), time.monotonic() - begun


def _until_finished(
    folder: Path,
    start: list[str],
    reference: dict[str, object],
    draws: random.Random,
    duration: float,
    seed: int,
) -> Run:
    """Start, kill, resume, kill ... each time after a random part of the time that a whole run takes."""
    stages: Counter[str] = Counter()
    failures: list[str] = []
    while True:
        process = Trainer(resumption(folder) if (folder / "options.json").exists() else start)
        time.sleep(draws.uniform(0, duration))
        process.send(SIGKILL)
        ended = process.wait()
        if ended.code != -SIGKILL:
            failures += [] if ended.code == 0 else [f"exit code {ended.code}: {ended.output}"]
            break
        stages[_stage(folder)] += 1
        failures += trainer.unsound(folder)
    if not failures:
        failures += [f"{name} differs" for name in trainer.differences(folder, reference)]
    return Run(seed, stages, tuple(failures))


def _stage(folder: Path) -> str:
    if not (folder / "checkpoint.npz").exists():
        return STAGES[0]
    return STAGES[1] if len(_rows(folder)) < trainer.EPOCHS else STAGES[2]


def _rows(folder: Path) -> list[dict[str, str]]:
    return trainer.metrics(folder) if (folder / "metrics.csv").exists() else []
