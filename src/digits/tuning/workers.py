"""Start the worker processes of a search, and find out which workers have died.

A worker is a process that runs trials. Each worker holds a lock on a file. The operating system releases this
lock at once when the worker ends, even if it is killed. So a free lock file means that its worker has died.
Optuna alone would notice a dead worker only after minutes with a database, and never with a journal file.
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

PREFIX = ".worker-"  # start of a lock file's name
POLL = 0.2  # seconds between two checks whether the worker processes have ended


@contextlib.contextmanager
def worker_lock(folder: Path) -> Iterator[str]:
    """Hold a new lock file inside a `with` block, and yield the worker's name.

    Args:
        folder: folder of the search.
    Yields:
        The name "MACHINE:PATH", with the path of the lock file.
    """
    path = folder.resolve() / f"{PREFIX}{secrets.token_hex(4)}"
    try:
        with files.locked(path, str(path)):
            yield f"{socket.gethostname()}:{path}"
    finally:
        path.unlink(missing_ok=True)


def lock_file(worker: str) -> Path:
    """Return the path of the lock file of a worker with the name "MACHINE:PATH"."""
    return Path(worker.partition(":")[2])


def has_died(worker: str) -> bool:
    """Return True if a worker of this machine was killed.

    Args:
        worker: the worker's name, "MACHINE:PATH".
    Returns:
        False if the worker is alive, ended normally, or belongs to another machine.
    """
    path = lock_file(worker)
    return worker.startswith(f"{socket.gethostname()}:") and path.exists() and _is_free(path)


def sweep_locks(folder: Path) -> None:
    """Remove the lock files of killed workers from `folder`.

    No worker may start there during the call: its new lock file is free for a moment and would be removed.
    """
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
    """A number of processes that all call the same function.

    Args:
        target: the function. It is called as `target(*arguments, stop)` and must return soon after `stop()`
            returns True.
        arguments: its arguments; they must be picklable.
        count: number of processes.
    """

    def __init__(self, target: Callable[..., None], arguments: tuple[Any, ...], count: int) -> None:
        spawn = multiprocessing.get_context("spawn")  # with "fork", PyTorch's threads would be missing
        # When this process closes its end of the pipe, or dies, the workers notice it and stop.
        self._end, other_end = spawn.Pipe()
        self._processes = [
            spawn.Process(target=_start, args=(target, arguments, other_end), daemon=True)
            for _ in range(count)
        ]

    def run(self, stop: Callable[[], bool]) -> Iterator[None]:
        """Start the processes, and yield every POLL seconds while one of them is running.

        When `stop` returns True, or the caller closes the iterator, the processes are told to end. The
        iterator itself ends after all processes have ended.

        Args:
            stop: returns True if the user wants to stop.
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
        """Return one text per failed process: the signal that killed it, or its exit code."""
        codes = [process.exitcode for process in self._processes if process.exitcode]
        return [signal.Signals(-code).name if code < 0 else f"exit code {code}" for code in codes]


def _start(target: Callable[..., None], arguments: tuple[Any, ...], end: Connection) -> None:
    """Call the target in a worker process.

    Ctrl-C and SIGTERM are ignored, because the parent process reacts to them and then stops the workers.

    Args:
        target: the function to call.
        arguments: its arguments.
        end: the worker's end of the pipe; when the other end is closed, the target is told to stop.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    target(*arguments, lambda: _is_closed(end))


def _is_closed(end: Connection) -> bool:
    """Return True if the other end of the pipe was closed.

    Nothing is ever sent through this pipe, so `poll` returns True only for this reason.
    """
    try:
        return end.poll()
    except OSError:  # Windows raises this error when the pipe is closed
        return True
