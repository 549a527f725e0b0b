"""Convert command lines to option objects, with the package tyro."""

import dataclasses
from typing import Any, NamedTuple, TypeVar, get_type_hints

import tyro

from digits.cli.terminal import trusted_output
from digits.options import Augmentation, DataOptions, TrainOptions, beside, convert_paths, find_recipe
from digits.recipes import RECIPES

Parsed = TypeVar("Parsed")

CONFIG = (  # settings of tyro for all commands
    tyro.conf.PositionalRequiredArgs,  # `digits evaluate runs/classic-1`, not `--model runs/classic-1`
    tyro.conf.OmitArgPrefixes,  # `--rotation`, not `--augmentation.rotation`
)


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


class First(NamedTuple):
    """A first look at the command line of `digits train`."""

    options: Any  # has an attribute for each option, not yet checked; defaults: those of TrainOptions
    given: dict[str, Any]  # the options on the command line and their values


def parse_first(arguments: list[str], prog: str) -> First:
    """Find out which options of `digits train` are on the command line. Unknown words are ignored.

    Args:
        arguments: the words after the command's name.
        prog: name of the command, for error messages.
    Raises:
        SystemExit: code 2 after a printed error message, if a value has a wrong type.
    """
    fields: list[tuple[str, Any, Any]] = []
    for part in (TrainOptions, Augmentation):
        hints = get_type_hints(part)
        fields += [(f.name, hints[f.name], f.default) for f in dataclasses.fields(part)]
    kind = dataclasses.make_dataclass(
        "FirstOptions",
        [field for field in fields if field[0] != "augmentation"],
        frozen=True,
        namespace={"__post_init__": convert_paths},
    )
    found: Any
    found, _ = tyro.cli(
        kind, args=arguments, prog=prog, config=CONFIG, return_unknown_args=True, add_help=False
    )
    typed = {word.partition("=")[0][2:].replace("-", "_") for word in arguments if word.startswith("--")}
    names = [field.name for field in dataclasses.fields(found)]
    given = {name: getattr(found, name) for name in names if typed & {name, f"no_{name}"}}
    return First(found, given)


def parse_train_options(arguments: list[str], prog: str, default: TrainOptions | None = None) -> TrainOptions:
    """Parse the options of `digits train`.

    Options on the command line win over those of the recipe; see `combinations.put_beside`.

    Args:
        arguments: the words after the command's name.
        prog: name of the command, for help and error messages.
        default: values of missing options. None: the values of the recipe in `arguments`.
    """
    first = parse_first(arguments, prog)
    default = default or find_recipe(first.options.recipe)
    if not {"-h", "--help"} & set(arguments):
        default = TrainOptions(**beside(default, first.given))
    about = f"{TrainOptions.__doc__}\n\nRecipes: {', '.join(RECIPES)}."
    with trusted_output():
        return tyro.cli(
            TrainOptions, args=arguments, prog=prog, config=CONFIG, default=default, description=about
        )
