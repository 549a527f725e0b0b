"""What the tests of the server share: one running server, one client and one reader."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.served import Served, served

from digits.reading.reader import Reader


@pytest.fixture(scope="session")
def reader() -> Reader:
    """The bundled CNN with the rejection network."""
    return Reader.load("cnn")


@pytest.fixture(scope="session")
def corrections_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the running server saves corrections."""
    return tmp_path_factory.mktemp("corrections")


@pytest.fixture(scope="session")
def running(corrections_folder: Path) -> Iterator[Served]:
    """A `digits serve` with the bundled networks."""
    with served("--corrections", corrections_folder) as running:
        yield running


@pytest.fixture(scope="session")
def client(running: Served) -> Iterator[httpx.Client]:
    """A client of that server."""
    with httpx.Client(base_url=running.address, timeout=30) as client:
        yield client
