"""Fixtures of the tests about data."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mirror import (
    Server,
)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all the examples of a property: hypothesis makes a file and replaces it."""
    return tmp_path_factory.mktemp("formats")
