"""Parse command lines into option objects, and print errors."""

import dataclasses
import sys
from typing import Any, TypeVar, get_type_hints

import tyro

from digits.options import TrainOptions
from digits.recipes import RECIPES

Parsed = TypeVar("Parsed")

CONFIG = (
    tyro.conf.PositionalRequiredArgs,  # `digits evaluate runs/classic-1`, not `--model runs/classic-1`
    tyro.conf.OmitArgPrefixes,  # `--rotation`, not `--augmentation.rotation`
)
FIRST = ("recipe", "out", "name", "resume")  # they decide the defaults of the other options of `digits train`


def parse(kind: type[Parsed], arguments: list[str], prog: str, default: Parsed | None = None) -> Parsed:
    """The options of one command. `default` replaces the defaults of the class."""
    if default is None:
        return tyro.cli(kind, args=arguments, prog=prog, config=CONFIG)
    return tyro.cli(kind, args=arguments, prog=prog, config=CONFIG, default=default)


def parse_first(arguments: list[str], prog: str) -> Any:
    """The options named in FIRST alone, with the defaults they have in TrainOptions."""
    hints = get_type_hints(TrainOptions)
    fields = [(f.name, hints[f.name], f.default) for f in dataclasses.fields(TrainOptions) if f.name in FIRST]
    kind = dataclasses.make_dataclass("FirstOptions", fields, frozen=True)
    found: Any
    found, _ = tyro.cli(kind, args=arguments, prog=prog, return_unknown_args=True, add_help=False)
    return found


def parse_train_options(arguments: list[str], prog: str) -> TrainOptions:
    """The options of `digits train`, on top of those of the recipe that `arguments` names."""
    return parse(TrainOptions, arguments, prog, RECIPES[parse_first(arguments, prog).recipe])


def complain(what: object, code: int) -> int:
    """Print one sentence on standard error; returns the exit code."""
    print(f"digits: {what}", file=sys.stderr)
    return code
