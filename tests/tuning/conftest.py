"""Fixtures of the tests of searches: their options, and each kind of storage."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from reliability import database
from support.small_search import QUICK

from digits.tuning.options import TuneOptions


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., TuneOptions]:
    """Return a function that makes options of a small search in the test's folder: small(trials=4)."""

    def make(**options: Any) -> TuneOptions:
        usual: dict[str, Any] = {
            "out": tmp_path,
            "name": "study",
            "search": QUICK,
            "trials": 6,
            "pruner": "none",
        }
        return TuneOptions(**(usual | options))

    return make


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Start a PostgreSQL server, and return the URL of an empty database."""
    programs = database.binaries()
    if programs is None:
        pytest.skip("needs PostgreSQL's server: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'psycopg[binary]'")
    with database.postgresql(programs) as url:
        yield url


@pytest.fixture(params=["journal", "sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """Return the URL of an empty storage of each kind; None for a journal file."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("server"))
    return f"sqlite:///{tmp_path / 'tune.db'}" if request.param == "sqlite" else None
