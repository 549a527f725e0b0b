"""Any option given beside a recipe wins, on the command line and in Python; numbers at their extremes."""

import contextlib
import dataclasses
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from support.option_fields import ranges

import digits
from digits.cli.main import COMMANDS, main
from digits.cli.parsing import parse_train_options
from digits.combinations import MADE_FOR, NEEDS
from digits.errors import OptionError, TrainingError
from digits.option_values import check_values
from digits.options import Augmentation, Model, TrainOptions, find_recipe, flat
from digits.recipes import RECIPES
from digits.training.file_limits import check_file_sizes

# One value of each option that no recipe has.
VALUES: dict[str, tuple[Any, ...]] = {
    "dataset": ("kmnist",),
    "data": (Path(__file__),),
    "unverified": (True,),
    **dict.fromkeys(("invert", "transpose", "mirror", "flip"), (True,)),
    "split": ("writers",),
    "val_size": (77, 0.25),
    "test_size": (33,),
    "split_seed": (5,),
    "synthetic": (0, 12),
    "model": ("mlp", "cnn"),
    "hidden": ((30, 20),),
    "channels": ((3, 5, 7),),
    "view": ("as-is", "upright", "alternate"),
    "dropout": (0.0, 0.3),
    "input_dropout": (0.0, 0.15),
    "ensemble": (1, 3),
    "epochs": (3,),
    "batch_size": (48,),
    "shuffle": (False,),
    "drop_last": (True,),
    "optimizer": ("sgd", "adam", "adamw", "rmsprop"),
    "lr": (0.0123,),
    "momentum": (0.0, 0.55),
    "nesterov": (False, True),
    "weight_decay": (0.0, 0.003),
    "schedule": ("constant", "cosine", "one-cycle"),
    "warmup": (0.0, 0.11),
    "clip": (1.5,),
    "label_smoothing": (0.0, 0.07),
    "ema": (0.0, 0.97),
    "teacher": ("mlp", None),
    "teacher_weight": (0.4, 1.0),
    "temperature": (3.5,),
    "keep": ("best", "last"),
    "patience": (4,),
    "seed": (9,),
    "threads": (3,),
    "device": ("cpu",),
    "precision": ("float32", "bfloat16"),
    "out": (Path("elsewhere"),),
    "name": ("mine",),
    "checkpoint_every": (6,),
    "plots": (False,),
    "autograd": (False, True),
    "tensorboard": (True,),
    "rotation": (0.0, 7.0),
    "scaling": (0.0, 0.07),
    "shear": (0.0, 3.0),
    "translation": (0.0, 2.0),
    "elastic": (0.0, 11.0),
    "smoothness": (5.0,),
    "thickness": (0.0, 0.2),
    "sharpness": (0.0, 3.0),
    "erasing": (0.0, 0.2),
}
LEFT_OUT = {"recipe", "resume", "allow_inexact", "augmentation"}  # they do not stand beside a recipe
PAIRS = [(recipe, name, value) for recipe in RECIPES for name, values in VALUES.items() for value in values]
BOUND = {need.option for need in NEEDS} | {*MADE_FOR, *MADE_FOR.values()} | {"model", "ensemble", "dropout"}


def words(name: str, value: Any) -> list[str]:
    """Return an option as words of a command line."""
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{'' if value else 'no-'}{option}"]
    return [f"--{option}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]


def given(recipe: str, name: str, value: Any) -> TrainOptions:
    """Return what Python makes of a recipe and one option."""
    strengths = {field.name for field in dataclasses.fields(Augmentation)}
    if name in strengths:
        augmentation = dataclasses.replace(RECIPES[recipe].augmentation, **{name: value})
        return TrainOptions(recipe=recipe, augmentation=augmentation)
    return TrainOptions(recipe=recipe, **{name: value})


def attempt(make: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns, or the message of its OptionError."""
    try:
        return make(*arguments)
    except OptionError as error:
        return str(error)


def test_every_option_is_tried() -> None:
    """The values above leave no option out."""
    assert {*VALUES, *LEFT_OUT} == {
        field.name for kind in (TrainOptions, Augmentation) for field in dataclasses.fields(kind)
    }


def test_an_option_beside_a_recipe_wins() -> None:
    """For every recipe and option: the value is used, or refused by its own name; nothing else is lost.

    Further options of the recipe change only if they have no effect beside it, or were chosen for another
    value of it.
    """
    defaults = flat(TrainOptions())
    refused = set()
    for recipe, name, value in PAIRS:
        made = attempt(given, recipe, name, value)
        if isinstance(made, str):
            assert made.startswith(f"--{name.replace('_', '-')} "), (recipe, name, value, made)
            refused.add(name)
            continue
        found, before = flat(made), flat(RECIPES[recipe])
        assert found[name] == value
        for other in before.keys() - {name}:
            if found[other] != before[other]:
                assert other in BOUND, (recipe, name, other)
                assert found[other] == defaults[other]
    assert refused <= {need.option for need in NEEDS}


@pytest.mark.parametrize(
    ("recipe", "changes", "expected"),
    [
        ("fast", {"optimizer": "adam"}, {"learning_rate": 0.001, "momentum": 0.0, "nesterov": False}),
        ("fast", {"optimizer": "rmsprop"}, {"learning_rate": 0.001, "momentum": 0.9, "nesterov": False}),
        ("fast", {"optimizer": "sgd"}, {"learning_rate": 0.2, "momentum": 0.9, "nesterov": True}),
        ("fast", {"optimizer": "adam", "lr": 0.2}, {"learning_rate": 0.2}),
        ("fast-cnn", {"optimizer": "sgd"}, {"learning_rate": 0.01}),
        ("mlp", {"dataset": "fashion-mnist"}, {"teacher": None, "synthetic": 0, "epochs": 40}),
        ("mlp", {"teacher": None}, {"teacher": None, "synthetic": 6000}),
        ("mlp", {"model": "cnn"}, {"model": "cnn", "hidden": (128, 64), "teacher": "cnn"}),
        ("baseline", {"model": "cnn"}, {"input_dropout": 0.0, "dropout": 0.5}),
        ("ensemble", {"ensemble": 1}, {"view": "as-is"}),
        ("ensemble", {"ensemble": 2}, {"view": "alternate"}),
        ("fast", {"momentum": 0.0}, {"nesterov": False, "learning_rate": 0.2}),
        ("cnn", {"epochs": 1, "plots": False}, {"model": "cnn", "ema": 0.999, "synthetic": 6000}),
    ],
)
def test_what_a_recipe_gives_up(recipe: str, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """The known pairs, in Python and on the command line alike."""
    found = TrainOptions(recipe=recipe, **changes)
    typed = [word for name, value in changes.items() for word in words(name, value)]
    assert parse_train_options(["--recipe", recipe, *typed], "digits train") == found
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.slow
def test_command_line_and_python_agree() -> None:
    """Every seventeenth pair of a recipe and an option: the same options, or the same message."""
    for recipe, name, value in PAIRS[::17]:
        typed = ["--recipe", recipe, *words(name, value)]
        on_the_command_line = attempt(parse_train_options, typed, "digits train")
        assert on_the_command_line == attempt(given, recipe, name, value), typed


def test_a_recipe_in_python() -> None:
    """`TrainOptions(recipe=...)` is the recipe; an unknown one is refused with the names of all."""
    for name in RECIPES:
        assert TrainOptions(recipe=name) == TrainOptions(name) == RECIPES[name] == find_recipe(name)
    for wrong in ("slow", "../up", ""):
        with pytest.raises(OptionError, match=r"^--recipe is .*expected one of: classic, fast"):
            TrainOptions(recipe=wrong, epochs=1)
    program = "import digits; print(digits.TrainOptions(recipe='cnn').model)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "cnn\n"


# ------------------------------------------------------------------------------------------------ extremes

KINDS = (Augmentation, *(kind for _, kind in COMMANDS.values()))
NUMBERS = [(kind, name) for kind in KINDS for name in ranges(kind)]
EXTREMES: tuple[Any, ...] = (-1, 0, 1, 2**31, 2**63, 2**64, 10**20, 10**400, 10**5000, -(10**400))
EXTREMES += (-0.5, 0.5, 1e-320, 1e20, 1e308, math.nan, math.inf, -math.inf)
REQUIRED = {"images": (Path("a.png"),), "folder": Path("a"), "model": "cnn", "first": "cnn", "second": "mlp"}
NEEDED: dict[str, dict[str, Any]] = {
    "momentum": {"optimizer": "sgd"},
    "channels": {"model": "cnn"},
    "smoothness": {"elastic": 1.0},
}
NEEDED |= {name: {"teacher": "cnn"} for name in ("teacher_weight", "temperature")}


def made(kind: type, name: str, value: object) -> Any:
    """Return options of this class with a value for one option."""
    missing = {f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
    return kind(
        **{
            **{n: v for n, v in REQUIRED.items() if n in missing},
            **(NEEDED.get(name, {}) if kind is TrainOptions else {}),
            name: value,
        }
    )


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_numbers_at_their_extremes(kind: type, name: str) -> None:
    """Every number of every command has limits: at them it is accepted, beyond them there is one sentence."""
    for number, limits in ranges(kind)[name]:
        assert math.isfinite(limits.low)
        assert math.isfinite(limits.high)
        several = isinstance(getattr(kind, name), tuple)
        count = len(getattr(kind, name)) if several else 0
        values: tuple[Any, ...] = (*EXTREMES, limits.low, limits.high, "1", None, [], True)
        for value in values:
            kind_of_value = type(value).__name__
            right = kind_of_value in (number.__name__, "int") and value in limits
            others = [pair for pair in ranges(kind)[name] if pair != (number, limits)]
            if any(value in its for other, its in others if other.__name__ == kind_of_value):
                continue  # a number of images is no share
            found = attempt(made, kind, name, (value,) * count if several else value)
            if isinstance(found, str):
                assert re.match(rf"--{name.replace('_', '-')} is .*; expected ", found)
                assert len(found) < 300
                assert not right
            else:
                assert right or value is None


def test_no_number_is_without_limits() -> None:
    """Every int or float among the options has its range in its annotation."""
    for kind in KINDS:
        for field in dataclasses.fields(kind):
            text = str(field.type)
            if field.type in (int, float) or (isinstance(text, str) and text in ("int", "float")):
                pytest.fail(f"{kind.__name__}.{field.name} has no limits")


@pytest.mark.parametrize(
    ("changes", "words_of_it"),
    [
        ({"hidden": (200_000, 200_000)}, "the checkpoint would have .* choose smaller --hidden"),
        ({"model": "cnn", "channels": (8000, 8000, 8000)}, "the checkpoint would have .* smaller --channels"),
        ({"hidden": (4000, 4000), "ensemble": 5}, "model.npz would have .* a smaller --ensemble"),
    ],
)
def test_files_that_would_be_too_large(changes: dict[str, Any], words_of_it: str) -> None:
    """The size of a checkpoint and of an ensemble's file is known before the first epoch."""
    with pytest.raises(OptionError, match=words_of_it):
        check_file_sizes(TrainOptions(**changes))


def test_the_largest_ensembles_and_the_most_epochs_fit() -> None:
    """64 networks of either kind and 10,000 epochs are allowed, one more is not."""
    for model in get_args(Model):
        check_file_sizes(TrainOptions(model=model, ensemble=64, epochs=10_000))
    with pytest.raises(OptionError, match=r"^--ensemble is 65; expected a whole number from 1 to 64"):
        TrainOptions(ensemble=65)
    with pytest.raises(OptionError, match=r"^--epochs is 10001; expected a whole number from 1 to 10000"):
        TrainOptions(epochs=10_001)
    with pytest.raises(OptionError, match=r"^--seed is .* the last of 2 networks needs a seed below 2\^64"):
        TrainOptions(seed=2**64 - 1, ensemble=2)


@pytest.mark.parametrize(
    "typed",
    [
        ["--hidden", "200000", "200000"],
        ["--batch-size", "1e20"],
        ["--batch-size", "9" * 5000],
        ["--threads", "100000"],
        ["--lr", "1e308"],
        ["--lr", "nan"],
        ["--seed", "-1"],
        ["--elastic", "inf"],
    ],
)
def test_extremes_on_the_command_line(
    typed: list[str], tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and a sentence; no traceback, no folder."""
    for command in ("train", "tune"):
        try:
            code = main([command, "--data", str(tiny_folder), "--out", str(tmp_path / "out"), *typed])
        except SystemExit as stop:  # the value is no number of this type
            code = int(str(stop.code))
        assert code == 2
        assert typed[0] in capsys.readouterr().err
        assert not list((tmp_path / "out").glob("*"))


@pytest.mark.slow
def test_training_at_the_limits(tiny_folder: Path, tmp_path: Path) -> None:
    """With any number at its lowest or highest value, training ends well or in one sentence."""
    data = digits.load_data(data=tiny_folder)
    parts = digits.split(data)
    small: dict[str, Any] = {"hidden": (4, 4), "epochs": 1, "batch_size": 200, "device": "cpu"}
    skipped = {"ensemble", "epochs", "hidden", "channels", "val_size", "test_size", "checkpoint_every"}
    for kind in (TrainOptions, Augmentation):
        for name, pairs in ranges(kind).items():
            if kind is TrainOptions and name in skipped | {"synthetic"}:
                continue
            for number, limits in pairs:
                # The float next to a limit that is not allowed itself.
                low = math.nextafter(limits.low, 1) if limits.above else number(limits.low)
                high = math.nextafter(limits.high, 0) if limits.below else number(limits.high)
                for value in (low, high):
                    options = _at(kind, name, value, small)
                    teacher = digits.load("cnn") if options.teacher else None
                    with contextlib.suppress(TrainingError):  # any other error is a fault
                        list(digits.train(options, parts.train, parts.val, teacher=teacher))


def _at(kind: type, name: str, value: float, small: dict[str, Any]) -> TrainOptions:
    if kind is Augmentation:
        return TrainOptions(**small, augmentation=Augmentation(**{"elastic": 5.0, name: value}))
    return TrainOptions(**{**small, **NEEDED.get(name, {}), name: value})


def test_similar_types_are_converted() -> None:
    """Lists, whole numbers and NumPy's numbers become what the option has; other types are refused."""
    numpy = pytest.importorskip("numpy")
    found = TrainOptions(
        hidden=[8, numpy.int64(4)],  # type: ignore[arg-type]  # as from a notebook
        seed=numpy.int64(3),
        lr=numpy.float32(0.5),
        dropout=0,
    )
    assert (found.hidden, found.seed, found.lr, found.dropout) == ((8, 4), 3, 0.5, 0.0)
    assert [type(v) for v in (found.seed, found.lr, found.dropout)] == [int, float, float]
    check_values(found)


# ---------------------------------------------------------------------------------------- digits.train


@pytest.mark.parametrize(
    "changes", [{"ensemble": 5}, {"resume": True}, {"checkpoint_every": 3}, {"tensorboard": True}]
)
def test_what_digits_train_cannot_do_is_refused(tiny_folder: Path, changes: dict[str, Any]) -> None:
    """Options for runs with a folder are refused by `digits.train`, which trains one network."""
    parts = digits.split(digits.load_data(data=tiny_folder))
    (name,) = changes
    with pytest.raises(OptionError, match=f"^{name}=.* has no effect on digits.train"):
        next(digits.train(TrainOptions(**changes), parts.train, parts.val))


def test_bfloat16_works_for_the_mlp(tiny_folder: Path) -> None:
    """`--precision bfloat16` changes the training of an mlp, too, a little."""
    parts = digits.split(digits.load_data(data=tiny_folder))
    losses = []
    for precision in ("float32", "bfloat16"):
        options = TrainOptions(hidden=(8, 8), epochs=1, device="cpu", precision=precision)
        (epoch,) = digits.train(options, parts.train, parts.val)
        losses.append(epoch.val_loss)
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
