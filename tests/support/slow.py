"""Mark most cases of a parametrised test as slow."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def mostly_slow(values: Iterable[Any], fast: Collection[Any]) -> list[Any]:
    """Return the parameters, those that are not in `fast` marked as slow."""
    marks = {False: [pytest.mark.slow], True: []}
    return [
        pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=marks[value in fast])
        for value in values
    ]
