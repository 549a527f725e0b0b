"""All numbers among the options of a dataclass, with their ranges."""

import dataclasses
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from digits.option_values import Limits


def ranges(kind: type) -> dict[str, list[tuple[type, Limits]]]:
    """Return the type and range of each number that an option of this dataclass may be."""
    hints = get_type_hints(kind, include_extras=True)
    found = {field.name: list(_ranges(hints[field.name])) for field in dataclasses.fields(kind)}
    return {name: pairs for name, pairs in found.items() if pairs}


def _ranges(hint: Any) -> list[tuple[type, Limits]]:
    if get_origin(hint) is Annotated:
        number, allowed, *_ = get_args(hint)
        return [(number, allowed)]
    return [pair for part in get_args(hint) for pair in _ranges(part)]
