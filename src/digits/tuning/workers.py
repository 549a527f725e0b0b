"""Lock files that show which workers of a search are alive.

Optuna notices a dead worker only by a missing heartbeat in a database, after minutes; a journal file has no
heartbeat. The operating system releases a lock file at once when its process ends, however it ends.
"""

import contextlib
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import filelock

from digits import files

PREFIX = ".worker-"  # of lock files


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
