"""Start the worker processes of a search, and find out which workers have died.

A worker is a process that runs trials. Each worker holds a lock on its own file. It deletes this file at its
normal end. The operating system releases the lock of a killed worker at once, but the file remains. So a file
with a free lock means that its worker was killed.
"""

import contextlib
import importlib
import multiprocessing
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import filelock

from digits import files

PREFIX = ".worker-"  # start of a lock file's name
NAME_LENGTH = 8  # hexadecimal digits after it
GRACE_SECONDS = 3.0  # time for a worker to stop by itself after the search's process was killed
POLL = 0.2  # seconds between two checks whether the worker processes have ended


@contextlib.contextmanager
def worker_lock(folder: Path) -> Iterator[str]:
    """Hold a new lock file during a `with` block.

    Args:
        folder: folder of the search.
    Yields:
        The worker's name "MACHINE:PATH"; PATH is the lock file.
    """
    path = folder.resolve() / f"{PREFIX}{secrets.token_hex(NAME_LENGTH // 2)}"
    try:
        with files.locked(path, str(path)):
            yield f"{socket.gethostname()}:{path}"
    finally:
        path.unlink(missing_ok=True)


def lock_file(worker: str) -> Path:
    """Return the lock file of the worker "MACHINE:PATH"."""
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
    """Delete the lock files of killed workers.

    No worker may start during the call.

    Args:
        folder: folder of the search.
    """
    # The lock file of a starting worker is free for a moment, so it would be deleted too.
    for path in folder.glob(PREFIX + "[0-9a-f]" * NAME_LENGTH):
        if _is_free(path):
            path.unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    """Return True if no process holds the lock file `path`."""
    try:
        with files.FileLock(path):
            return True
    except filelock.Timeout:
        return False


class WorkerProcesses:
    """A group of processes with the same task.

    Args:
        target: the function that each process calls: `target(*arguments, stop)`.
            It must return soon after `stop()` returns True.
        arguments: arguments of the function; they must be picklable.
        count: number of processes. They end within GRACE_SECONDS if this process is killed.
    """

    def __init__(self, target: Callable[..., None], arguments: tuple[Any, ...], count: int) -> None:
        spawn = multiprocessing.get_context("spawn")  # with "fork", PyTorch's threads would be missing
        # When this process closes its end of the pipe, or dies, the workers notice it and stop.
        self._end, other_end = spawn.Pipe()
        names = target.__module__, target.__name__
        self._processes = [
            spawn.Process(target=_start, args=(names, arguments, other_end), daemon=True)
            for _ in range(count)
        ]

    def run(self, stop: Callable[[], bool]) -> Iterator[None]:
        """Run the processes until all of them have ended.

        Closing the iterator stops the processes too.

        Args:
            stop: returns True if the user wants to stop.
        Yields:
            None, every POLL seconds.
        """
        for process in self._processes:
            process.start()
        try:
            while any(process.is_alive() for process in self._processes) and not stop():
                time.sleep(POLL)
                yield
        finally:
            self._end.close()  # tells the processes to stop
            for process in self._processes:
                process.join()

    def failures(self) -> list[str]:
        """Return the reason why each failed process ended.

        Returns:
            The name of a signal, such as "SIGKILL", or the exit code.
        """
        codes = [process.exitcode for process in self._processes if process.exitcode]
        return [signal.Signals(-code).name if code < 0 else f"exit code {code}" for code in codes]


def _start(names: tuple[str, str], arguments: tuple[Any, ...], end: Connection) -> None:
    """Call the target function in a worker process.

    Args:
        names: names of the function's module and of the function.
        arguments: arguments of the function.
        end: the worker's end of the pipe; closing the other end stops the worker.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # The parent process handles Ctrl-C and SIGTERM, and then stops the workers.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # The module is imported only now, because importing PyTorch takes seconds on a busy machine.
    target = getattr(importlib.import_module(names[0]), names[1])
    target(*arguments, lambda: _is_closed(end))


def _end_with_parent() -> None:
    """Wait until the parent process has ended; then end this one, whatever it does."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        time.sleep(GRACE_SECONDS)
        os._exit(1)


def _is_closed(end: Connection) -> bool:
    """Return True if the other end of the pipe was closed."""
    try:
        return end.poll()  # True only for a closed end, because nothing is sent through this pipe
    except OSError:  # Windows raises this error when the pipe is closed
        return True
