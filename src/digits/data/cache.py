"""Store downloaded files in a cache folder, and verify them before each use.

Files are written completely or not at all. A lock keeps two processes from downloading into the same folder
at the same time.
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
from digits.options import expanded

Notice = Callable[[str], None]
"""A function that shows a sentence to the user, for example that a file is downloaded again."""
LOCK = ".download.lock"  # name of the lock file in the cache folder


class IncompleteError(Exception):
    """An error: the end of a file is missing."""


class WrongContentError(Exception):
    """An error: the bytes of a file are wrong."""


def cache_folder() -> Path:
    """Return the folder for downloaded files.

    The environment variable DIGITS_CACHE can name it.
    Otherwise it depends on the operating system, such as ~/.cache/digits on Linux.

    Raises:
        DataError: if DIGITS_CACHE is not set and the user has no home folder.
    """
    if chosen := os.environ.get("DIGITS_CACHE"):
        return expanded(chosen)
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
    """Return the path of a verified file in the cache.

    A missing or damaged file is obtained and written first.
    Meanwhile the folder is locked, and other processes wait.

    Args:
        file: The wanted file with its size and SHA-256.
        folder: The cache folder; it is created if it does not exist.
        obtain: Returns the verified bytes of the file, for example from a download.
        deadline: When to stop waiting for the lock, in seconds of time.monotonic().
        notice: Called with a sentence if a damaged file is replaced.
    Raises:
        DownloadError: if the lock stays held until the deadline, or writing fails.
        Exception: any error of `obtain` except OSError, unchanged.
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
    """Return True if a file has the right size and SHA-256.

    Args:
        file: The expected file.
        path: The file to check; it may be missing.
    """
    try:
        return path.stat().st_size == file.cached_size and sha256_of(path.read_bytes()) == file.sha256
    except (FileNotFoundError, NotADirectoryError):
        return False


def partial_path(file: RemoteFile, folder: Path) -> Path:
    """Return the path of the hidden file for an unfinished download.

    The next download continues from the bytes in it.

    Args:
        file: The wanted file.
        folder: The cache folder.
    """
    return folder / f".{file.cached_name}{TEMPORARY}"


@contextlib.contextmanager
def _folder_lock(folder: Path, deadline: float) -> Iterator[None]:
    """Hold the lock of a folder during a `with` block.

    Args:
        folder: The cache folder.
        deadline: When to stop waiting, in seconds of time.monotonic().
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
    """Decompress and verify the bytes of a downloaded file.

    Args:
        file: The expected file.
        compressed: Its gzip-compressed bytes.
    Returns:
        The bytes to store in the cache. These are:
            usually the decompressed content
            `compressed` itself, if `file` has only a digest of the compressed file
    Raises:
        IncompleteError: if `compressed` ends early.
        WrongContentError: if `compressed` is not `file`.
    """
    inflate = zlib.decompressobj(wbits=GZIP_WINDOW)
    try:  # one byte more than expected shows that a file is too long; wrong data cannot fill the memory
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
