"""Write files atomically, and lock them so that only one process uses them.

"Atomically" means: a file never has half of its content, not even if the process is killed or the disk is
full. It has either its complete old content or its complete new content. When `atomic_write` has returned,
the new content is on the disk and survives a power cut.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import filelock

from digits.errors import RunError

# Errors of `os.link` on file systems without hard links, such as FAT and some network drives.
NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
TEMPORARY = ".part"  # suffix of unfinished files; if a process is killed, its unfinished file remains


def atomic_write(path: Path, content: bytes, *, previous: Path | None = None) -> None:
    """Write a file atomically: it always has its complete old or new content.

    Args:
        path: the file to write. Its folder must exist.
        content: the new content.
        previous: a file in the same folder that gets the old content of `path`; None: do not keep it.
    Raises:
        OSError: if the disk is full or permission is missing. Its `filename` is `path`. Both files are then
            still complete.
    """
    try:
        _replace(path, content, previous)
        _sync_folder(path.parent)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # write() and fsync() do not set the name
        raise


def _replace(path: Path, content: bytes, previous: Path | None) -> None:
    """Write a temporary file beside `path`, then rename it to `path`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and path.exists():
            _keep(path, previous)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error matters more; `sweep` removes the file later
            temporary.unlink(missing_ok=True)
        raise


def _keep(path: Path, previous: Path) -> None:
    """Make `previous` a second name of the file `path`, so that `path` itself never disappears.

    On a file system without hard links, rename `path` to `previous` instead.
    """
    link = previous.with_name(f".{previous.name}.{os.getpid()}{TEMPORARY}")
    link.unlink(missing_ok=True)
    try:
        os.link(path, link)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        os.replace(path, previous)
    else:
        os.replace(link, previous)
    finally:
        with contextlib.suppress(OSError):
            link.unlink()  # remains if renaming failed, or if both names were already the same file


def _sync_folder(folder: Path) -> None:
    """Make a renaming in `folder` survive a power cut: wait until it is on the disk.

    On Windows this does nothing, because Windows cannot open folders and does not need it.
    """
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def printable(text: str) -> str:
    """Return `text` with a question mark for each character that cannot be printed safely.

    Such characters are line breaks, escape codes and bytes that could not be decoded.
    """
    return "".join(c if c.isprintable() else "?" for c in text)


def sweep(folder: Path) -> list[str]:
    """Remove the unfinished files of killed processes from `folder`, and return their names.

    Hold the folder's lock during the call. Otherwise it may remove a file that another process is writing.
    """
    stale = sorted(folder.glob(f".*{TEMPORARY}"))
    for path in stale:
        path.unlink(missing_ok=True)
    return [path.name for path in stale]


@contextlib.contextmanager
def locked(path: Path, what: str, *, timeout: float = 0.0) -> Iterator[None]:
    """Hold a lock inside a `with` block, so that no other process can hold it.

    The operating system releases the lock when the process ends, even if the process is killed.

    Args:
        path: the lock file; it is created if it does not exist.
        what: the thing that is locked, such as "runs/classic-1", for error messages.
        timeout: seconds to wait while another process holds the lock.
    Raises:
        RunError: if another process still holds the lock after that time, or the lock file cannot be
            written. The message names the other process.
    """
    lock = filelock.FileLock(path, timeout=timeout)
    try:
        lock.acquire()
    except filelock.Timeout:
        holder = path.read_text(errors="replace").strip() or "another process"
        raise RunError(
            f"{what} is in use by {holder}; wait for it, stop it, or choose another --name"
        ) from None
    except OSError as error:
        raise RunError(f"could not lock {path}: {error.strerror or error}; choose another --out") from error
    try:
        if os.name == "posix":  # Windows does not allow writing to a locked file
            with contextlib.suppress(OSError):  # the text is only for the messages of other processes
                path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
        yield
    finally:
        lock.release()
