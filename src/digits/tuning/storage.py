"""Open the storage in which a search keeps its trials.

The storage is a journal file or a database. A journal is a text file to which each change is appended as one
line. The database may be any that SQLAlchemy supports. Several processes can use one storage at the same
time. Errors of the storage are raised as RunError or OptionError.
"""

import contextlib
import importlib.util
import os
import time
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, cast

import filelock
import optuna
import sqlalchemy.exc
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages.journal import JournalFileBackend, JournalStorage

from digits.errors import OptionError, RunError

LOCK_TIMEOUT = 60.0  # seconds to wait while another process writes
HEARTBEAT = 60  # seconds; while a trial runs, its worker writes the time to the database this often
GRACE = 180  # seconds without such an entry after which Optuna counts the trial as failed
PAUSES = (0.1, 0.3, 1.0, 3.0)  # seconds before each retry; another machine may be creating the tables


@contextlib.contextmanager
def open_storage(url: str | None, folder: Path) -> Iterator[optuna.storages.BaseStorage]:
    """Open the storage for a `with` block.

    Args:
        url: URL of a database; None: the file journal.log in `folder`.
        folder: folder of the search.
    Raises:
        OptionError: if the URL is invalid or the database's driver is not installed.
        RunError: if the storage cannot be read or written, when it is opened or later in the `with` block.
    """
    if url is None:
        yield JournalStorage(Journal(folder / "journal.log"))
        return
    with _database_errors(url):
        storage = _connect(url)
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()


def proposal_lock(url: str | None, folder: Path) -> Path:
    """Return the lock file that a worker holds while it proposes and starts a trial.

    For SQLite the lock file is beside the database, so that all searches in this file share it: without the
    lock, two processes could start the same SQLite trial. Database servers prevent this themselves. Their
    lock file is in the search's folder, like the one of a journal.

    Args:
        url: URL of a database; None: a journal.
        folder: folder of the search.
    """
    database = sqlalchemy.make_url(url).database if url and url.startswith("sqlite") else None
    return Path(database).with_name(f".{Path(database).name}.turn") if database else folder / ".turn"


class Journal(JournalFileBackend):
    """Optuna's journal file with two improvements for killed processes and full disks.

    1. If a process is killed, its lock is released at once. With Optuna's own lock, all other processes wait
       for half a minute.
    2. An incomplete last line, left by a full disk or a power cut, is removed before the next write.
       Otherwise the next line would be joined to it, and Optuna could not read the file any more.

    Args:
        path: the journal file; it is created if it does not exist.
    Raises:
        RunError: by all methods, if the file cannot be read or written, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_TIMEOUT)
        with self._errors():
            super().__init__(str(path), cast(Any, self.lock))  # Optuna only calls acquire() and release()

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield the entries from number `log_number_from` on, without an incomplete last line."""
        with self._errors():
            yield from super().read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Remove an incomplete last line, append entries, and wait until they are on the disk."""
        with self._errors(), self.lock:  # the same process may acquire this lock twice
            content = self.path.read_bytes()
            if content and not content.endswith(b"\n"):
                os.truncate(self.path, content.rfind(b"\n") + 1)
            super().append_logs(logs)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise errors of the file inside a `with` block as RunError."""
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


def _connect(url: str) -> optuna.storages.RDBStorage:
    """Connect to the database at `url`, and create Optuna's tables if they are missing.

    If this fails, try again up to four times, because another process may be creating the tables.

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
    """Return the URL, with the driver psycopg 3 for PostgreSQL if it is installed."""
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres") and importlib.util.find_spec("psycopg"):
        scheme = "postgresql+psycopg"
    return scheme + separator + rest


def _missing_driver(url: str) -> str:
    """Return the error message for a database whose driver is not installed."""
    kind = url.partition(":")[0]
    postgres = kind.startswith("postgres")
    how = "install it with: pip install 'digits[postgresql]'" if postgres else f"install a driver for {kind}"
    return f"--storage {kind} needs a package that is not installed; {how}"


@contextlib.contextmanager
def _database_errors(url: str) -> Iterator[None]:
    """Raise errors of the database inside a `with` block as RunError with a short message.

    The message contains the URL without its password.
    """
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
