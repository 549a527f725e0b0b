"""The recipes: plain data, and figures that a benchmark has written."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
import torch

from digits.cli.describe import describe_network
from digits.cli.main import main
from digits.data import dataset
from digits.errors import OptionError
from digits.options import find_recipe, from_json
from digits.recipes import PURPOSES, RECIPES, load_figures
from digits.training.state import begin

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


def test_recipes_are_listed_with_their_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """Each recipe has its purpose, accuracy, size and training; with --json, all options."""
    assert main(["recipes"]) == 0
    blocks = capsys.readouterr().out.split("\n\n")
    for block, (name, figures) in zip(blocks, load_figures().items(), strict=True):
        first, reached, *rest = block.splitlines()
        assert first == f"{name:<10}{PURPOSES[name]}"
        assert f"{figures.test:.2%}" in reached
        assert "weights" in rest[0]
        assert f"batches of {RECIPES[name].batch_size}" in re.sub(r"\s+", " ", " ".join(rest))
    assert main(["recipes", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert {name: from_json(json.dumps(entry["options"])) for name, entry in table.items()} == RECIPES


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "ensemble"])
def test_networks_have_the_weights_that_are_announced(recipe: str) -> None:
    """The number of weights in a recipe's line is that of the network."""
    options = dataclasses.replace(RECIPES[recipe], teacher=None)
    state = begin(
        options, dataset.Digits(torch.arange(784, dtype=torch.uint8).view(1, 28, 28), torch.zeros(1))
    )
    count = sum(p.numel() for p in state.model.parameters())
    assert f" {count:,} weights" in describe_network(options)
