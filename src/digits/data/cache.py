"""Store downloaded files in a cache folder, and verify them before each use.

Files are written atomically: a stopped process leaves either the complete file or no file. A lock keeps two
processes from downloading into the same folder at the same time.
"""

import contextlib
import hashlib
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from digits.data.catalogue import RemoteFile
from digits.data.formats.content import GZIP_WINDOW
from digits.errors import DataError, DownloadError, RunError
from digits.files import TEMPORARY, atomic_write, locked

Notice = Callable[[str], None]
"""A function that shows a sentence to the user, for example that a file is downloaded again."""
LOCK = ".download.lock"  # name of the lock file in the cache folder


class IncompleteError(Exception):
    """The end of a file is missing. The bytes before it may be correct and are kept."""


class WrongContentError(Exception):
    """The bytes of a file are wrong, so they are deleted and not completed."""


def cache_folder() -> Path:
    """Return the folder in which downloaded files are stored.

    It is the environment variable DIGITS_CACHE. If that is not set, it is a folder "digits" in the place
    that the operating system has for cached files, such as ~/.cache/digits on Linux.

    Raises:
        DataError: if DIGITS_CACHE is not set and the user has no home folder.
    """
    if chosen := os.environ.get("DIGITS_CACHE"):
        return Path(chosen)
    # Operating system -> variable with the base folder, path below this folder, path below the home folder.
    # The third one is used if the variable is not set. Systems that are not listed follow Linux.
    systems = {
        "win32": ("LOCALAPPDATA", "digits/Cache", "AppData/Local/digits/Cache"),
        "darwin": ("", "", "Library/Caches/digits"),
    }
    variable, below, below_home = systems.get(sys.platform, ("XDG_CACHE_HOME", "digits", ".cache/digits"))
    base = Path(os.environ.get(variable, ""))
    if base.is_absolute():  # the XDG Base Directory Specification says that relative paths must be ignored
        return base / below
    try:
        return Path.home() / below_home
    except RuntimeError:
        raise DataError(
            "there is no folder for downloads, because this user has no home folder; "
            "set $DIGITS_CACHE to a folder"
        ) from None


def cached(
    file: RemoteFile,
    folder: Path,
    obtain: Callable[[], bytes],
    *,
    deadline: float,
    notice: Notice | None = None,
) -> Path:
    """Return the path of a verified file in the cache; write the file first if it is missing or damaged.

    The folder is locked while the file is obtained. A second process waits, then uses the same file.

    Args:
        file: The wanted file with its size and SHA-256.
        folder: The cache folder; it is created if it does not exist.
        obtain: Returns the verified bytes of the file, for example by a download. It is called only if the
            file is missing or damaged.
        deadline: Time of time.monotonic(), in seconds, until which to wait for another process.
        notice: Called with a sentence if a damaged file is replaced.
    Raises:
        DownloadError: if another process still holds the lock at the deadline, or the file cannot be
            written. Exceptions of `obtain` that are not OSErrors are passed on unchanged.
    """
    path = folder / file.cached_name
    try:
        if is_genuine(file, path):  # checked before locking, because a read-only folder cannot be locked
            return path
        folder.mkdir(parents=True, exist_ok=True)
        with _folder_lock(folder, deadline):
            if is_genuine(file, path):  # another process has downloaded it meanwhile
                return path
            if notice is not None and path.exists():
                notice(f"{path} is damaged (its SHA-256 is not {file.sha256}); it is downloaded again")
            for stale in folder.glob(f".{file.cached_name}.*{TEMPORARY}"):  # from processes that were killed
                stale.unlink()
            content = obtain()
            # The partial file is deleted before writing. Otherwise a process killed in between leaves it.
            partial_path(file, folder).unlink(missing_ok=True)
            atomic_write(path, content)
    except OSError as error:
        raise DownloadError(
            f"{file.name} cannot be stored in {folder}: {error.strerror or error} "
            f"({error.filename or path}); free some space or allow writing there, "
            "or set $DIGITS_CACHE to another folder"
        ) from None
    return path


def is_genuine(file: RemoteFile, path: Path) -> bool:
    """Return True if the file at `path` exists and has the size and SHA-256 of `file`."""
    try:
        return path.stat().st_size == file.cached_size and sha256_of(path.read_bytes()) == file.sha256
    except (FileNotFoundError, NotADirectoryError):
        return False


def partial_path(file: RemoteFile, folder: Path) -> Path:
    """Return the path of the hidden file that stores compressed bytes until a download is complete.

    A later process finds the bytes there and continues the download.
    """
    return folder / f".{file.cached_name}{TEMPORARY}"


@contextlib.contextmanager
def _folder_lock(folder: Path, deadline: float) -> Iterator[None]:
    """Hold the lock of a folder during a `with` block.

    Args:
        folder: The cache folder.
        deadline: Time of time.monotonic(), in seconds, until which to wait for the lock.
    Raises:
        DownloadError: if another process still holds the lock at the deadline.
        OSError: if the lock file cannot be created.
    """
    with contextlib.ExitStack() as stack:
        try:
            seconds = max(0.0, deadline - time.monotonic())
            stack.enter_context(locked(folder / LOCK, str(folder), timeout=seconds))
        except RunError as error:
            if isinstance(error.__cause__, OSError):  # the lock file could not be created
                raise error.__cause__ from None
            raise DownloadError(
                f"another process is still downloading into {folder}; wait for it or stop it, "
                "then start again"
            ) from None
        yield


def unpack(file: RemoteFile, compressed: bytes) -> bytes:
    """Decompress and verify the bytes of a file, and return the bytes that the cache stores.

    Decompression stops after the known size of the file, so wrong data cannot fill the memory.

    Args:
        file: The expected file.
        compressed: Its gzip-compressed bytes.
    Returns:
        The decompressed content; or `compressed` itself, if the digest of `file` is that of the compressed
        file.
    Raises:
        IncompleteError: if `compressed` ends early.
        WrongContentError: if `compressed` is not `file`.
    """
    inflate = zlib.decompressobj(wbits=GZIP_WINDOW)
    try:
        content = inflate.decompress(compressed, file.size + 1)
    except zlib.error as error:
        raise WrongContentError(
            f"not an intact gzip file ({error}); it starts with {compressed[:16]!r}"
        ) from None
    if len(content) > file.size:
        raise WrongContentError(f"unpacks to more than the expected {file.size:,} bytes")
    if not inflate.eof:
        raise IncompleteError(f"ends early, after {len(compressed):,} bytes")
    if inflate.unused_data:
        raise WrongContentError(f"{len(inflate.unused_data):,} bytes follow the end of the gzip data")
    stored = compressed if file.content_sha256 is None else content
    if (found := sha256_of(stored)) != file.sha256:
        raise WrongContentError(f"wrong content: its SHA-256 is {found}, expected {file.sha256}")
    return stored


def sha256_of(content: bytes) -> str:
    """Return the SHA-256 of some bytes as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
