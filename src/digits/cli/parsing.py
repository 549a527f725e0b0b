"""Parse command lines into option objects."""

import dataclasses
from typing import Any, TypeVar, get_type_hints

import tyro

from digits.options import TrainOptions
from digits.recipes import RECIPES, find_recipe

Parsed = TypeVar("Parsed")

CONFIG = (
    tyro.conf.PositionalRequiredArgs,  # `digits evaluate runs/classic-1`, not `--model runs/classic-1`
    tyro.conf.OmitArgPrefixes,  # `--rotation`, not `--augmentation.rotation`
)
FIRST = ("recipe", "out", "name", "resume")  # they decide the defaults of the other options of `digits train`


def parse(kind: type[Parsed], arguments: list[str], prog: str) -> Parsed:
    """Return the options of one command as an object of the dataclass `kind`.

    `prog` is the command's name in help and errors. With --help, and for an unknown option or a value of the
    wrong type, tyro prints a text and raises SystemExit.
    """
    return tyro.cli(kind, args=arguments, prog=prog, config=CONFIG)


def parse_first(arguments: list[str], prog: str) -> Any:
    """Return an object with only the options in FIRST; all other arguments are ignored."""
    hints = get_type_hints(TrainOptions)
    fields = [(f.name, hints[f.name], f.default) for f in dataclasses.fields(TrainOptions) if f.name in FIRST]
    kind = dataclasses.make_dataclass("FirstOptions", fields, frozen=True)
    found: Any
    found, _ = tyro.cli(kind, args=arguments, prog=prog, return_unknown_args=True, add_help=False)
    return found


def parse_train_options(arguments: list[str], prog: str, default: TrainOptions | None = None) -> TrainOptions:
    """Return the options of `digits train`. `default` has the defaults; without it, the named recipe."""
    default = default or find_recipe(parse_first(arguments, prog).recipe)
    about = f"{TrainOptions.__doc__}\n\nRecipes: {', '.join(RECIPES)}."
    return tyro.cli(
        TrainOptions, args=arguments, prog=prog, config=CONFIG, default=default, description=about
    )
