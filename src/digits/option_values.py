"""Check the values of options: their types, choices and ranges.

The range of a number stands in the annotation of its field:

    epochs: Annotated[int, Limits(1, 10_000)] = 25

`check_values` checks all fields of an options object in the same way. Command line and Python get the same
messages.
"""

import dataclasses
import functools
import numbers
import operator
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from digits.errors import OptionError

SHOWN = 60  # characters of a wrong value in a message


@dataclass(frozen=True)
class Limits:
    """The allowed values of a number."""

    low: float
    high: float
    above: bool = False  # True: `low` itself is not allowed
    below: bool = False  # True: `high` itself is not allowed

    def __contains__(self, value: float) -> bool:
        """Return True if the value is allowed; NaN never is."""
        enough = self.low < value if self.above else self.low <= value
        return enough and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        low = f"above {_short(self.low)}" if self.above else f"from {_short(self.low)}"
        if self.below:
            return f"{low} to below {_short(self.high)}"
        return f"{low}{',' if self.above else ''} {'at most' if self.above else 'to'} {_short(self.high)}"


class _WrongValue(Exception):  # noqa: N818  # an answer of `_converted`, not an error of the program
    """The value does not fit. The message says what was expected."""


def check_values(options: Any) -> None:
    """Check all values of an options object.

    Values of a similar type are converted: lists to tuples, and NumPy's numbers to Python's.

    Args:
        options: an object of a frozen dataclass; call this in its `__post_init__`.

    Raises:
        OptionError: if a value has another type, is none of the choices or outside its range.
    """
    hints = _annotations(options.__class__)
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        try:
            converted = _converted(hints[field.name], value)
        except _WrongValue as wrong:
            name = field.name.replace("_", "-")
            raise OptionError(f"--{name} is {_shown(value)}; expected {wrong}") from None
        object.__setattr__(options, field.name, converted)


@functools.cache
def _annotations(kind: type) -> dict[str, Any]:
    """Return the annotation of each field of a dataclass. It takes a fifth of a millisecond."""
    return get_type_hints(kind, include_extras=True)


def _converted(hint: Any, value: Any) -> Any:
    """Return the value with the type of its option.

    Args:
        hint: the annotation of the option.
        value: what the user gave.

    Raises:
        _WrongValue: if the value does not fit.
    """
    kind, choices = get_origin(hint), get_args(hint)
    if kind in (Union, types.UnionType):
        return _one_of(choices, value)
    if kind is Annotated:
        return _in_range(choices[0], choices[1], value)
    if kind is Literal:
        if not isinstance(value, str) or value not in choices:
            raise _WrongValue(f"one of: {', '.join(map(str, choices))}")
        return value
    if kind is tuple:
        return _tuple_of(choices, value)
    if hint is int:
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise _WrongValue("a whole number")
        return operator.index(value)
    if hint is float:
        return _float(value)
    if hint in (str, bool) and not isinstance(value, hint):
        raise _WrongValue("a text" if hint is str else "True or False")
    return value  # paths and other dataclasses check themselves


def _one_of(hints: tuple[Any, ...], value: Any) -> Any:
    """Return the value with the first of these types that fits."""
    wanted = []
    for hint in hints:
        if hint is type(None):
            if value is None:
                return None
        else:
            try:
                return _converted(hint, value)
            except _WrongValue as wrong:
                wanted.append(str(wrong))
    raise _WrongValue(" or ".join(wanted))


def _in_range(hint: Any, allowed: Limits, value: Any) -> Any:
    """Return the number with the right type if it is in the range."""
    what = f"a {'whole ' if hint is int else ''}number {allowed}"
    try:
        number = _converted(hint, value)
    except _WrongValue:
        raise _WrongValue(what) from None
    if number not in allowed:
        raise _WrongValue(what)
    return number


def _tuple_of(hints: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    """Return a list or tuple as a tuple whose items have the right types."""
    if not isinstance(value, (list, tuple)):
        raise _WrongValue("several values" if hints[-1] is ... else f"{len(hints)} values")
    if hints[-1] is ...:
        hints = (hints[0],) * len(value)
    if len(value) != len(hints):
        raise _WrongValue(f"{len(hints)} values")
    items = []
    for hint, item in zip(hints, value, strict=True):
        try:
            items.append(_converted(hint, item))
        except _WrongValue as wrong:
            raise _WrongValue(f"{wrong} for each of its values") from None
    return tuple(items)


def _float(value: Any) -> float:
    """Return a number as a float."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise _WrongValue("a number")
    try:
        return float(value)
    except OverflowError:
        raise _WrongValue("a number") from None


def _shown(value: object) -> str:
    """Return a value as text, shortened."""
    try:
        text = repr(value)
    except ValueError:  # Python does not print whole numbers of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _short(bound: float) -> str:
    """Return a bound as text: whole numbers without a point, and 2^64 - 1 instead of its digits."""
    if not isinstance(bound, int):
        return f"{bound:g}"
    if bound == 2**64 - 1:
        return "2^64 - 1"
    return f"{bound:,}" if bound >= 100_000 else str(bound)
