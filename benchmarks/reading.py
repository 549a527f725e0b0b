"""Measure the time and the memory that `digits predict` takes, including the start of Python.

    python benchmarks/reading.py [--rounds 7]

Each measurement is a process of its own: one picture; 1,000 pictures of 28 x 28 in one call, in MNIST's form
and as small dark drawings on white; a photo of 12 megapixels. The pictures are drawn here. Needs Linux, which
counts the memory of each program separately, and a quiet machine.
Writes benchmarks/results/reading.json.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from figures import Figure, at_least, at_most, circumstances, describe, exit_code, save, table
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.strokefont import shaded, sheet  # digits drawn in code, found through the line above

from digits.reading.reader import Reader

RESULTS = Path(__file__).parent / "results"
MANY = 1000


@dataclass(frozen=True)
class Cost:
    """Time and memory that a process took."""

    seconds: float  # wall time
    megabytes: float  # highest resident memory


READ = """
import sys
from digits.cli.main import main
code = main(["predict", "--json", *sys.argv[1:]])
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak, file=sys.stderr)
sys.exit(code)
"""


def cost(pictures: Sequence[Path], expected: int) -> Cost:
    """Read pictures in one call of the command, which must print `expected` lines, and return its cost."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", READ, *map(str, pictures)], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - start
    assert done.stdout.count("\n") == expected
    return Cost(seconds, int(done.stderr) / 1024)


def draw(folder: Path) -> dict[str, list[Path]]:
    """Draw the pictures of each measurement into a folder and return their paths by its name."""
    places = {name: folder / name for name in ("one", "ready", "small", "photo")}
    for place in places.values():
        place.mkdir()
    sheet("7").save(places["one"] / "7.png")
    ready = _ready_made()
    for i in range(MANY):
        Image.fromarray(ready[i % len(ready)]).save(places["ready"] / f"{i}.png")
        drawn = sheet(str(i % 10), size=(28, 28), at=(4 + i % 5, 3 + i % 4), height=18, pen=0.12)
        drawn.save(places["small"] / f"{i}.png")
    photo = sheet("4073", size=(4000, 3000), height=600, ink=(30, 30, 90), colour=(240, 236, 226), mode="RGB")
    Image.fromarray(shaded(photo)).save(places["photo"] / "photo.jpg", quality=92)
    return {"one": [places["one"] / "7.png"], "photo": [places["photo"] / "photo.jpg"]} | {
        name: [places[name]] for name in ("ready", "small")
    }


def _ready_made() -> list[npt.NDArray[np.uint8]]:
    """Return digits (28, 28), uint8, in MNIST's form: the reader uses them without looking for ink."""
    reader, found = Reader.load("cnn"), []
    for i in range(70):
        image = reader.read(sheet(str(i % 10), pen=0.06 + 0.01 * (i % 7)), single=True).digits[0].image
        pixels = (image * 255).round().astype(np.uint8)
        if list(reader.read(pixels, explain=True).steps) == ["picture"]:
            found.append(pixels)
    return found


def measure(pictures: dict[str, list[Path]], rounds: int) -> list[Figure]:
    """Return all figures; each process is started `rounds` times, one measurement after the other."""
    counts = {"one": 1, "ready": MANY, "small": MANY, "photo": 1}
    costs: dict[str, list[Cost]] = {name: [] for name in pictures}
    cost(pictures["one"], 1)  # writes byte code and fills the cache of files
    for _ in range(rounds):
        for name, paths in pictures.items():
            costs[name].append(cost(paths, counts[name]))

    def seconds(name: str) -> tuple[float, ...]:
        return tuple(c.seconds for c in costs[name])

    def rate(name: str) -> tuple[float, ...]:
        return tuple(MANY / c.seconds for c in costs[name])

    def memory(name: str) -> tuple[float, ...]:
        return tuple(c.megabytes for c in costs[name])

    return [
        Figure("ours", "one picture, cold start", "s", seconds("one"), at_most(0.7)),
        Figure("ours", "one picture, memory", "MB", memory("one")),
        Figure("ours", f"{MANY:,} of 28 x 28 in MNIST's form", "/s", rate("ready"), at_least(500)),
        Figure("ours", f"{MANY:,} of 28 x 28 drawn on white", "/s", rate("small")),
        Figure("ours", "photo of 12 megapixels", "s", seconds("photo"), at_most(2.0)),
        Figure(
            "ours", "photo of 12 megapixels, memory", "MB", memory("photo"), at_most(400), judged="highest"
        ),
    ]


def main() -> int:
    """Measure, print and write the figures; return 1 if one misses its bar, else 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, help="times each process is started")
    parser.add_argument("--out", type=Path, default=RESULTS / "reading.json")
    arguments = parser.parse_args()
    about = circumstances(["python", "benchmarks/reading.py", "--rounds", str(arguments.rounds)])
    print(describe(about))
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(draw(Path(folder)), arguments.rounds)
    sections = {"Reading pictures, the command started anew each time": figures}
    for title, group in sections.items():
        print(table(title, group))
    save(arguments.out, about, sections)
    return exit_code(sections)


if __name__ == "__main__":
    sys.exit(main())
