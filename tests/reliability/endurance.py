"""K11: a training of thousands of epochs needs no more memory and no more open files than a short one."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from . import trainer
from .trainer import Moment, command

PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes
IMAGES = 40  # 34 to learn from: two steps an epoch
GROWTH = 20.0  # MB allowed
WARM_UP = 10  # the first of so many parts of the run is not compared: libraries settle in


@dataclass(frozen=True)
class Endurance:
    """Memory (MB) and open files early on and at the end."""

    memory: tuple[float, float]
    files: tuple[int, int]

    @property
    def passed(self) -> bool:
        """Whether the rule is kept."""
        return self.memory[1] - self.memory[0] < GROWTH and self.files[0] == self.files[1]


def endure(place: Path, epochs: int) -> Endurance:
    """Train for `epochs` epochs, 10 or more."""
    data, notes = trainer.write_data(place / "data.npz", images=IMAGES), place / "notes"
    note = functools.partial(_note, notes)
    moments = [
        Moment("digits.training.state:State.finish_epoch", at, note)
        for at in (max(epochs // WARM_UP, 1), epochs)
    ]
    ended = trainer.Trainer(command(data, place / "long", "--epochs", str(epochs)), *moments).wait(3600)
    assert ended.code == 0, ended.output
    assert len(trainer.metrics(place / "long")) == epochs
    (memory, files), (memory_after, files_after) = (line.split() for line in notes.read_text().splitlines())
    return Endurance((float(memory), float(memory_after)), (int(files), int(files_after)))


def _note(path: Path) -> None:
    """In the training: append how much memory this process holds and how many files it has open."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6
    with open(path, "a") as file:
        file.write(f"{resident:.1f} {len(os.listdir('/proc/self/fd'))}\n")  # noqa: PTH208  # counts, not paths
