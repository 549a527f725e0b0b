"""Write files atomically, and lock them between processes.

If the process is killed or the disk is full during `atomic_write`, the file still has either its complete old
content or its complete new content. Once the function has returned, the new content survives a power cut.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import filelock

from digits.errors import RunError

# Errors of file systems without hard links, such as FAT and some network drives.
NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
TEMPORARY = ".part"  # suffix of files that are being written; a killed process leaves them behind


def atomic_write(path: Path, content: bytes, *, previous: Path | None = None) -> None:
    """Write `content` to the file `path`; move its old content to the file `previous` if that is given.

    Raises OSError, with `path` as its `filename`, if the disk is full or permission is missing. Both files
    are complete even then: each has its content from before or after the call.
    """
    try:
        _replace(path, content, previous)
        _sync_folder(path.parent)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # errors of write() and fsync() have no file name
        raise


def _replace(path: Path, content: bytes, previous: Path | None) -> None:
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
        with contextlib.suppress(OSError):  # report the first error; `sweep` removes the file later
            temporary.unlink(missing_ok=True)
        raise


def _keep(path: Path, previous: Path) -> None:
    """Make `previous` a second name of the file `path`, so that there is always a complete file."""
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
            link.unlink()  # still there if renaming failed, or did nothing because both names are one file


def _sync_folder(folder: Path) -> None:
    """Make a renaming in `folder` survive a power cut. Windows cannot open folders and does not need this."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def printable(text: str) -> str:
    """Return `text` with line breaks, escape codes and undecodable bytes replaced by question marks."""
    return "".join(c if c.isprintable() else "?" for c in text)


def sweep(folder: Path) -> list[str]:
    """Remove the half-written files of killed processes from `folder`, and return their names.

    Call it only while holding the folder's lock, so that no other process is writing there.
    """
    stale = sorted(folder.glob(f".*{TEMPORARY}"))
    for path in stale:
        path.unlink(missing_ok=True)
    return [path.name for path in stale]


@contextlib.contextmanager
def locked(path: Path, what: str, *, timeout: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path` inside a `with` block.

    `what` is the thing that is locked, for error messages. Raises RunError, naming the process that holds
    the lock, after waiting `timeout` seconds. The operating system releases the lock when its process ends,
    so that a killed process never leaves a lock behind.
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
            with contextlib.suppress(OSError):  # only used in the message of a process that waits
                path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
        yield
    finally:
        lock.release()
