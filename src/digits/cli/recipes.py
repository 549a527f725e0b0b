"""`digits recipes`: the recipes with their measured figures."""

import dataclasses
import json
from dataclasses import dataclass

from digits.cli.describe import listing
from digits.cli.parsing import parse
from digits.options import to_json
from digits.recipes import FIGURES, RECIPES


@dataclass(frozen=True)
class RecipesOptions:
    """List the recipes with what they reach."""

    json: bool = False
    """Print one JSON object, every option included, instead of a table."""


def recipes(arguments: list[str]) -> int:
    """Run `digits recipes`; returns the exit code."""
    options = parse(RecipesOptions, arguments, "digits recipes")
    if options.json:
        table = {
            name: {**dataclasses.asdict(FIGURES[name]), "options": json.loads(to_json(recipe))}
            for name, recipe in RECIPES.items()
        }
        print(json.dumps(table, indent=2))
    else:
        print(listing(), end="")
    return 0
