"""The recipes: plain data, and figures that a benchmark has written."""

import dataclasses
import json
from pathlib import Path

import pytest

from digits.errors import OptionError
from digits.recipes import PURPOSES, RECIPES, find_recipe, load_figures

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def test_every_recipe_is_there_under_its_own_name() -> None:
    """A recipe's options carry its name; each has a purpose, and only known recipes have figures."""
    assert all(options.recipe == name for name, options in RECIPES.items())
    assert list(PURPOSES) == list(RECIPES)
    assert set(load_figures()) <= set(RECIPES)


def test_an_unknown_recipe_is_refused_with_the_names_of_all() -> None:
    """`--recipe` with a wrong name says which names there are."""
    with pytest.raises(OptionError, match="--recipe is 'slow'; expected one of: classic, fast, baseline"):
        find_recipe("slow")


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


@pytest.mark.parametrize("name", load_figures())
def test_figures_are_those_measured(name: str) -> None:
    """Seeds, mean, deviation and time of `digits recipes` are in the results of the benchmark."""
    figures = load_figures()[name]
    # Every second network of the ensemble is trained as the recipe cnn is.
    content = json.loads((RESULTS / f"accuracy-{'ensemble' if name == 'cnn' else name}.json").read_text())
    content = content["members"]["as-is"] if name == "cnn" else content
    found = content["summary"]["test_accuracy"]
    assert figures.seeds == found["n"] == len(content["runs"])
    assert figures.test == pytest.approx(found["mean"], abs=5e-5)
    assert figures.deviation == pytest.approx(found.get("deviation", 0.0), abs=5e-5)
    assert figures.seconds == pytest.approx(content["summary"]["train_seconds"]["mean"], abs=0.06)
