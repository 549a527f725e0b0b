"""Worker processes of a search, and lock files that show which workers are alive.

Optuna notices a dead worker only by a missing heartbeat in a database, after minutes; a journal file has no
heartbeat. The operating system releases a lock file at once when its process ends, however it ends.
"""

import contextlib
import multiprocessing
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import filelock

from digits import files

PREFIX = ".worker-"  # of lock files
POLL = 0.2  # seconds between two looks at the worker processes


@contextlib.contextmanager
def worker_lock(folder: Path) -> Iterator[str]:
    """Hold a new lock file in `folder`; yield the worker's name, made of its machine and the file's path."""
    path = folder.resolve() / f"{PREFIX}{secrets.token_hex(4)}"
    try:
        with files.locked(path, str(path)):
            yield f"{socket.gethostname()}:{path}"
    finally:
        path.unlink(missing_ok=True)


def lock_file(worker: str) -> Path:
    """Return the path of a worker's lock file on its machine."""
    return Path(worker.partition(":")[2])


def has_died(worker: str) -> bool:
    """Return True if the worker ran on this machine and was killed, False if alive or not known here."""
    path = lock_file(worker)
    return worker.startswith(f"{socket.gethostname()}:") and path.exists() and _is_free(path)


def sweep_locks(folder: Path) -> None:
    """Remove the lock files of killed workers. No worker may start in `folder` at the same time."""
    for path in folder.glob(f"{PREFIX}*"):
        if _is_free(path):
            path.unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    """Return True if no process holds the lock file `path`."""
    try:
        with filelock.FileLock(path, timeout=0):
            return True
    except filelock.Timeout:
        return False


class WorkerProcesses:
    """`count` processes that each call `target(*arguments, stop)`, where stop() tells them to end."""

    def __init__(self, target: Callable[..., None], arguments: tuple[Any, ...], count: int) -> None:
        spawn = multiprocessing.get_context("spawn")  # PyTorch's threads do not survive a fork
        self._end, other_end = spawn.Pipe()  # closed by this process, or at its death, it stops the workers
        self._processes = [
            spawn.Process(target=_start, args=(target, arguments, other_end), daemon=True)
            for _ in range(count)
        ]

    def run(self, stop: Callable[[], bool]) -> Iterator[None]:
        """Start the processes, and yield every POLL seconds until all have ended or `stop` returns True.

        In either case, and if the caller ends early, it returns after all processes have ended.
        """
        for process in self._processes:
            process.start()
        try:
            while any(process.is_alive() for process in self._processes) and not stop():
                time.sleep(POLL)
                yield
        finally:
            self._end.close()
            for process in self._processes:
                process.join()

    def failures(self) -> list[str]:
        """Return the signal that killed a process, or its exit code, for each one that failed."""
        codes = [process.exitcode for process in self._processes if process.exitcode]
        return [signal.Signals(-code).name if code < 0 else f"exit code {code}" for code in codes]


def _start(target: Callable[..., None], arguments: tuple[Any, ...], end: Connection) -> None:
    """Call the target in a worker process, ignoring signals: the parent reacts to them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    target(*arguments, lambda: _is_closed(end))


def _is_closed(end: Connection) -> bool:
    """Return True if the other end of a pipe, to which nothing is ever sent, was closed."""
    try:
        return end.poll()
    except OSError:  # Windows raises where other systems return True
        return True
