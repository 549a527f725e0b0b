"""Say which option of `digits train` has an effect beside which others.

    NEEDS       what an option needs; without it, a value other than the default is an error
    MADE_FOR    options of a recipe that suit one value of another option only

The functions take all options by name in one flat dictionary, as `options.flat` returns them.
"""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from digits.errors import OptionError

WITH_MOMENTUM = ("sgd", "rmsprop")  # optimizers that have the option --momentum


class Need(NamedTuple):
    """What an option needs to have an effect."""

    option: str
    met: Callable[[SimpleNamespace], bool]  # True if these options let it have an effect
    message: str  # the error; names of options in braces are replaced by their values


# An option stands below those that it needs.
NEEDS = (
    Need("hidden", lambda o: o.model == "mlp", "--hidden works with the mlp only; use --channels"),
    Need("channels", lambda o: o.model == "cnn", "--channels works with the cnn only; use --hidden"),
    Need(
        "view",
        lambda o: o.view != "alternate" or o.ensemble > 1,
        "--view alternate needs --ensemble 2 or more; a single network has one view",
    ),
    Need(
        "input_dropout",
        lambda o: o.model == "mlp",
        "--input-dropout works with the mlp only; use --erasing for the cnn",
    ),
    Need(
        "momentum",
        lambda o: o.optimizer in WITH_MOMENTUM,
        "--momentum works with sgd and rmsprop, not with {optimizer}; leave it out",
    ),
    Need(
        "nesterov",
        lambda o: o.optimizer == "sgd" and o.momentum > 0,
        "--nesterov needs --optimizer sgd and a --momentum above 0",
    ),
    Need("smoothness", lambda o: o.elastic > 0, "--smoothness needs an --elastic above 0"),
    Need("teacher_weight", lambda o: o.teacher is not None, "--teacher-weight needs --teacher"),
    Need("temperature", lambda o: o.teacher is not None, "--temperature needs --teacher"),
    Need(
        "label_smoothing",
        lambda o: o.teacher is None or o.teacher_weight < 1,
        "--label-smoothing has no effect with --teacher-weight 1, which leaves out the labels; "
        "choose a lower --teacher-weight",
    ),
    Need(
        "autograd",
        lambda o: o.model == "mlp" and not (o.dropout or o.input_dropout),
        "--autograd is for the mlp without dropout; other networks always use it, so leave it out",
    ),
    Need("allow_inexact", lambda o: o.resume, "--allow-inexact needs --resume"),
)
# Option -> the option whose value it was chosen for. Beside another value, a recipe's value is not used.
MADE_FOR = {"lr": "optimizer", "synthetic": "dataset", "teacher": "dataset"}


def check_needs(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Check that every option has an effect, except those with their default values.

    Args:
        values, defaults: name of each option -> value.

    Raises:
        OptionError: if an option has no effect beside the others.
    """
    options = SimpleNamespace(**values)
    for need in NEEDS:
        if values[need.option] != defaults[need.option] and not need.met(options):
            raise OptionError(need.message.format_map(values))


def put_beside(
    base: Mapping[str, Any], given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Put given options beside those of a recipe.

    A given option always wins: an option of the recipe that has no effect beside it, or was chosen for
    another value of it, gets its default.

    Args:
        base: the options of the recipe.
        given: some of the options, as the user gave them.
        defaults: the default values of all options.

    Returns:
        All options. Options that the user gave may still need each other; see `check_needs`.
    """
    options = SimpleNamespace(**{**base, **given})
    for name, other in MADE_FOR.items():
        if name not in given and vars(options)[other] != base[other]:
            setattr(options, name, defaults[name])
    for need in NEEDS:
        if need.option not in given and not need.met(options):
            setattr(options, need.option, defaults[need.option])
    return vars(options)
