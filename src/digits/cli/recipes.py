"""Run `digits recipes`: list the recipes with their measured results."""

import dataclasses
import json
import textwrap
from dataclasses import dataclass

from digits.cli.describe import describe_network, describe_training
from digits.cli.parsing import parse
from digits.options import to_json
from digits.recipes import PURPOSES, RECIPES, load_figures

TEXT_WIDTH = 98  # characters; longer lines of the list are wrapped


@dataclass(frozen=True)
class RecipesOptions:
    """List the recipes with their measured results."""

    json: bool = False
    """Print one JSON object with all options of each recipe."""


def recipes(arguments: list[str]) -> int:
    """Run `digits recipes` and return its exit code.

    Args:
        arguments: the words after `digits recipes`.
    """
    options = parse(RecipesOptions, arguments, "digits recipes")
    if options.json:
        print(json.dumps({name: _as_json(name) for name in RECIPES}, indent=2, allow_nan=False))
    else:
        print("\n".join(map(_as_text, RECIPES)), end="")
    return 0


def _as_json(name: str) -> dict[str, object]:
    """Return the recipe `name` as a JSON object."""
    figures = load_figures().get(name)
    return {
        "purpose": PURPOSES[name],
        **(dataclasses.asdict(figures) if figures else {}),
        "options": json.loads(to_json(RECIPES[name])),
    }


def _as_text(name: str) -> str:
    """Describe the recipe `name` in a few lines of text."""
    lines = [_results(name), describe_network(RECIPES[name]), describe_training(RECIPES[name])]
    wrapped = [
        textwrap.fill(line, TEXT_WIDTH, initial_indent="  ", subsequent_indent="    ") for line in lines
    ]
    return "\n".join([f"{name:<10}{PURPOSES[name]}", *wrapped, ""])


def _results(name: str) -> str:
    """Describe the measured results of the recipe `name` in one line of text."""
    figures = load_figures().get(name)
    if figures is None:
        return "not measured yet"
    spread = f" ± {figures.deviation:.2%}" if figures.deviation else ""
    time = f"{figures.seconds:.1f} s" if figures.seconds < 60 else f"{figures.seconds / 60:.0f} min"
    return f"{figures.test:.2%}{spread} of the test images read right after {time} of training"
