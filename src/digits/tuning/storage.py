"""Where a search keeps its trials: a journal file, or any database that SQLAlchemy reaches.

Both may be opened by many processes at once. What goes wrong with them is raised as RunError or OptionError.
"""

import contextlib
import importlib.util
import json
import os
import time
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Any

import filelock
import optuna
import sqlalchemy.exc
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages.journal import JournalFileBackend, JournalStorage

from digits.errors import OptionError, RunError

PATIENCE = 60.0  # seconds to wait for another process that writes
HEARTBEAT, GRACE = 60, 180  # seconds: how databases tell trials of other machines that died
PAUSES = (0.1, 0.3, 1.0, 3.0)  # seconds before another try while another machine makes the tables
BLOCK = 2**16  # bytes read at a time


@contextlib.contextmanager
def open_storage(url: str | None, folder: Path) -> Iterator[optuna.storages.BaseStorage]:
    """The journal file in the folder, or the database at `url`; errors of a database become RunError."""
    with _one_sentence(url):
        storage = _connect(url, folder)
        try:
            yield storage
        finally:
            if isinstance(storage, optuna.storages.RDBStorage):
                storage.remove_session()
                storage.engine.dispose()


def turn_file(url: str | None, folder: Path) -> Path:
    """What to lock while a trial is proposed and taken.

    It is beside an SQLite file, which lets two processes take the same trial; servers lock rows.
    """
    database = sqlalchemy.make_url(url).database if url and url.startswith("sqlite") else None
    return Path(database).with_name(f".{Path(database).name}.turn") if database else folder / ".turn"


class Journal(JournalFileBackend):
    """Optuna's journal file, with locks that end with their holder and without lines that are cut short.

    Optuna's own lock outlives a killed process by half a minute; and a line that it had begun would swallow
    the next one, after which the file could not be read again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            super().__init__(str(path))
        except OSError as error:
            raise self._cannot("written", error) from error

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """The entries from a number on; a last one that is not whole yet is left out."""
        try:
            yield from super().read_logs(log_number_from)
        except OSError as error:
            raise self._cannot("read", error) from error
        except ValueError as error:
            raise RunError(
                f"{self.path} is damaged ({error}); put back a copy, or choose another --name"
            ) from None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write whole lines behind the last whole line, and see them onto the disk."""
        lines = b"".join(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs)
        lock = self.path.with_name(f".{self.path.name}.lock")
        try:
            with filelock.FileLock(lock, timeout=PATIENCE), open(self.path, "r+b") as file:
                file.seek(_end_of_lines(file))
                file.truncate()
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._cannot("written", error) from error

    def _cannot(self, verb: str, error: OSError) -> RunError:
        return RunError(
            f"{self.path} cannot be {verb}: {error.strerror or error}; the trials in it are kept. "
            "Give it the right permissions and room on its disk, or choose another --out"
        )


def _end_of_lines(file: IO[bytes]) -> int:
    """Where the last line ends that does end."""
    size = file.seek(0, os.SEEK_END)
    while size:  # backwards, for a line that was cut short is the last
        begin = max(0, size - BLOCK)
        file.seek(begin)
        newline = file.read(size - begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        size = begin
    return 0


def _connect(url: str | None, folder: Path) -> optuna.storages.BaseStorage:
    """The journal file in the folder, or the database at `url`, with its tables."""
    if url is None:
        return JournalStorage(Journal(folder / "journal.log"))
    patience: dict[str, Any] = {"connect_args": {"timeout": PATIENCE}} if url.startswith("sqlite") else {}
    for pause in (*PAUSES, None):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # of the heartbeat
                return optuna.storages.RDBStorage(
                    _with_driver(url), patience, heartbeat_interval=HEARTBEAT, grace_period=GRACE
                )
        except ImportError:
            raise OptionError(_missing_driver(url)) from None
        except sqlalchemy.exc.ArgumentError:
            raise OptionError(
                f"--storage is {url!r}; expected a URL such as sqlite:///tune.db or postgresql://host/name"
            ) from None
        except sqlalchemy.exc.SQLAlchemyError:
            if pause is None:
                raise
            time.sleep(pause)
    raise AssertionError("unreachable")


def _with_driver(url: str) -> str:
    """The URL that SQLAlchemy needs to take psycopg 3, where that is installed."""
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres") and importlib.util.find_spec("psycopg"):
        scheme = "postgresql+psycopg"
    return scheme + separator + rest


def _missing_driver(url: str) -> str:
    kind = url.partition(":")[0]
    how = "pip install 'psycopg[binary]'" if kind.startswith("postgres") else f"install a driver for {kind}"
    return f"--storage {kind} needs a package that is not installed: {how}"


@contextlib.contextmanager
def _one_sentence(url: str | None) -> Iterator[None]:
    """What a database says becomes one sentence, without the password that may be in its URL."""
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        said = str(getattr(cause, "orig", cause)).strip().partition("\n")[0]
        where = sqlalchemy.make_url(url or "").render_as_string(hide_password=True)
        raise RunError(
            f"{where}: {said}; expected a database that answers and can be written to. What it holds is "
            "kept: the same command goes on"
        ) from error
