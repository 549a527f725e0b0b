"""Read hostile pictures, each in a process of its own, and measure what that costs.

The files come from tests/support/hostile_files.py, the pages from tests/support/hostile_pages.py. The network
is loaded before the measurement begins.
"""

import functools
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/support, as in pytest

from support.hostile_files import HOSTILE_FILES
from support.hostile_pages import Page, digits_page, hostile_pages

MAX_SECONDS = 2.0  # s of one processor core, for decoding, finding and classifying together
MAX_MEMORY = 400.0  # MB; largest resident memory of the process
FAILED = "failed"  # begins the answer of a process that ended with an error or wrote to standard error
ROWS = 60  # of the table in docs/reliability.md; the command prints all
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
START, END = "<!-- hostile pictures, by make reliability -->\n", "<!-- -->"
READ = """
import json, resource, sys, time
from pathlib import Path
from digits.errors import PhotoError
from digits.reading.reader import Reader
reader = Reader.load("cnn")
content = Path(sys.argv[1]).read_bytes()
def cost():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    memory = max(int(status["VmHWM"].split()[0]), used[1].ru_maxrss)
    return sum(u.ru_utime + u.ru_stime for u in used), memory / 1000
before = cost()[0]
try:
    reading = reader.read(content, name="it")
    answer = f"marks: {len(reading.digits)}, accepted: {sum(digit.accepted for digit in reading.digits)}"
    answer = ". ".join((answer, *reading.notes))
except PhotoError as error:
    answer = f"refused: {error}"
after, memory = cost()
print(json.dumps([after - before, memory, answer]))
"""


@dataclass(frozen=True)
class Cost:
    """What one picture costs.

    Attributes:
        name: Name of the picture.
        size: Bytes of its file.
        seconds: Processor time of reading it, with child processes.
        memory: Largest resident memory in MB.
        answer: What the reader says.
    """

    name: str
    size: int
    seconds: float
    memory: float
    answer: str

    @property
    def passed(self) -> bool:
        """Return True if the picture was answered within the bounds."""
        return (
            self.seconds <= MAX_SECONDS and self.memory <= MAX_MEMORY and not self.answer.startswith(FAILED)
        )


def sources() -> dict[str, Callable[[], bytes]]:
    """Return functions that make all hostile pictures, and honest pages to compare them with."""
    pages: dict[str, Page] = {
        **hostile_pages(),
        "honest: 400 digits": lambda: digits_page(20, 20),
        "honest: 600 digits": lambda: digits_page(25, 24),
        "honest: A4 at 600 dpi": lambda: digits_page(20, 20, side=7016).crop((0, 0, 4960, 7016)),
    }

    return {**HOSTILE_FILES, **{name: functools.partial(as_png, make) for name, make in pages.items()}}


def as_png(make: Page) -> bytes:
    """Return the bytes of a PNG file with the page."""
    buffer = io.BytesIO()
    make().save(buffer, "PNG")
    return buffer.getvalue()


def measure(place: Path, name: str, content: bytes) -> Cost:
    """Read one picture in a process of its own.

    Args:
        place: Folder for the picture.
        name: Name of the picture.
        content: Bytes of its file.
    """
    path = place / "picture"
    path.write_bytes(content)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", READ, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    if done.returncode or done.stderr:
        return Cost(name, len(content), 0.0, 0.0, f"{FAILED}: {done.stderr[-300:]}")
    seconds, memory, answer = json.loads(done.stdout)
    return Cost(name, len(content), seconds, memory, answer)


def costs(place: Path, folders: Sequence[Path] = ()) -> Iterator[Cost]:
    """Measure all hostile pictures, and the files in folders.

    Args:
        place: Empty folder.
        folders: Folders with further pictures.
    """
    for name, make in sources().items():
        yield measure(place, name, make())
    for folder in folders:
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            yield measure(place, path.name, path.read_bytes())


def write_table(found: Sequence[Cost]) -> None:
    """Write the highest costs into docs/reliability.md."""
    rows = [
        f"| {cost.name} | {cost.size:,} | {cost.seconds:.2f} | {cost.memory:.0f} | {cost.answer} |"
        for cost in sorted(found, key=lambda cost: -cost.seconds)[:ROWS]
    ]
    head = ["| picture | bytes | CPU s | MB | answer |", "| --- | --- | --- | --- | --- |"]
    before, rest = PAGE.read_text().split(START)
    after = rest[rest.index(END) :]
    PAGE.write_text(before + START + "\n".join((*head, *rows)) + "\n" + after)
