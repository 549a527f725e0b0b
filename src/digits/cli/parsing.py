"""Convert command lines to option objects, with the package tyro."""

import dataclasses
from typing import Any, TypeVar, get_type_hints

import tyro

from digits.cli.terminal import trusted_output
from digits.options import DataOptions, TrainOptions, convert_paths
from digits.recipes import RECIPES, find_recipe

Parsed = TypeVar("Parsed")

CONFIG = (  # settings of tyro for all commands
    tyro.conf.PositionalRequiredArgs,  # `digits evaluate runs/classic-1`, not `--model runs/classic-1`
    tyro.conf.OmitArgPrefixes,  # `--rotation`, not `--augmentation.rotation`
)
FIRST = ("recipe", "out", "name", "resume")  # options of `digits train` that set the defaults of the others


def parse(kind: type[Parsed], arguments: list[str], prog: str, *more: Any) -> Parsed:
    """Parse the options of one command.

    Args:
        kind: dataclass of the options.
        arguments: the words after the command's name.
        prog: name of the command, such as "digits adapt", for help and error messages.
        more: settings of tyro for this command, beside CONFIG.
    Returns:
        An object of the class `kind`.
    Raises:
        SystemExit: code 0 after --help; code 2 after a printed error message.
        OptionError: if a value is outside its range.
        DataError: if --data is not there.
    """
    with trusted_output():
        options = tyro.cli(kind, args=arguments, prog=prog, config=(*CONFIG, *more))
    if isinstance(options, DataOptions):
        options.check_place()  # here, because PyTorch takes seconds to import
    return options


def parse_first(arguments: list[str], prog: str) -> Any:
    """Parse the options in FIRST, and ignore all others.

    Args:
        arguments: the words after the command's name.
        prog: name of the command, for error messages.
    Returns:
        An object with the attributes `recipe`, `out`, `name` and `resume`.
    """
    hints = get_type_hints(TrainOptions)
    fields = [(f.name, hints[f.name], f.default) for f in dataclasses.fields(TrainOptions) if f.name in FIRST]
    methods = {"__post_init__": convert_paths}
    kind = dataclasses.make_dataclass("FirstOptions", fields, frozen=True, namespace=methods)
    found: Any
    found, _ = tyro.cli(kind, args=arguments, prog=prog, return_unknown_args=True, add_help=False)
    return found


def parse_train_options(arguments: list[str], prog: str, default: TrainOptions | None = None) -> TrainOptions:
    """Parse the options of `digits train`.

    Args:
        arguments: the words after the command's name.
        prog: name of the command, for help and error messages.
        default: values of missing options. None: the values of the recipe in `arguments`.
    Raises:
        DataError: if --data is not there.
    """
    default = default or find_recipe(parse_first(arguments, prog).recipe)
    about = f"{TrainOptions.__doc__}\n\nRecipes: {', '.join(RECIPES)}."
    with trusted_output():
        options = tyro.cli(
            TrainOptions, args=arguments, prog=prog, config=CONFIG, default=default, description=about
        )
    options.check_place()
    return options
