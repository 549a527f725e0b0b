"""Measure every speed that this project claims, beside its floor, its peers and the bar it has to keep.

    python benchmarks/speed.py [--quick] [--json FILE]

All programs run in turn, each in a process of its own, on the same files. Prints tables, writes
benchmarks/results/speed.json and exits with 1 if a bar is not kept. Needs torchvision for the peer that most
tutorials use: pip install --no-deps torchvision==0.28.0 (for torch 2.13.0).

Needs an idle machine: look at the load average that it prints first. Takes about ten minutes, with --quick
two and a half.
"""

import contextlib
import dataclasses
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))  # so that it runs from a clone, nothing installed

import tyro
from figures import Figure, at_least, at_most, circumstances, describe, exit_code, ratios, save, table

from digits.data import cache, catalogue, download
from digits.errors import DigitsError
from digits.options import TrainOptions
from digits.recipes import RECIPES

RESULTS = HERE / "results" / "speed.json"
IMAGES = 50_000  # of training: MNIST's 60,000 without a sixth for validation
DEFAULT_THREADS = TrainOptions().threads
TIMEOUT = 900.0  # s for one program; beside a busy process, two threads once took 51 s an epoch
FEW = 100  # validation images where the accuracy does not matter
GOAL = 0.97  # validation accuracy that the fast recipe has to reach
TORCHVISION = "torchvision is not installed: pip install --no-deps torchvision==0.28.0"

# Another busy process: it multiplies matrices on one core, and prints a line when it begins.
NEIGHBOUR = "import numpy as np; a = np.ones((512, 512)); print(flush=True)\nwhile True: a @ a"
# `digits train` up to the moment at which the first epoch's clock starts.
UNTIL_FIRST_EPOCH = """
import os, sys, time
from digits.cli.main import main
from digits.training.state import State

def leave(state):
    print(time.time(), flush=True)
    os._exit(0)

State.start_clock = leave
main(["train", *sys.argv[1:]])
"""


@dataclass(frozen=True)
class Arguments:
    """Measure every speed figure; exit with 1 if a bar is not kept."""

    quick: bool = False
    """Use few rounds and seeds, to see that it runs."""
    json: Path | None = None
    """Where to write the figures. Default: benchmarks/results/speed.json, or nowhere with --quick."""
    data: Path | None = None
    """Folder with MNIST's four IDX files, raw or gzipped. Default: $DIGITS_DATA, else a download."""


@dataclass(frozen=True)
class Effort:
    """How often everything is measured, in total or per figure."""

    rounds: int
    epochs: int  # in each process that trains; the first one only warms up
    neighbour_rounds: int
    seeds: int
    starts: int
    memories: int


FULL = Effort(rounds=7, epochs=4, neighbour_rounds=5, seeds=10, starts=10, memories=3)
QUICK = Effort(rounds=2, epochs=2, neighbour_rounds=1, seeds=3, starts=3, memories=1)


def main() -> int:
    """Measure all figures, print and write them; return 1 if a bar is not kept, else 0."""
    arguments = tyro.cli(Arguments, prog="python benchmarks/speed.py")
    about = circumstances(["python", "benchmarks/speed.py", *sys.argv[1:]])
    effort = QUICK if arguments.quick else FULL
    print(describe(about))
    if not find_spec("torchvision"):
        print(f"NOTE: {TORCHVISION}\nUntil then the bars that name the tutorial are not kept.\n")
    sections: dict[str, list[Figure]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        try:
            unpack(find_mnist(arguments.data), root / "MNIST" / "raw")
        except DigitsError as error:
            sys.exit(f"speed.py: {error}")
        for title, measure in SECTIONS.items():
            sections[title] = measure(root, effort)
            print(table(title, sections[title]), flush=True)
    target = arguments.json or (None if arguments.quick else RESULTS)
    if target:
        save(target, about, sections)
        print(f"written to {target}")
    return exit_code(sections)


# ------------------------------------------------------------------------------------------- what is measured


def epoch(root: Path, effort: Effort) -> list[Figure]:
    """Return the seconds of an epoch on one thread: ours, the floors' and the peers'."""
    steps = -(-IMAGES // 64)
    contestants = {
        "mm": products("mm", TrainOptions(), steps),
        "fastest": products("fastest", TrainOptions(), steps),
        "ours": ours(root, epochs=effort.epochs),
        "resident": peer("resident", root, effort.epochs),
        "tutorial": peer("tutorial", root, min(effort.epochs, 2)),
    }
    rounds = alternate(contestants, effort.rounds)
    mm, fastest, own, resident, tutorial = (seconds(rounds[name]) for name in contestants)
    wall = seconds(rounds["ours"], "wall")
    return [
        Figure("floor", "matrix products alone, torch.mm", "s", mm),
        Figure("floor", "matrix products alone, fastest kernels", "s", fastest),
        Figure("ours", "digits.train, its stated seconds", "s", own),
        Figure("ours", "the same by the wall clock", "s", wall),
        Figure("peer", "plain loop over resident tensors", "s", resident),
        Figure("peer", "tutorial: torchvision and DataLoader", "s", tutorial),
        Figure("ratio", "tutorial : ours", "×", ratios(tutorial, own), at_least(6.5), at_least(9)),
        Figure("ratio", "plain loop : ours", "×", ratios(resident, own)),
        Figure("ratio", "ours : matrix products, torch.mm", "×", ratios(own, mm), aim=at_most(1.5)),
        Figure("ratio", "ours : matrix products, fastest kernels", "×", ratios(own, fastest)),
        Figure("ratio", "wall clock : stated seconds", "×", ratios(wall, own), at_most(1.05)),
    ]


def beside_a_neighbour(root: Path, effort: Effort) -> list[Figure]:
    """Return the seconds of an epoch with one and two threads, on an idle machine and beside a busy process.

    The tutorial uses as many threads as PyTorch chooses.
    """
    contestants = {
        f"--threads {n}": dataclasses.replace(ours(root, threads=n, epochs=effort.epochs), threads=None)
        for n in (1, 2)  # as users have it: by the option, with no variable of OpenMP's set
    }
    contestants["tutorial"] = peer("tutorial", root, 1, threads=None)
    default = f"--threads {DEFAULT_THREADS}"
    quiet_rounds, busy_rounds = [], []
    for _ in range(effort.neighbour_rounds):
        quiet_rounds.append(alternate(contestants, 1))
        with neighbour():
            busy_rounds.append(alternate(contestants, 1))
    quiet = {name: seconds([run for r in quiet_rounds for run in r[name]]) for name in contestants}
    busy = {name: seconds([run for r in busy_rounds for run in r[name]]) for name in contestants}
    by_default = ratios(busy["tutorial"], busy[default])
    slow_down = {name: ratios(busy[name], quiet[name]) for name in contestants}
    return [
        *(_beside("quiet", name, values) for name, values in quiet.items()),
        *(_beside("busy", name, values) for name, values in busy.items()),
        Figure("ratio", "busy: tutorial : ours, by default", "×", by_default, at_least(10)),
        Figure("ratio", f"busy : quiet, {default} (default)", "×", slow_down[default], at_most(2)),
        *(Figure("ratio", f"busy : quiet, {n}", "×", v) for n, v in slow_down.items() if n != default),
    ]


def _beside(how: str, name: str, values: tuple[float, ...]) -> Figure:
    if name == "tutorial":
        return Figure("peer", f"{how}: tutorial, torch's own threads", "s", values)
    return Figure("ours", f"{how}: digits train {name}", "s", values)


def fast(root: Path, effort: Effort) -> list[Figure]:
    """Return the seconds and the accuracy of the fast recipe, one value for each seed."""
    options = RECIPES["fast"]
    steps = options.epochs * -(-IMAGES // options.batch_size)
    floors = alternate({n: products(n, options, steps) for n in ("mm", "fastest")}, effort.rounds)
    runs = [run(ours(root, recipe="fast", seed=seed, few=0)) for seed in range(effort.seeds)]
    spent = tuple(sum(epoch["seconds"] for epoch in epochs) for epochs in runs)
    accuracy = tuple(100 * epochs[-1]["val_accuracy"] for epochs in runs)
    classic = seconds_until(GOAL, run(ours(root, epochs=30, few=0)))
    return [
        Figure("floor", "its matrix products, torch.mm", "s", seconds(floors["mm"])),
        Figure("floor", "its matrix products, fastest kernels", "s", seconds(floors["fastest"])),
        Figure("ours", "training, the slowest seed", "s", spent, at_most(1.0), at_most(0.6), "highest"),
        Figure("ours", "validation at the end, the worst seed", "%", accuracy, at_least(97), None, "lowest"),
        Figure("peer", "classic recipe until 97 %", "s", classic),
    ]


def seconds_until(goal: float, epochs: "Epochs") -> tuple[float, ...]:
    """Return the seconds of training until an epoch reaches the accuracy `goal`; empty if none does."""
    for number, line in enumerate(epochs, start=1):
        if line["val_accuracy"] >= goal:
            return (sum(epoch["seconds"] for epoch in epochs[:number]),)
    return ()


def starting(root: Path, effort: Effort) -> list[Figure]:
    """Return the seconds from the start of a command to its help, and to the first epoch; data is on disk."""
    train = [sys.executable, "-c", UNTIL_FIRST_EPOCH, "--data", str(root), "--device", "cpu", "--out"]
    bare: list[float] = []
    help_: list[float] = []
    torch: list[float] = []
    own: list[float] = []
    for _ in range(effort.starts):
        bare.append(wall_seconds([sys.executable, "-c", "pass"]))
        help_.append(wall_seconds([sys.executable, "-m", "digits", "--help"]))
        torch.append(wall_seconds([sys.executable, "-c", "import torch"]))
        with tempfile.TemporaryDirectory() as folder:
            began = time.time()
            own.append(float(output([*train, folder]).split()[-1]) - began)
    return [
        Figure("floor", "python -c pass", "s", tuple(bare)),
        Figure("ours", "digits --help", "s", tuple(help_), at_most(0.3)),
        Figure("floor", "import torch", "s", tuple(torch)),
        Figure("ours", "digits train until the first epoch", "s", tuple(own), at_most(3.5)),
        Figure("peer", "tutorial until the first epoch", "s", tutorial_starts(root)),
    ]


def tutorial_starts(root: Path) -> tuple[float, ...]:
    """Return the seconds from the start of the tutorial to its first epoch; each run takes a whole epoch."""
    starts = []
    for _ in range(2):
        began = time.time()
        for epochs in alternate({"tutorial": peer("tutorial", root, 1)}, 1)["tutorial"]:
            starts.append(epochs[0]["began"] - began)
    return tuple(starts)


def memory(root: Path, effort: Effort) -> list[Figure]:
    """Return the peak memory of a process in MB; nothing on Windows, which counts it differently."""
    train = [sys.executable, "-m", "digits", "train", "--data", str(root), "--device", "cpu"]
    tutorial = peer("tutorial", root, 1)
    torch, own, other = [], [], []
    for _ in range(effort.memories if hasattr(os, "wait4") else 0):
        torch.append(peak_memory([sys.executable, "-c", "import torch"]))
        with tempfile.TemporaryDirectory() as folder:
            own.append(peak_memory([*train, "--epochs", "2", "--out", folder]))
        if available(tutorial):
            other.append(peak_memory(tutorial.command))
    return [
        Figure("floor", "import torch", "MB", tuple(torch)),
        Figure("ours", "digits train with its pictures", "MB", tuple(own), at_most(700), None, "highest"),
        Figure("peer", "tutorial", "MB", tuple(other)),
    ]


SECTIONS = {
    "An epoch of training: 50,000 images in batches of 64, 784-128-64-10, one thread each": epoch,
    "The same with one and two threads, on an idle machine and beside one busy process": beside_a_neighbour,
    "digits train --recipe fast, from random weights to the end, one thread": fast,
    "Starting, data at hand": starting,
    "Peak memory": memory,
}


# ------------------------------------------------------------------------------------------- the contestants

Epochs = list[dict[str, float]]  # what a contestant printed, an epoch a line
Rounds = dict[str, list[Epochs]]


@dataclass(frozen=True)
class Contestant:
    """A program that trains and prints one JSON line after each epoch."""

    command: tuple[str, ...]
    threads: int | None = 1  # for OpenMP; None lets the program choose


def ours(
    root: Path,
    *,
    recipe: str = "classic",
    seed: int = 0,
    epochs: int = 0,
    threads: int = DEFAULT_THREADS,
    few: int = FEW,
) -> Contestant:
    """Return the program that trains with digits. `epochs` 0: the recipe's; `few` 0: all images."""
    numbers = map(str, (seed, epochs, threads, few))
    return Contestant((sys.executable, str(HERE / "ours.py"), str(root), recipe, *numbers), threads)


def peer(name: str, root: Path, epochs: int, threads: int | None = 1) -> Contestant:
    """Return a program in benchmarks/peers that trains for `epochs`."""
    return Contestant((sys.executable, str(HERE / "peers" / f"{name}.py"), str(root), str(epochs)), threads)


def products(kernel: str, options: TrainOptions, steps: int) -> Contestant:
    """Return the program that does only the matrix products of `steps` training steps, three times."""
    numbers = map(str, (*options.hidden, options.batch_size, steps, 3))
    return Contestant((sys.executable, str(HERE / "peers" / "products.py"), kernel, *numbers))


def available(contestant: Contestant) -> bool:
    """Return True if what the program needs is installed."""
    return "tutorial.py" not in contestant.command[1] or find_spec("torchvision") is not None


def alternate(contestants: dict[str, Contestant], rounds: int) -> Rounds:
    """Run all programs in turn, `rounds` times, and return their runs; one that is not available has none."""
    results: Rounds = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            if available(contestant):
                results[name].append(run(contestant))
    return results


def run(contestant: Contestant) -> Epochs:
    """Run a program and return what it prints, one dictionary for each epoch."""
    return [json.loads(line) for line in output(contestant.command, contestant.threads).splitlines()]


def seconds(runs: list[Epochs], clock: str = "seconds") -> tuple[float, ...]:
    """Return the median seconds of an epoch for each run; the first one counts only if it is alone."""
    return tuple(statistics.median(epoch[clock] for epoch in epochs[1:] or epochs) for epochs in runs)


# ------------------------------------------------------------------------------------------------- processes


def environment(threads: int | None) -> dict[str, str]:
    """Return environment variables for a program: this checkout first on its path, `threads` for OpenMP."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    path = os.pathsep.join([str(HERE.parent / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    chosen = {} if threads is None else {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return {**inherited, **chosen, "PYTHONPATH": path}


def output(command: Sequence[str], threads: int | None = None) -> str:
    """Run a command and return its standard output. Raises CalledProcessError if it fails."""
    return subprocess.run(
        command, env=environment(threads), stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT
    ).stdout


def wall_seconds(command: Sequence[str]) -> float:
    """Run a command and return its seconds. Raises CalledProcessError if it fails."""
    start = time.perf_counter()
    output(command)
    return time.perf_counter() - start


def peak_memory(command: Sequence[str]) -> float:
    """Run a command and return its peak resident memory in MB of 10^6 bytes.

    A child's peak includes that of the process that started it, so this process does not import PyTorch.
    Raises CalledProcessError if the command fails.
    """
    with subprocess.Popen(command, env=environment(None), stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


@contextlib.contextmanager
def neighbour() -> Iterator[None]:
    """Keep one other process busy inside a `with` block."""
    command = [sys.executable, "-c", NEIGHBOUR]
    with subprocess.Popen(command, env=environment(1), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield
        finally:
            process.kill()


# ------------------------------------------------------------------------------------------------------ data


def find_mnist(folder: Path | None) -> list[Path]:
    """Return the paths of MNIST's four files in `folder`, $DIGITS_DATA or the cache; download them if needed.

    Raises DataError if they cannot be downloaded.
    """
    files = catalogue.DATASETS["mnist"].files
    chosen = folder or (Path(os.environ["DIGITS_DATA"]) if os.environ.get("DIGITS_DATA") else None)
    if chosen is None:
        return [download.fetch(file, cache.cache_folder() / "mnist") for file in files]
    candidates = [[chosen / file.name, chosen / f"{file.name}.gz"] for file in files]
    found = [path for pair in candidates for path in pair if path.is_file()]
    if len(found) < len(files):
        sys.exit(f"speed.py: {chosen} lacks some of MNIST's four files; expected all of them, raw or .gz")
    return found


def unpack(paths: Sequence[Path], folder: Path) -> None:
    """Write the files decompressed into `folder`, as torchvision expects them."""
    folder.mkdir(parents=True)
    for path in paths:
        opener: Any = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rb") as file:
            (folder / path.name.removesuffix(".gz")).write_bytes(file.read())


if __name__ == "__main__":
    sys.exit(main())
