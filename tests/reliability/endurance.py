"""K11: check that thousands of epochs need no more memory and open files than a few."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from . import trainer
from .trainer import Moment, command

PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes
IMAGES = 40  # 34 to learn from: two steps an epoch
GROWTH = 20.0  # MB allowed
WARM_UP = 10  # memory is first measured after a tenth of the run, when libraries have allocated theirs


@dataclass(frozen=True)
class Endurance:
    """Memory (MB) and open files early on and at the end."""

    memory: tuple[float, float]
    files: tuple[int, int]

    @property
    def passed(self) -> bool:
        """Return True if memory grew by less than GROWTH and no more files are open."""
        return self.memory[1] - self.memory[0] < GROWTH and self.files[0] == self.files[1]


def endure(place: Path, epochs: int) -> Endurance:
    """Train for `epochs` epochs, 10 or more, and return what was measured."""
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
    """Append the resident memory (MB) and the number of open files of this process to the file."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6
    with open(path, "a") as file:
        file.write(f"{resident:.1f} {len(os.listdir('/proc/self/fd'))}\n")  # noqa: PTH208  # counts, not paths
