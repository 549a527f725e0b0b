"""K1: make system calls fail, or kill the process in them, anywhere in the save path.

`strace` counts the calls of an undisturbed training that touch the run's files, then has one of them fail in
each of many trainings.
"""

import errno
import itertools
import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from digits.files import TEMPORARY

from . import trainer
from .trainer import Ended, Trainer, command

CALLS = {  # by what they do: names differ between processors
    "open": ("open", "openat"),
    "write": ("write", "pwrite64"),
    "fsync": ("fsync", "fdatasync"),
    "link": ("link", "linkat"),
    "rename": ("rename", "renameat", "renameat2"),
    "unlink": ("unlink", "unlinkat"),
}
FAULTS = ("KILL", "EIO", "ENOSPC", "EINTR")
FILES = ("options.json", "checkpoint.npz", "checkpoint.prev.npz", "metrics.csv", "model.npz", "summary.json")
EVERY = ("--checkpoint-every", "4")  # steps: saves in mid-epoch and at the end of each


@dataclass(frozen=True)
class Fault:
    """Call number `when`, from 1, of kind `call` fails with an error, or the process is killed in it."""

    call: str
    kind: str
    when: int

    @property
    def injection(self) -> str:
        """Return the fault as strace's -e expression."""
        how = "signal=KILL" if self.kind == "KILL" else f"error={self.kind}"
        return f"inject={_names(self.call)}:{how}:when={self.when}"


@dataclass(frozen=True)
class Trial:
    """A training with a fault in it, and what was wrong before or after it was resumed."""

    fault: Fault
    code: int
    failures: tuple[str, ...]


def available() -> bool:
    """Return True if strace is installed and allowed to trace."""
    return bool(shutil.which("strace")) and (
        subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True).returncode == 0
    )


def faults(place: Path, count: int) -> Iterator[Trial]:
    """Yield at least `count` trainings with a fault each, spread evenly over calls, kinds and the run.

    If a run makes few calls of a kind there are fewer: each of the calls then fails once in every way.
    """
    data, log = _undisturbed(place)
    reference = trainer.outcome(place / "whole")
    for number, fault in enumerate(_choose(_count(log), count)):
        yield _try(place / f"fault-{number}", data, fault, reference)


def unsynced(place: Path) -> list[str]:
    """Return what a power cut could undo: files renamed before fsync, folders without fsync after it."""
    found, unwritten, renamed = [], set(), ""
    for line in _undisturbed(place)[1].splitlines():
        call = line.split(maxsplit=1)[1]
        path = (re.findall(r'[<"](/[^>"]*)[>"]', call) or [""])[-1]
        if call.startswith("open") and "O_CREAT" in call:
            found += [f"{renamed} is not in its folder for certain when {path} is begun"] if renamed else []
            unwritten.add(path)
        elif call.startswith("fsync"):
            unwritten.discard(path)
            renamed = "" if path == str(place / "whole") else renamed
        elif call.startswith("rename"):
            source = re.findall(r'"(/[^"]*)"', call)[0]
            found += [f"{source} gets its name before it is on the disk"] if source in unwritten else []
            renamed = path
    return found + ([f"{renamed} is not in its folder for certain at the end"] if renamed else [])


def _undisturbed(place: Path) -> tuple[Path, str]:
    """Train without a fault; return the data file, and the log of the calls that touched the run's files."""
    data, whole = trainer.write_data(place / "data.npz"), place / "whole"
    ended, log = _traced(command(data, whole, *EVERY), whole, f"trace={_names(*CALLS)}")
    assert ended.code == 0, ended.output
    return data, log


def _choose(made: Counter[str], count: int) -> Iterator[Fault]:
    """Yield faults of every kind in every call, at moments spread from the first to the last call."""
    each = -(-count // (len(CALLS) * len(FAULTS)))
    for (turn, call), kind in itertools.product(enumerate(CALLS), FAULTS):
        last = made[call]
        offset = (turn + FAULTS.index(kind)) / len(FAULTS) % 1  # other moments for other faults
        yield from (
            Fault(call, kind, 1 + int((n + offset) * last / each) % last) for n in range(min(each, last))
        )


def _try(folder: Path, data: Path, fault: Fault, reference: dict[str, object]) -> Trial:
    start = command(data, folder, *EVERY)
    ended, log = _traced(start, folder, fault.injection)
    failures = [*_misbehaved(fault, ended, folder, log), *trainer.unsound(folder)]
    if ended.code:
        again = trainer.resume_or_start(folder, start)
        failures += [] if again.code == 0 else [f"resume ended with {again.code}: {again.output}"]
    if not failures:
        failures += [f"{name} differs" for name in trainer.differences(folder, reference)]
    return Trial(fault, ended.code, tuple(failures))


def _misbehaved(fault: Fault, ended: Ended, folder: Path, log: str) -> list[str]:
    """Return what is wrong: the process may succeed all the same, or name path and reason in a line."""
    if "INJECTED" not in log and "SIGKILL" not in log:
        return [f"the fault never came: {log[-500:]}"]
    if fault.kind == "KILL":
        return [] if ended.code == -signal.SIGKILL else [f"survived SIGKILL with {ended.code}"]
    wrong = [f"exit code {ended.code}: {ended.output}"] if ended.code not in (0, 1) else []
    if "Traceback" in ended.output:
        wrong.append(ended.output)
    if ended.code == 1:
        reason = os.strerror(getattr(errno, fault.kind))
        if str(folder) not in ended.output.splitlines()[-1] or reason not in ended.output:
            wrong.append(f"did not name the path and the reason: {ended.output}")
    return wrong


def _traced(arguments: list[str], folder: Path, expression: str) -> tuple[Ended, str]:
    """Run `digits ARGUMENTS` under strace, limited to the files of `folder`; return the end and the log."""
    process = Trainer(arguments, held=True)
    process.await_stop()
    hidden = [f".{name}.{process.pid}{TEMPORARY}" for name in FILES]
    paths = [folder, *(folder / name for name in (*FILES, *hidden, ".lock"))]
    log = folder.with_suffix(".strace")
    selected = [word for path in paths for word in ("-P", str(path))]
    tracer = subprocess.Popen(
        ["strace", "-f", "-y", "-o", str(log), "-e", expression, *selected, "-p", str(process.pid)],
        stderr=subprocess.PIPE,
        text=True,
    )
    with tracer:
        assert tracer.stderr
        attached = next((line for line in tracer.stderr if "attached" in line), None)
        process.send(signal.SIGCONT)
        ended = process.wait()
        tracer.stderr.read()
    assert attached, "strace could not attach"
    return ended, log.read_text()


def _names(*calls: str) -> str:
    """Return the names of the system calls of these kinds, for strace."""
    return ",".join(f"?{name}" for call in calls for name in CALLS[call])


def _count(log: str) -> Counter[str]:
    """Count the calls of each kind in a log."""
    kinds = {name: call for call, names in CALLS.items() for name in names}
    return Counter(kinds[name] for name in re.findall(r"^\d+ +(\w+)\(", log, re.MULTILINE))
