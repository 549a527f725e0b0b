"""Open the storage in which a search keeps its trials.

The storage is a journal file or a database that SQLAlchemy supports. A journal is a text file: each change
adds one line at its end. Several processes can use one storage at the same time.
"""

import contextlib
import errno
import importlib.util
import os
import time
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, cast

import optuna
import sqlalchemy.exc
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages.journal import JournalFileBackend, JournalStorage

from digits.errors import OptionError, RunError
from digits.files import FileLock

LOCK_TIMEOUT = 60.0  # seconds to wait while another process writes
HEARTBEAT = 60  # seconds; while a trial runs, its worker writes the time to the database this often
GRACE = 180  # seconds without such an entry after which Optuna counts the trial as failed
# What Optuna raises for the entries of a damaged journal; it does not check them.
WRONG_ENTRY = (TypeError, KeyError, IndexError, AttributeError, AssertionError, ArithmeticError, ValueError)
PAUSES = (0.1, 0.3, 1.0, 3.0)  # seconds before each retry; another machine may be creating the tables


@contextlib.contextmanager
def open_storage(url: str | None, folder: Path) -> Iterator[optuna.storages.BaseStorage]:
    """Open the storage for a `with` block.

    Args:
        url: URL of a database. None: the file journal.log in `folder`.
        folder: folder of the search.
    Yields:
        Optuna's storage.
    Raises:
        OptionError: if the URL is invalid or the driver is not installed.
        RunError: if reading or writing fails, also later in the block.
    """
    if url is None:
        yield _open_journal(folder / "journal.log")
        return
    with _database_errors(url):
        storage = _connect(url)
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()


def proposal_lock(url: str | None, folder: Path) -> Path:
    """Return the path of the lock file for starting a trial.

    A worker holds this lock while it proposes and starts a trial.

    Args:
        url: URL of a database. None: a journal.
        folder: folder of the search.
    Returns:
        For SQLite, a file beside the database; otherwise a file in `folder`.
    """
    # Without the lock, two processes could start the same SQLite trial, even in different folders.
    database = sqlalchemy.make_url(url).database if url and url.startswith("sqlite") else None
    return Path(database).with_name(f".{Path(database).name}.turn") if database else folder / ".turn"


class Journal(JournalFileBackend):
    """A journal file that survives killed processes and full disks.

    It differs from Optuna's journal in two points:

        1. The lock of a killed process is released at once.
        2. The next write first removes an incomplete last line.

    Args:
        path: the journal file; it is created if it does not exist.
    Raises:
        RunError: in all methods, if the file is damaged or not usable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = FileLock(path.with_name(f".{path.name}.lock"), LOCK_TIMEOUT)
        with self._errors():
            if path.exists() and not path.is_file():  # opening a named pipe would wait for ever
                raise OSError(errno.EINVAL, "it is not a file", str(path))
            super().__init__(str(path), cast(Any, self.lock))  # Optuna only calls acquire() and release()

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield the complete entries of the journal.

        Args:
            log_number_from: number of the first entry, counted from 0.
        """
        with self._errors():
            yield from super().read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries to the file, and wait until they are on the disk.

        Args:
            logs: the entries, one dictionary for each line.
        """
        with self._errors(), self.lock:  # the same process may acquire this lock twice
            content = self.path.read_bytes()
            # A full disk or a power cut can leave an incomplete last line. The next line would join it.
            if content and not content.endswith(b"\n"):
                os.truncate(self.path, content.rfind(b"\n") + 1)
            super().append_logs(logs)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Convert file errors in a `with` block to RunError."""
        try:
            yield
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be used: {error.strerror or error}; its trials are not lost. "
                "Check its permissions and the free disk space, or choose another --out"
            ) from error
        except ValueError as error:
            raise RunError(
                f"{self.path} is damaged ({error}); restore a copy, or choose another --name"
            ) from None


def _open_journal(path: Path) -> JournalStorage:
    """Open a journal, and read all its entries.

    Raises:
        RunError: if it cannot be read, or an entry is wrong.
    """
    journal = Journal(path)
    try:
        return JournalStorage(journal)
    except WRONG_ENTRY as error:
        raise RunError(
            f"{path} is damaged: an entry is not one of a search ({type(error).__name__}: {error}); "
            "restore a copy, or choose another --name"
        ) from error


def _connect(url: str) -> optuna.storages.RDBStorage:
    """Connect to a database, and create missing tables.

    Raises:
        OptionError: if the URL is invalid or the driver is not installed.
    """
    timeout = {"connect_args": {"timeout": LOCK_TIMEOUT}} if url.startswith("sqlite") else {}
    for pause in (*PAUSES, None):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # about heartbeats
                return optuna.storages.RDBStorage(
                    _with_driver(url), timeout, heartbeat_interval=HEARTBEAT, grace_period=GRACE
                )
        except ImportError:
            raise OptionError(_missing_driver(url)) from None
        except sqlalchemy.exc.ArgumentError:
            raise OptionError(
                f"--storage is {url!r}; expected a URL such as sqlite:///tune.db or postgresql://host/name"
            ) from None
        except sqlalchemy.exc.SQLAlchemyError:  # maybe another process is creating the tables
            if pause is None:
                raise
            time.sleep(pause)
    raise AssertionError("unreachable")


def _with_driver(url: str) -> str:
    """Add the name of an installed PostgreSQL driver to the URL."""
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres") and importlib.util.find_spec("psycopg"):
        scheme = "postgresql+psycopg"
    return scheme + separator + rest


def _missing_driver(url: str) -> str:
    """Return the error message for a missing database driver."""
    kind = url.partition(":")[0]
    postgres = kind.startswith("postgres")
    how = "install it with: pip install 'digits[postgresql]'" if postgres else f"install a driver for {kind}"
    return f"--storage {kind} needs a package that is not installed; {how}"


@contextlib.contextmanager
def _database_errors(url: str) -> Iterator[None]:
    """Convert database errors in a `with` block to RunError."""
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        reason = str(getattr(cause, "orig", cause)).strip().partition("\n")[0]
        where = sqlalchemy.make_url(url).render_as_string(hide_password=True)
        raise RunError(
            f"{where}: {reason}; expected a database that can be reached and written to. "
            "Its trials are not lost: run the same command again to continue"
        ) from error
