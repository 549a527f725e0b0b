"""How fast: every speed this project claims, beside its floor, its peers and the bar it is held to.

    python benchmarks/speed.py [--quick] [--json FILE]

Contestants run alternately, each in a process of its own, on the same files. Prints tables, writes
benchmarks/results/speed.json and exits with 1 if a bar is not kept. Needs torchvision for the peer most
tutorials use: pip install --no-deps torchvision==0.28.0 (for torch 2.13.0).

Wants a quiet machine: see the load average that it prints first. Takes about ten minutes, with --quick
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
from digits.options import (
    TrainOptions,
)
from digits.recipes import RECIPES

RESULTS = HERE / "results" / "speed.json"
IMAGES = 50_000  # of training: MNIST's 60,000 without a sixth for validation
DEFAULT_THREADS = TrainOptions().threads
TIMEOUT = 900.0  # s; two threads beside a busy process have been seen to take 51 s an epoch
FEW = 100  # validation images where the accuracy is not asked for
GOAL = 0.97  # validation accuracy that the fast recipe is for
TORCHVISION = "torchvision is not installed: pip install --no-deps torchvision==0.28.0"

# A neighbour that computes what its user wants computed, on one core, and says when it has begun.
NEIGHBOUR = "import numpy as np; a = np.ones((512, 512)); print(flush=True)\nwhile True: a @ a"
# `digits train` up to the moment at which the first epoch's clock starts.
UNTIL_FIRST_EPOCH = """
import os, sys, time
from digits import cli, training

def leave(state):
    print(time.time(), flush=True)
    os._exit(0)

training.State.start_clock = leave
cli.main(["train", *sys.argv[1:]])
"""


@dataclass(frozen=True)
class Arguments:
    """Measure every speed figure; exit with 1 if a bar is not kept."""

    quick: bool = False
    """Few rounds and seeds: to see that it runs."""
    json: Path | None = None
    """Where to write the figures. Default: benchmarks/results/speed.json, or nowhere with --quick."""
    data: Path | None = None
    """Folder with MNIST's four IDX files, raw or gzipped. Default: $DIGITS_DATA, else a download."""


@dataclass(frozen=True)
class Effort:
    """How often everything is measured."""

    rounds: int
    epochs: int  # in each process that trains; the first one only warms up
    neighbour_rounds: int
    seeds: int
    starts: int
    memories: int


FULL = Effort(rounds=7, epochs=4, neighbour_rounds=5, seeds=10, starts=10, memories=3)
QUICK = Effort(rounds=2, epochs=2, neighbour_rounds=1, seeds=3, starts=3, memories=1)


def main() -> int:
    """Measure, print and write; the exit code says whether every bar is kept."""
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
    """An epoch's seconds on one thread, ours and everybody else's, alternating."""
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
    """One and two threads of ours and the tutorial's own choice, quiet and beside one busy process."""
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
    """The fast recipe from random weights to the end, seed by seed, each in a fresh process."""
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
    """Seconds of training up to the first epoch that reaches the goal; none if none does."""
    for number, line in enumerate(epochs, start=1):
        if line["val_accuracy"] >= goal:
            return (sum(epoch["seconds"] for epoch in epochs[:number]),)
    return ()


def starting(root: Path, effort: Effort) -> list[Figure]:
    """From the shell to help, and from the shell to the first epoch, with the data at hand."""
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
    """Seconds from the shell to the tutorial's first epoch; each has to be waited for through its epoch."""
    starts = []
    for _ in range(2):
        began = time.time()
        for epochs in alternate({"tutorial": peer("tutorial", root, 1)}, 1)["tutorial"]:
            starts.append(epochs[0]["began"] - began)
    return tuple(starts)


def memory(root: Path, effort: Effort) -> list[Figure]:
    """The most memory that a process holds at once; not measured on Windows, which counts it otherwise."""
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
    """A program that trains and prints a JSON line after each epoch."""

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
    """This package; `epochs` 0 takes the recipe's, `few` 0 validates on all images."""
    numbers = map(str, (seed, epochs, threads, few))
    return Contestant((sys.executable, str(HERE / "ours.py"), str(root), recipe, *numbers), threads)


def peer(name: str, root: Path, epochs: int, threads: int | None = 1) -> Contestant:
    """A program of benchmarks/peers."""
    return Contestant((sys.executable, str(HERE / "peers" / f"{name}.py"), str(root), str(epochs)), threads)


def products(kernel: str, options: TrainOptions, steps: int) -> Contestant:
    """The bare matrix products of `steps` steps with these options, three times over."""
    numbers = map(str, (*options.hidden, options.batch_size, steps, 3))
    return Contestant((sys.executable, str(HERE / "peers" / "products.py"), kernel, *numbers))


def available(contestant: Contestant) -> bool:
    """Whether what the contestant needs is installed."""
    return "tutorial.py" not in contestant.command[1] or find_spec("torchvision") is not None


def alternate(contestants: dict[str, Contestant], rounds: int) -> Rounds:
    """All contestants in turn, `rounds` times over; a contestant that is not available has no runs."""
    results: Rounds = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            if available(contestant):
                results[name].append(run(contestant))
    return results


def run(contestant: Contestant) -> Epochs:
    """What the contestant prints."""
    return [json.loads(line) for line in output(contestant.command, contestant.threads).splitlines()]


def seconds(runs: list[Epochs], clock: str = "seconds") -> tuple[float, ...]:
    """Each run's median over its epochs, without the first one, which warms up, where there are others."""
    return tuple(statistics.median(epoch[clock] for epoch in epochs[1:] or epochs) for epochs in runs)


# ------------------------------------------------------------------------------------------------- processes


def environment(threads: int | None) -> dict[str, str]:
    """The children's environment: our own package first, and so many OpenMP threads."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    path = os.pathsep.join([str(HERE.parent / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    chosen = {} if threads is None else {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return {**inherited, **chosen, "PYTHONPATH": path}


def output(command: Sequence[str], threads: int | None = None) -> str:
    """Standard output of a command that has to succeed."""
    return subprocess.run(
        command, env=environment(threads), stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT
    ).stdout


def wall_seconds(command: Sequence[str]) -> float:
    """How long a command takes that has to succeed."""
    start = time.perf_counter()
    output(command)
    return time.perf_counter() - start


def peak_memory(command: Sequence[str]) -> float:
    """Peak resident memory of a command that has to succeed, in MB of 10^6 bytes.

    A child starts with the peak of the process that forked it: one more reason why this one imports no torch.
    """
    with subprocess.Popen(command, env=environment(None), stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


@contextlib.contextmanager
def neighbour() -> Iterator[None]:
    """One busy process, as long as this lasts."""
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
    """MNIST's four files: in `folder`, in $DIGITS_DATA, in the cache or from a mirror. Raises DataError."""
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
    """Write the files raw into `folder`, which is how torchvision wants them."""
    folder.mkdir(parents=True)
    for path in paths:
        opener: Any = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rb") as file:
            (folder / path.name.removesuffix(".gz")).write_bytes(file.read())


if __name__ == "__main__":
    sys.exit(main())
