"""Files appear whole or not at all.

`atomic_write` promises: whenever the process is killed or the disk fills up, the path holds either the
complete old content or the complete new content, and after the function returned, the new content
survives a power cut.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import filelock

from digits.errors import RunError

NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}  # FAT, some network drives
TEMPORARY = ".part"  # suffix of a file in the making; anything so named is rubbish after a kill


def atomic_write(path: Path, content: bytes, *, previous: Path | None = None) -> None:
    """Replace `path` by `content`; `previous`, if given, keeps what stood there before.

    Raises OSError (disk full, no permission) whose `filename` is `path`, with the old content of both paths
    untouched or already moved on: `path` or `previous` is always complete.
    """
    try:
        _replace(path, content, previous)
        _sync_folder(path.parent)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # write() and fsync() leave the reader to guess
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
        with contextlib.suppress(OSError):  # the first error is the one to report; `sweep` takes the rest
            temporary.unlink(missing_ok=True)
        raise


def _keep(path: Path, previous: Path) -> None:
    """Make `previous` a second name of the file at `path`, without a moment in which neither is there."""
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
            link.unlink()  # there if the renaming failed, or did nothing: after a kill both may be one file


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself survive a power cut; Windows cannot open folders and needs none of it."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def printable(text: str) -> str:
    """What a terminal shows as it is; line breaks, escape codes and broken bytes become question marks."""
    return "".join(c if c.isprintable() else "?" for c in text)


def sweep(folder: Path) -> list[str]:
    """Remove what killed processes left half-written in `folder`; call it while holding the folder's lock."""
    stale = sorted(folder.glob(f".*{TEMPORARY}"))
    for path in stale:
        path.unlink(missing_ok=True)
    return [path.name for path in stale]


@contextlib.contextmanager
def locked(path: Path, what: str, *, timeout: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path`, or raise RunError naming the holder after `timeout` seconds.

    The operating system lets go of the lock when its holder dies, however it dies: nothing is ever stale.
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
        if os.name == "posix":  # Windows lets nobody, not even us, write to a locked file
            with contextlib.suppress(OSError):  # a courtesy to whoever finds the lock taken
                path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
        yield
    finally:
        lock.release()
