"""Training options as points of the search space, and back; the command that trains with them."""

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_search import ALL, SMALL

from digits.cli.train import train_options
from digits.options import Augmentation, TrainOptions
from digits.recipes import RECIPES
from digits.tuning import space


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_a_point_of_the_space(recipe: str) -> None:
    """Options to a point and back are the same options, within every range."""
    start = RECIPES[recipe]
    point = space.point(start)
    assert space.options_at(start, point) == dataclasses.replace(start, lr=start.learning_rate)
    for name, (low, high, *_) in space.ranges(start, ALL).items():
        assert low <= point[name] <= high


def test_what_is_not_searched_stays() -> None:
    """An empty point changes nothing, a point with one number only that."""
    start = RECIPES["mlp"]
    assert space.options_at(start, {}) == start
    assert space.options_at(start, {"rotation": 3.0}) == dataclasses.replace(
        start, augmentation=dataclasses.replace(start.augmentation, rotation=3.0)
    )


def test_a_convolutional_network_has_no_hidden_layers_to_search() -> None:
    """The sizes of hidden layers are those of the mlp alone."""
    assert "hidden" in space.groups(SMALL, ALL)
    convolutions = dataclasses.replace(SMALL, model="cnn", hidden=TrainOptions.hidden)
    assert set(ALL) - set(space.groups(convolutions, ALL)) == {"hidden"}


def test_a_range_reaches_to_where_the_search_starts() -> None:
    """A start outside of the usual range widens it."""
    start = dataclasses.replace(SMALL, hidden=(2000, 8), augmentation=Augmentation(rotation=45))
    ranges = space.ranges(start, ALL)
    assert (ranges["hidden1"].high, ranges["hidden2"].low, ranges["rotation"].high) == (2000, 8, 45)


@st.composite
def points(draw: st.DrawFn) -> TrainOptions:
    """Options anywhere in the space around a recipe."""
    start = RECIPES[draw(st.sampled_from(list(RECIPES)))]
    start = dataclasses.replace(
        start, epochs=draw(st.integers(1, 50)), data=Path("some where"), shuffle=False
    )
    values: dict[str, Any] = {"optimizer": draw(st.sampled_from(space.OPTIMIZERS))}
    for name, (low, high, _, whole) in space.ranges(start, ALL).items():
        values[name] = draw(st.integers(int(low), int(high)) if whole else st.floats(low, high))
    return space.options_at(start, values)


@given(points())
@settings(max_examples=30)
def test_the_command_trains_with_exactly_these_options(options: TrainOptions) -> None:
    """`digits train ...` as it is printed is read as the options of the trial."""
    program, command, *words = shlex.split(space.train_command(options))
    assert (program, command) == ("digits", "train")
    assert train_options(words) == options


def test_momentum_goes_with_the_optimisers_that_have_it() -> None:
    """From SGD with Nesterov's momentum to Adam both are left behind; to RMSprop, Nesterov's form only."""
    start = RECIPES["fast"]
    adam = space.options_at(start, {"optimizer": "adam"})
    assert (adam.momentum, adam.nesterov, adam.learning_rate) == (0.0, False, 0.02)
    rmsprop = space.options_at(start, {"optimizer": "rmsprop", "momentum": 0.5})
    assert (rmsprop.momentum, rmsprop.nesterov) == (0.5, False)
