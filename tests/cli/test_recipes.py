"""The recipes: plain data, and figures that a benchmark has written."""

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import pytest

from digits.options import Recipe
from digits.recipes import FIGURES, RECIPES

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def test_every_recipe_is_there_under_its_own_name() -> None:
    """The names that --recipe takes, the recipes and their figures are the same."""
    assert list(RECIPES) == list(FIGURES) == list(get_args(Recipe))
    assert all(recipe.recipe == name for name, recipe in RECIPES.items())


def test_the_ensemble_is_several_of_the_cnn() -> None:
    """Number and view alone differ, so that members with the plain view are seeds of the recipe cnn."""
    one = dataclasses.replace(RECIPES["ensemble"], ensemble=1, view="as-is", recipe="cnn")
    assert one == RECIPES["cnn"]
    assert 1 < RECIPES["ensemble"].ensemble <= 8


def test_no_recipe_is_bound_to_a_place_or_a_seed() -> None:
    """Data, folder, name and seed are the user's business."""
    default = RECIPES["classic"]
    for recipe in RECIPES.values():
        for option in ("dataset", "data", "out", "name", "seed", "split_seed", "device", "resume"):
            assert getattr(recipe, option) == getattr(default, option)


def measured(name: str) -> dict[str, Any]:
    """What benchmarks/accuracy.py found about a recipe; about the cnn, as every second of the ensemble."""
    if name == "cnn":
        members: dict[str, Any] = json.loads((RESULTS / "accuracy-ensemble.json").read_text())["members"]
        seen: dict[str, Any] = members["as-is"]
        return seen
    content: dict[str, Any] = json.loads((RESULTS / f"accuracy-{name}.json").read_text())
    return content


@pytest.mark.parametrize("name", RECIPES)
def test_figures_are_those_measured(name: Recipe) -> None:
    """Seeds, mean, deviation and time of `digits recipes` are in the results of the benchmark."""
    figures, content = FIGURES[name], measured(name)
    found = content["summary"]["test_accuracy"]
    assert figures.seeds == found["n"] == len(content["runs"])
    assert figures.test == pytest.approx(found["mean"], abs=5e-5)
    assert figures.deviation == pytest.approx(found.get("deviation", 0.0), abs=5e-5)
    assert figures.seconds == pytest.approx(content["summary"]["train_seconds"]["mean"], rel=0.02, abs=0.06)
