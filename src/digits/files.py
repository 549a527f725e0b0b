"""Read files safely, write them atomically, and lock them for one process.

"Atomically" means: a file always has its complete old content or its complete new content. This holds even if
the process is killed or the disk is full. After `atomic_write`, the new content also survives a power cut.
"""

import contextlib
import errno
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import filelock

from digits.errors import RunError

# Errors of `os.link` on file systems without hard links, such as FAT and some network drives.
NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
# Errors of `os.fsync` on file systems that cannot do it: some network drives and file systems in user space,
# mostly for folders. SQLite and PostgreSQL ignore them, too.
NO_FSYNC = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
# Errors of `flock` on file systems without locks.
NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK}
HOLDER_BYTES = 1000  # limit for the text in a lock file: "process 123 on HOST"
MARKER = ".held"  # suffix of a marker file, which is used where there are no locks
MARKER_TIMEOUT = 0.3  # seconds; enough to find that the marker's process has ended, which takes two attempts
TEMPORARY = ".part"  # suffix of unfinished files; if a process is killed, its unfinished file remains
STALE_SECONDS = 3600  # an unfinished folder that did not change for this time belongs to a killed process


def read_file(path: Path, limit: int) -> bytes:
    """Return the content of a regular file.

    Never waits, as reading a named pipe would, and never reads more than `limit` bytes.

    Args:
        path: the file to read.
        limit: largest allowed number of bytes.
    Raises:
        OSError: if the file cannot be read, is larger, or is a folder, a named pipe or a device. Its
            `strerror` says so.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a file but a named pipe or a device", str(path))
        if found.st_size > limit:
            reason = f"it has {found.st_size:,} bytes; expected at most {limit:,}"
            raise OSError(errno.EFBIG, reason, str(path))
        return file.read(limit)


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
            _sync(file.fileno())
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
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # one may write into the folder, but not list it
        return
    try:
        _sync(handle)
    finally:
        os.close(handle)


def _sync(handle: int) -> None:
    """Wait until a file or folder is on the disk, where the file system can do that."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_FSYNC:
            raise


def create_folder(out: Path, names: Iterable[str], fill: Callable[[Path], None]) -> Path:
    """Create a folder with all its files at once: at every moment it is complete or not there.

    Args:
        out: the folder that will contain the new one; created if it does not exist.
        names: possible names of the new folder; the first free one is used.
        fill: writes the files into the folder that it gets. The folder has another name until it is complete.
    Returns:
        The new folder.
    Raises:
        FileExistsError: if no name is free.
        OSError: if `out` or a file cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(out)) from None
    temporary = Path(tempfile.mkdtemp(prefix=".", suffix=TEMPORARY, dir=out))
    for other in out.glob(f".*{TEMPORARY}"):  # of killed processes: filling a folder takes seconds
        if other.is_dir() and temporary.stat().st_mtime - other.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(other, ignore_errors=True)
    try:
        temporary.chmod(0o777 & ~_umask())  # tempfile's folders are for their owner only
        fill(temporary)
        _sync_folder(temporary)
        for folder in (out / name for name in names):
            if os.path.lexists(folder):
                continue
            try:
                temporary.rename(folder)
            except OSError as error:
                if error.errno in (errno.EEXIST, errno.ENOTEMPTY):  # another process was faster
                    continue
                raise
            _sync_folder(out)
            return folder
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    """Return the permissions that new files do not get."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


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


class FileLock:
    """A lock that one process at a time can hold.

    It ends with the process, even if that is killed. Where the file system has no locks, a marker file beside
    the lock file names the process; the marker of a process of this machine that has ended does not count.

    Args:
        path: the lock file; it is created if it does not exist, and remains.
        timeout: seconds to wait for another process.
    """

    def __init__(self, path: Path, timeout: float = 0.0) -> None:
        self.path, self.timeout = path, timeout
        self._lock: filelock.BaseFileLock = filelock.FileLock(path, timeout=timeout, fallback_to_soft=False)

    def acquire(self) -> None:
        """Take the lock. The same process may take it several times.

        Raises:
            filelock.Timeout: if another process still holds it after `timeout`.
            OSError: if the lock file cannot be written.
        """
        try:
            self._lock.acquire()
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            timeout = max(self.timeout, MARKER_TIMEOUT)
            self._lock = filelock.SoftFileLock(self._marker, timeout=timeout)
            self._lock.acquire()

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def holder(self) -> str:
        """A text about the process that holds the lock, for messages."""
        try:
            text = read_file(self.path, HOLDER_BYTES).decode(errors="replace").strip()
        except OSError:
            text = ""
        text = printable(text) or "another process"
        return f"{text} (if it has ended, delete {self._marker})" if self._marker.exists() else text

    @property
    def _marker(self) -> Path:
        return self.path.with_name(self.path.name + MARKER)


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
    lock = FileLock(path, timeout)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise RunError(
            f"{what} is in use by {lock.holder}; wait for it, stop it, or choose another --name"
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
            before = read_file(path, HOLDER_BYTES)
            path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
    try:
        yield
    finally:
        if os.name == "posix":
            # Opened without creating it: the block may have removed the folder.
            with contextlib.suppress(OSError), open(path, "r+b") as file:
                file.truncate()
                file.write(before)
