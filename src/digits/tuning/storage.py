"""Open the storage of a search: a journal file, or any database that SQLAlchemy supports.

Several processes may have a storage open at the same time. Its errors are raised as RunError or OptionError.
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
HEARTBEAT = 60  # seconds between two signs of life of a trial in a database
GRACE = 180  # seconds without one after which Optuna counts the trial as failed
PAUSES = (0.1, 0.3, 1.0, 3.0)  # seconds before each new attempt while another machine creates the tables


@contextlib.contextmanager
def open_storage(url: str | None, folder: Path) -> Iterator[optuna.storages.BaseStorage]:
    """Open the database at `url`, or without a URL the journal file in `folder`.

    Raises OptionError if the URL is wrong or its driver is missing, and RunError if the database or the file
    cannot be read or written; also while the storage is used inside the `with` block.
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
    """Return the path of the lock file to hold while a trial is proposed and started.

    For SQLite it is beside the database, because SQLite lets two processes start the same trial. Database
    servers do not, so their lock file is in `folder`, as that of a journal.
    """
    database = sqlalchemy.make_url(url).database if url and url.startswith("sqlite") else None
    return Path(database).with_name(f".{Path(database).name}.turn") if database else folder / ".turn"


class Journal(JournalFileBackend):
    """Optuna's journal file, with a lock that ends with its process and safe against incomplete lines.

    Optuna's lock blocks all others for half a minute after a kill. A line that a full disk or a power cut
    left incomplete would be joined with the next one, after which Optuna cannot read the file any more.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_TIMEOUT)
        with self._errors():
            super().__init__(str(path), cast(Any, self.lock))  # has acquire() and release()

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield the entries from a number on; an incomplete last line is left out."""
        with self._errors():
            yield from super().read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Remove an incomplete last line, then append the entries and wait until they are on the disk."""
        with self._errors(), self.lock:  # a FileLock may be acquired twice by the same process
            content = self.path.read_bytes()
            if content and not content.endswith(b"\n"):
                os.truncate(self.path, content.rfind(b"\n") + 1)
            super().append_logs(logs)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be used: {error.strerror or error}; its trials are kept. "
                "Check its permissions and the space on the disk, or choose another --out"
            ) from error
        except ValueError as error:
            raise RunError(
                f"{self.path} is damaged ({error}); restore a copy, or choose another --name"
            ) from None


def _connect(url: str) -> optuna.storages.RDBStorage:
    """Connect to a database, and create Optuna's tables if they are missing."""
    timeout = {"connect_args": {"timeout": LOCK_TIMEOUT}} if url.startswith("sqlite") else {}
    for pause in (*PAUSES, None):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # of the heartbeat
                return optuna.storages.RDBStorage(
                    _with_driver(url), timeout, heartbeat_interval=HEARTBEAT, grace_period=GRACE
                )
        except ImportError:
            raise OptionError(_missing_driver(url)) from None
        except sqlalchemy.exc.ArgumentError:
            raise OptionError(
                f"--storage is {url!r}; expected a URL such as sqlite:///tune.db or postgresql://host/name"
            ) from None
        except sqlalchemy.exc.SQLAlchemyError:  # perhaps another process is creating the tables
            if pause is None:
                raise
            time.sleep(pause)
    raise AssertionError("unreachable")


def _with_driver(url: str) -> str:
    """Return the URL that makes SQLAlchemy use psycopg 3, if that is installed."""
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres") and importlib.util.find_spec("psycopg"):
        scheme = "postgresql+psycopg"
    return scheme + separator + rest


def _missing_driver(url: str) -> str:
    kind = url.partition(":")[0]
    postgres = kind.startswith("postgres")
    how = "pip install 'digits[postgresql]'" if postgres else f"install a driver for {kind}"
    return f"--storage {kind} needs a package that is not installed: {how}"


@contextlib.contextmanager
def _database_errors(url: str) -> Iterator[None]:
    """Raise a database's errors as RunError with one sentence, without the password in the URL."""
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        reason = str(getattr(cause, "orig", cause)).strip().partition("\n")[0]
        where = sqlalchemy.make_url(url).render_as_string(hide_password=True)
        raise RunError(
            f"{where}: {reason}; expected a database that can be reached and written to. "
            "Its trials are kept: run the same command again to continue"
        ) from error
