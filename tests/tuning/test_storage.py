"""Journal files and databases: the same search in each, and what happens when one is damaged."""

import dataclasses
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from support.small_search import conduct, outcome

from digits.errors import RunError
from digits.tuning import storage
from digits.tuning.options import TuneOptions

NOBODY = 65534  # Linux's user without rights


def test_every_storage_gives_the_same_search(small: Callable[..., TuneOptions], url: str | None) -> None:
    """Trials read back from a journal, SQLite or PostgreSQL are those of the reference."""
    here = conduct(small(storage=url, name="same", trials=3))
    assert outcome(here.trials) == outcome(conduct(small(name="reference", trials=3)).trials)


@pytest.mark.parametrize("kept", [1, 20, -2, -1])
def test_a_line_cut_short_is_written_over(small: Callable[..., TuneOptions], kept: int) -> None:
    """H3: whatever part of a last line is in the journal, the search goes on, with all trials before."""
    before = conduct(small(trials=2))
    journal = before.folder / "journal.log"
    whole = journal.read_bytes()
    line = whole.splitlines(keepends=True)[-1]
    with open(journal, "ab") as file:
        file.write(line[:kept])
    after = conduct(small(trials=4))
    assert after.trials[:2] == before.trials
    assert len(after.trials) == 4
    assert journal.read_bytes().startswith(whole)
    for entry in journal.read_text().splitlines():
        json.loads(entry)


def test_a_damaged_journal_is_named(small: Callable[..., TuneOptions]) -> None:
    """H3: rubbish in the middle is not passed over in silence."""
    journal = conduct(small(trials=2)).folder / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:5], b"rubbish\n", *lines[5:]]))
    with pytest.raises(RunError, match=r"journal\.log is damaged .* restore a copy"):
        conduct(small(trials=3))


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder in which permissions count: for the time of a test, root is somebody else."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        user = os.geteuid()
        if user == 0 and not all(parent.stat().st_mode & 0o001 for parent in Path(optuna.__file__).parents):
            pytest.skip("needs a Python environment that an unprivileged user may read")
        with storage.open_storage(f"sqlite:///{folder / 'first.db'}", folder):
            pass  # import what it takes while the files may be read
        if user == 0:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(user)


@pytest.mark.parametrize("kind", ["journal", pytest.param("sqlite", marks=pytest.mark.slow)])
def test_a_file_that_cannot_be_written_is_named(
    small: Callable[..., TuneOptions], readable: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H3: a read-only journal or database is one sentence that says what to do, and stays as it is."""
    monkeypatch.setattr(storage, "PAUSES", ())
    file = readable / "study" / "journal.log" if kind == "journal" else readable / "tune.db"
    options = small(out=readable, storage=None if kind == "journal" else f"sqlite:///{file}")
    conduct(dataclasses.replace(options, trials=1))
    before = file.read_bytes()
    file.chmod(0o444)
    words = "Check its permissions" if kind == "journal" else "expected a database that"
    with pytest.raises(RunError, match=words) as caught:
        conduct(options)
    assert str(file) in str(caught.value)
    assert file.read_bytes() == before


def test_a_database_that_does_not_answer_is_named(
    small: Callable[..., TuneOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the database's address, not its password."""
    pytest.importorskip("psycopg")
    monkeypatch.setattr(storage, "PAUSES", ())
    with pytest.raises(RunError, match=r"postgresql://me:\*\*\*@127\.0\.0\.1:1/db: .*refused") as caught:
        conduct(small(storage="postgresql://me:secret@127.0.0.1:1/db"))
    assert "secret" not in str(caught.value)


WRONG = ("null", "5", '"x"', "{}", '{"op_code": null}', '{"op_code": 4, "worker_id": []}')


@pytest.mark.parametrize("entry", WRONG)
def test_entries_of_another_kind_are_one_error(tmp_path: Path, entry: str) -> None:
    """JSON that is no entry of a journal is a RunError that names the file."""
    (tmp_path / "journal.log").write_text(f"{entry}\n")
    message = r"journal\.log is damaged.*choose another --name"
    with pytest.raises(RunError, match=message), storage.open_storage(None, tmp_path):
        pass


@pytest.mark.skipif(os.name != "posix", reason="named pipes have paths on POSIX only")
def test_a_named_pipe_is_no_journal(tmp_path: Path) -> None:
    """A named pipe in the journal's place is refused at once."""
    os.mkfifo(tmp_path / "journal.log")
    message = r"journal\.log cannot be used: it is not a file"
    with pytest.raises(RunError, match=message), storage.open_storage(None, tmp_path):
        pass
