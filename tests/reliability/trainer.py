"""Run real trainings in separate processes, to kill, stop or starve them at a chosen moment.

A process is forked from a server that has imported everything, so that a whole training takes a fraction of
a second instead of the seconds that importing PyTorch takes. It runs the command line, nothing else.
"""

import contextlib
import csv
import dataclasses
import functools
import importlib
import io
import itertools
import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np

from digits.errors import CheckpointError
from digits.files import TEMPORARY
from digits.networks import tensor_file
from digits.options import TrainOptions

TRAIN_IMAGES, TEST_IMAGES = 320, 60  # 267 to learn from: 9 steps of 32 an epoch, the last one not full
STEPS = 9
EPOCHS = 3
TIMEOUT = 120.0  # seconds until a training counts as hung; a generous limit


Reference = Callable[..., dict[str, object]]  # options of a run -> its outcome
STEP = "digits.training.state:State.count"  # called once a step
PREDICT = "digits.training.loop:validate"  # called for each validation
TEST = "digits.evaluation.metrics:evaluate_logits"  # called for the test
SAVE = "digits.networks.tensor_file:save_tensors"  # called for each checkpoint and, after it, for each model


def write_data(path: Path, seed: int = 0, images: int = TRAIN_IMAGES) -> Path:
    """Write an .npz of images that a network can learn, ten random patterns with noise; return its path."""
    draws = np.random.default_rng(seed)
    patterns = draws.integers(0, 120, (10, 28, 28))
    parts: dict[str, Any] = {}
    for part, size in (("train", images), ("test", TEST_IMAGES)):
        labels = np.arange(size, dtype=np.uint8) % 10
        noise = draws.integers(0, 136, (size, 28, 28))
        parts[f"x_{part}"], parts[f"y_{part}"] = (patterns[labels] + noise).astype(np.uint8), labels
    np.savez(path, **parts)
    return path


def command(data: Path, folder: Path, *more: str) -> list[str]:
    """Return the arguments of a small `digits train` in `folder`, with an optimiser that has a memory."""
    layers = () if "--channels" in more else ("--hidden", "16", "8")
    return [
        *("train", "--data", str(data), "--out", str(folder.parent), "--name", folder.name),
        *("--epochs", str(EPOCHS), "--batch-size", "32", *layers, "--no-plots"),
        *("--lr", "0.02", "--momentum", "0.9", *more),
    ]


def resumption(folder: Path, *more: str) -> list[str]:
    """Return the arguments that resume the run in `folder`."""
    return ["train", "--resume", "--out", str(folder.parent), "--name", folder.name, *more]


def small_options(place: Path, folder: Path, **changes: Any) -> TrainOptions:
    """What `command` asks for, as options."""
    base = TrainOptions(data=place / "data.npz", out=folder.parent, name=folder.name, epochs=EPOCHS)
    base = dataclasses.replace(base, batch_size=32, hidden=(16, 8), plots=False, lr=0.02, momentum=0.9)
    return dataclasses.replace(base, **changes)


# --------------------------------------------------------------------------------------------- processes


@dataclass(frozen=True)
class Moment:
    """Call `deed` just before call number `call`, from 1, of `function`, such as "module:Class.name"."""

    function: str
    call: int
    deed: Callable[[], object]


def signalled(number: int) -> Callable[[], object]:
    """Return a deed for a Moment: the process sends itself this signal."""
    return functools.partial(signal.raise_signal, number)


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, -n if signal n killed it, and all that it printed."""

    code: int
    output: str


class Trainer:
    """A process that runs `digits ARGUMENTS`."""

    def __init__(
        self,
        arguments: list[str],
        *moments: Moment,
        environment: Mapping[str, str] | None = None,
        held: bool = False,
    ) -> None:
        """Start the process; with `held` it stops itself before it begins, until SIGCONT."""
        self._pipe, output = multiprocessing.Pipe(duplex=False)
        self._process = _server().Process(
            target=_run, args=(arguments, moments, dict(environment or {}), held, output)
        )
        self._process.start()
        output.close()
        assert self._process.pid
        self.pid = self._process.pid

    def send(self, number: int) -> None:
        """Send a signal to the process, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def await_stop(self) -> None:
        """Return once the process has stopped itself."""
        deadline = time.monotonic() + TIMEOUT
        while _state(self.pid) != "T":
            assert time.monotonic() < deadline, f"process {self.pid} never stopped"
            time.sleep(0.002)

    def wait(self, seconds: float = TIMEOUT) -> Ended:
        """Wait for the end of the process; after `seconds` kill it and raise TimeoutError."""
        deadline, printed = time.monotonic() + seconds, io.BytesIO()
        while wait([self._pipe], timeout=max(deadline - time.monotonic(), 0)):
            part = os.read(self._pipe.fileno(), 2**16)
            if not part:
                break
            printed.write(part)
        else:
            self.send(signal.SIGKILL)
            raise TimeoutError(f"still at work after {seconds} s; it said: {printed.getvalue().decode()}")
        self._process.join()
        self._pipe.close()
        assert self._process.exitcode is not None
        ended = Ended(self._process.exitcode, printed.getvalue().decode())
        self._process.close()
        return ended


def run(arguments: list[str], *moments: Moment) -> Ended:
    """Run `digits ARGUMENTS` in a process, wait for its end and return it."""
    return Trainer(arguments, *moments).wait()


def together(arguments: list[list[str]], moments: Mapping[int, Moment] | None = None) -> list[Trainer]:
    """Start processes that train together, as torchrun does; `moments` maps a rank to its Moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world = {"WORLD_SIZE": str(len(arguments)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    armed = {rank: (moment,) for rank, moment in (moments or {}).items()}
    return [
        Trainer(words, *armed.get(rank, ()), environment={**world, "RANK": str(rank), "LOCAL_RANK": "0"})
        for rank, words in enumerate(arguments)
    ]


@functools.cache
def _server() -> ForkServerContext:
    server = multiprocessing.get_context("forkserver")
    # The first optimiser that PyTorch makes imports _dynamo, for more than a second.
    server.set_forkserver_preload(
        [
            "torch._dynamo",
            "digits.cli.main",
            "digits.training.run",
            "digits.cli.train_output",
            "digits.tuning.study",
        ]
    )
    return server


def _run(
    arguments: list[str],
    moments: tuple[Moment, ...],
    environment: dict[str, str],
    held: bool,
    output: Connection,
) -> None:
    """Run the command line in the new process, with its moments armed, printing into `output`."""
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    sys.stdout = sys.stderr = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115  # till the end
    os.environ.update(environment)
    for moment in moments:
        _arm(moment)
    if held:
        signal.raise_signal(signal.SIGSTOP)

    from digits.cli.main import main
    from digits.training import threads

    threads.step_seconds = lambda *_: 1.0  # Two runs to compare use the same number of threads.
    sys.exit(main(arguments))


def _arm(moment: Moment) -> None:
    module, _, path = moment.function.partition(":")
    *classes, name = path.split(".")
    owner = functools.reduce(getattr, classes, importlib.import_module(module))
    original, calls = getattr(owner, name), itertools.count(1)

    def counted(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == moment.call:
            moment.deed()
        return original(*args, **kwargs)

    setattr(owner, name, counted)
    for user in [m for n, m in sys.modules.items() if n.startswith("digits.")]:
        if not classes and getattr(user, name, None) is original:  # imported by name
            setattr(user, name, counted)


def _state(pid: int) -> str:
    """Return the state of the process as one letter, T for stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


# --------------------------------------------------------------------------------------------- comparing


def outcome(folder: Path) -> dict[str, object]:
    """Return all content of a run's folder except times, for comparing two runs to the last bit."""
    found: dict[str, object] = {
        "files": {path.name for path in folder.iterdir()} - {"checkpoint.prev.npz"},
        "metrics.csv": metrics(folder),
    }
    for kind in ("checkpoint", "model"):
        if not (folder / f"{kind}.npz").exists():  # an ensemble has a model only
            continue
        with np.load(folder / f"{kind}.npz") as arrays:
            for name in set(arrays) - {"meta"}:
                found[f"{kind} {name}"] = (arrays[name].dtype.str, arrays[name].shape, arrays[name].tobytes())
            meta = json.loads(arrays["meta"].tobytes())
        found |= {f"{kind} {name}": value for name, value in meta.items() if name != "options"}
    if (folder / "summary.json").exists():
        summary = json.loads((folder / "summary.json").read_text())
        found |= {
            f"summary {name}": summary[name] for name in ("test", "validation", "best", "epochs", "data")
        }
    return {name: _timeless(value) for name, value in found.items() if not name.endswith("seconds")}


def _timeless(value: object) -> object:
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    if isinstance(value, dict):
        return {name: _timeless(item) for name, item in value.items() if name != "seconds"}
    return value


def metrics(folder: Path) -> list[dict[str, str]]:
    """Return the rows of metrics.csv without the column of seconds."""
    with open(folder / "metrics.csv", newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def differences(folder: Path, reference: dict[str, object]) -> list[str]:
    """Return the names of what differs from the uninterrupted run; --resume promises an empty list."""
    found = outcome(folder)
    return sorted(name for name in found.keys() | reference.keys() if found.get(name) != reference.get(name))


def unsound(folder: Path) -> list[str]:
    """Return a sentence for each damaged file in `folder`; there must never be one."""
    broken = []
    for name in ("checkpoint.npz", "checkpoint.prev.npz", "model.npz"):
        if (folder / name).exists():
            try:
                tensor_file.load_tensors(folder / name, "model" if name == "model.npz" else "checkpoint")
            except CheckpointError as error:
                broken.append(str(error))
    for path in folder.glob("*.json"):
        try:
            json.loads(path.read_text())
        except ValueError as error:
            broken.append(f"{path}: {error}")
    if (folder / "metrics.csv").exists():
        rows = metrics(folder)
        text = (folder / "metrics.csv").read_text()
        if not text.endswith("\n") or [row["epoch"] for row in rows] != [
            str(n + 1) for n in range(len(rows))
        ]:
            broken.append(f"{folder / 'metrics.csv'}: {text[-200:]!r}")
    return broken


def resume(folder: Path, *more: str) -> Ended:
    """Resume the run in `folder`, to its end."""
    ended = run(resumption(folder, *more))
    assert ended.code == 0, ended.output
    return ended


def resume_or_start(folder: Path, start: list[str], *more: str) -> Ended:
    """Resume the run, or start it if there is nothing to resume yet, and return how it ended."""
    return run(resumption(folder, *more) if (folder / "options.json").exists() else start)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in `folder` by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def leftovers(folder: Path) -> list[str]:
    """Return the names of half-written files in `folder`."""
    return sorted(path.name for path in folder.glob(f"*{TEMPORARY}"))
