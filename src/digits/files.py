"""Write files atomically, and lock them for one process.

"Atomically" means: a file always has its complete old content or its complete new content. This holds even if
the process is killed or the disk is full. After `atomic_write`, the new content also survives a power cut.
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
    """Write a file atomically.

    At every moment, the file has its complete old or its complete new content.

    Args:
        path: the file to write. Its folder must exist.
        content: the new content.
        previous: file in the same folder for the old content. None: do not keep it.
    Raises:
        OSError: if the file cannot be written. Its `filename` is `path`.
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
    """Make `previous` a second name of the file `path`."""
    # A second name is better than renaming: the file `path` never disappears.
    link = previous.with_name(f".{previous.name}.{os.getpid()}{TEMPORARY}")
    link.unlink(missing_ok=True)
    try:
        os.link(path, link)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        os.replace(path, previous)  # the file system has no hard links
    else:
        os.replace(link, previous)
    finally:
        with contextlib.suppress(OSError):
            link.unlink()  # remains if renaming failed, or if both names were already the same file


def _sync_folder(folder: Path) -> None:
    """Wait until the new file names in `folder` are on the disk."""
    if os.name != "posix":  # Windows cannot open folders, and does not need this
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def printable(text: str) -> str:
    """Replace each unprintable character of a text by a question mark.

    Examples are line breaks, escape codes and undecodable bytes.
    """
    return "".join(c if c.isprintable() else "?" for c in text)


def sweep(folder: Path) -> list[str]:
    """Delete the unfinished files of killed processes.

    Args:
        folder: a folder whose lock this process holds.
    Returns:
        The names of the deleted files.
    """
    stale = sorted(folder.glob(f".*{TEMPORARY}"))
    for path in stale:
        path.unlink(missing_ok=True)
    return [path.name for path in stale]


@contextlib.contextmanager
def locked(path: Path, what: str, *, timeout: float = 0.0) -> Iterator[None]:
    """Hold a lock during a `with` block.

    Only one process at a time can hold the lock.

    Args:
        path: the lock file; it is created if it does not exist.
        what: the locked thing for error messages, such as "runs/classic-1".
        timeout: seconds to wait for another process.
    Raises:
        RunError: if the lock is still held after that time.
        RunError: if the lock file cannot be written.
    """
    # The operating system releases the lock at the end of the process, even if the process is killed.
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
        with _holder_named(path):
            yield
    finally:
        lock.release()


@contextlib.contextmanager
def _holder_named(path: Path) -> Iterator[None]:
    """Write this process into its lock file during a `with` block, for the messages of other processes.

    Afterwards the file has its old text again: a refused command leaves every file in the folder as it was.
    """
    before = b""
    if os.name == "posix":  # Windows does not allow writing to a locked file
        with contextlib.suppress(OSError):
            before = path.read_bytes()
            path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
    try:
        yield
    finally:
        if os.name == "posix":
            # Opened without creating it: the block may have removed the folder.
            with contextlib.suppress(OSError), open(path, "r+b") as file:
                file.truncate()
                file.write(before)
