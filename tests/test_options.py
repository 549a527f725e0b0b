"""Options: every check names its option, and JSON brings back exactly what was written."""

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.option_fields import ranges

from digits import options
from digits.combinations import NEEDS
from digits.errors import OptionError
from digits.evaluation.options import EvaluateOptions
from digits.options import Augmentation, TrainOptions, differences, from_json, load_options, to_json

NAMES = {field.name for field in dataclasses.fields(TrainOptions)}
NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("hidden", [(0, 64), (128, 0), (-1, 4)]),
        ("epochs", [0, -1]),
        ("batch_size", [0, -64]),
        ("threads", [0]),
        ("patience", [-1]),
        ("checkpoint_every", [-1]),
        ("seed", [-1, 2**64]),
        ("split_seed", [-1]),
        ("val_size", [0, -1, 10.0, 1.0, NAN]),
        ("test_size", [0, -1]),
        ("weight_decay", [-1e-9, NAN, INFINITY]),
        ("lr", [0.0, -0.1, NAN, INFINITY, "0.1", True]),
        ("optimizer", ["adma", 1, None]),
        ("shuffle", [1, "no"]),
        ("channels", [(1, 2), 32, "32 64 128"]),
        ("ensemble", [0, 65]),
        ("momentum", [-0.1, 1.0, NAN, INFINITY]),
        ("recipe", ["", "..", "a/b", "../up", "a\0b"]),
        ("name", ["", ".", "..", "/", "a/b", "/etc", "../up", "a/", "a\0b"]),
    ],
)
def test_impossible_value_is_refused_and_its_option_named(name: str, values: list[Any]) -> None:
    """A value that an option cannot have raises OptionError with the option as it is typed."""
    for value in values:
        with pytest.raises(OptionError, match=f"^--{name.replace('_', '-')} is ") as caught:
            TrainOptions(**{name: value})
        assert "expected" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"momentum": 0.9, "optimizer": "adam"}, "--momentum works with sgd and rmsprop, not with adam"),
        ({"momentum": 0.9, "optimizer": "adamw"}, "--momentum works with sgd and rmsprop, not with adamw"),
        ({"view": "alternate"}, "--view alternate needs --ensemble 2 or more"),
        ({"nesterov": True}, "--nesterov needs --optimizer sgd and a --momentum above 0"),
        ({"nesterov": True, "momentum": 0.9, "optimizer": "rmsprop"}, "--nesterov needs --optimizer sgd"),
    ],
)
def test_options_that_do_not_go_together(changes: dict[str, Any], words: str) -> None:
    """Options without effect beside each other are refused, and both are named."""
    with pytest.raises(OptionError, match=re.escape(words)):
        TrainOptions(**changes)


# What needs what: a value with an effect only beside the second, and what the table of needs says without it.
WITHOUT_EFFECT: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "hidden": [({"model": "cnn", "hidden": (8, 8)}, {"model": "mlp"})],
    "channels": [({"channels": (8, 8, 8)}, {"model": "cnn"})],
    "view": [({"view": "alternate"}, {"ensemble": 2})],
    "input_dropout": [({"model": "cnn", "input_dropout": 0.1}, {"model": "mlp"})],
    "momentum": [
        ({"optimizer": "adam", "momentum": 0.9}, {"optimizer": "rmsprop"}),
        ({"optimizer": "adamw", "momentum": 0.9}, {"optimizer": "sgd"}),
    ],
    "nesterov": [
        ({"nesterov": True}, {"momentum": 0.9}),
        ({"nesterov": True, "optimizer": "rmsprop", "momentum": 0.9}, {"optimizer": "sgd"}),
    ],
    "smoothness": [({"smoothness": 3.0}, {"elastic": 10.0})],
    "teacher_weight": [({"teacher_weight": 0.5}, {"teacher": "cnn"})],
    "temperature": [({"temperature": 3.0}, {"teacher": "cnn"})],
    "label_smoothing": [
        ({"label_smoothing": 0.1, "teacher": "cnn", "teacher_weight": 1.0}, {"teacher_weight": 0.9})
    ],
    "autograd": [
        ({"autograd": True, "model": "cnn"}, {"model": "mlp"}),
        ({"autograd": True, "dropout": 0.5}, {"dropout": 0.0}),
        ({"autograd": True, "input_dropout": 0.5}, {"input_dropout": 0.0}),
    ],
    "allow_inexact": [({"allow_inexact": True}, {"resume": True})],
}


def flat_options(**values: Any) -> TrainOptions:
    """Return options; those of the augmentation may stand beside the others."""
    strengths = {name: values.pop(name) for name in ("smoothness", "elastic") if name in values}
    return TrainOptions(augmentation=Augmentation(**strengths), **values)


@pytest.mark.parametrize("name", [need.option for need in NEEDS])
def test_an_option_without_effect_is_refused(name: str) -> None:
    """Each row of the table: alone it is refused by its name, and beside what it needs it is accepted."""
    for alone, needed in WITHOUT_EFFECT[name]:
        with pytest.raises(OptionError, match=f"^--{name.replace('_', '-')} "):
            flat_options(**alone)
        flat_options(**{**alone, **needed})


def test_evaluate_threads_are_checked() -> None:
    """`digits evaluate` checks its number of threads as training does."""
    with pytest.raises(OptionError, match=r"^--threads is 0; expected a whole number from 1 to 1024"):
        EvaluateOptions("runs/a", threads=0)


def test_smallest_and_unusual_values_are_accepted() -> None:
    """The checks leave the edges of what is possible alone."""
    made = TrainOptions(
        hidden=(1, 1), epochs=1, batch_size=1, val_size=1, test_size=1, seed=2**64 - 1, name="über 1.5"
    )
    assert made.name == "über 1.5"
    assert TrainOptions(optimizer="rmsprop", momentum=0.999).momentum == 0.999
    assert TrainOptions(momentum=0.9, nesterov=True).nesterov


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.01), *((o, 0.001) for o in ("adam", "adamw"))])
def test_default_learning_rate(optimizer: Any, rate: float) -> None:
    """Without --lr, SGD learns at the mission's 0.01 and the adaptive rules at their authors' 0.001."""
    assert TrainOptions(optimizer=optimizer).learning_rate == rate
    assert TrainOptions(optimizer=optimizer, lr=0.5).learning_rate == 0.5


def test_defaults_are_the_textbook_run() -> None:
    """Without options: 784-128-64-10, SGD, 25 epochs of batches of 64, one thread."""
    plain = TrainOptions()
    assert (plain.hidden, plain.optimizer, plain.epochs, plain.batch_size) == ((128, 64), "sgd", 25, 64)
    assert (plain.learning_rate, plain.momentum, plain.schedule, plain.threads) == (0.01, 0.0, "constant", 1)


# ------------------------------------------------------------------------------------- to JSON and back

# Every name that the system accepts: text, and bytes that are no text, without a zero byte.
text_names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
byte_names = st.binary(min_size=1).filter(lambda name: b"\0" not in name).map(os.fsdecode)
paths = st.one_of(text_names, byte_names).map(Path)
counts = st.integers(1, 10**9)
rates = st.floats(1e-12, 1e12)
numbered = ranges(TrainOptions)
folder_names = st.text(min_size=1).filter(lambda n: n != ".." and Path(n).name == n and "\0" not in n)
rules = st.one_of(
    st.fixed_dictionaries({"optimizer": st.sampled_from(get_args(options.OptimizerName))}),
    st.fixed_dictionaries(
        {"optimizer": st.sampled_from(["sgd", "rmsprop"]), "momentum": st.floats(0, 1, exclude_max=True)}
    ),
    st.fixed_dictionaries(
        {"optimizer": st.just("sgd"), "momentum": st.floats(0.01, 0.99), "nesterov": st.booleans()}
    ),
)
others = st.fixed_dictionaries(
    {},
    optional={
        "dataset": st.sampled_from(get_args(options.Dataset)),
        "split": st.sampled_from(get_args(options.Split)),
        "schedule": st.sampled_from(get_args(options.Schedule)),
        "device": st.sampled_from(get_args(options.Device)),
        "data": st.none() | paths,
        "out": paths,
        "name": st.none() | folder_names,
        "val_size": st.none() | counts,
        "test_size": st.none() | counts,
        "hidden": st.tuples(st.integers(1, 2**26 - 1), st.integers(1, 2**26 - 1)),
        **{
            name: st.integers(int(numbered[name][0][1].low), int(numbered[name][0][1].high))
            for name in ("epochs", "batch_size", "threads", "patience", "checkpoint_every")
        },
        **{name: st.integers(0, 2**64 - 1) for name in ("seed", "split_seed")},
        "lr": st.none() | rates,
        "weight_decay": st.floats(0, 1e6),
        **{
            name: st.booleans()
            for name in (
                *("unverified", "shuffle", "drop_last", "resume"),
                *("plots", "autograd", "tensorboard"),
            )
        },
    },
)


@given(rules, others)
def test_options_survive_json(rule: dict[str, Any], other: dict[str, Any]) -> None:
    """Any options, written as JSON and read again, are equal to what they were, types included."""
    before = TrainOptions(**rule, **other)
    after = from_json(to_json(before))
    assert after == before
    assert [type(v) for v in dataclasses.astuple(after)] == [type(v) for v in dataclasses.astuple(before)]
    assert differences(before, after, frozenset()) == []


def test_json_is_one_line_an_option() -> None:
    """The file in a run's folder is for reading too: an object with every option by its name."""
    text = to_json(TrainOptions(data=Path("a b") / "c"))
    assert set(json.loads(text)) == NAMES
    assert '\n  "data": "a b/c",\n'.replace("/", json.dumps(str(Path("/")))[1:-1]) in text
    assert text.endswith("}\n")


WRONG: dict[str, list[Any]] = {
    "recipe": [None, 1, ["classic"]],
    "dataset": ["cifar", None],
    "data": [1, True, ["a"]],
    "unverified": [1, 0, "true", None],
    "val_size": ["10", True, [10]],
    "hidden": [128, [128], [128, 64, 32], [128.0, 64], [True, 64], "128 64", None, {"1": 2}],
    "epochs": ["20", 20.0, None, True, [20]],
    "shuffle": [1, "yes", None],
    "lr": ["0.01", True, [0.01], 10**400],
    "momentum": ["0.9", None, False],
    "weight_decay": [None, {}],
    "seed": [0.0, "0", None, False],
    "out": [None, 5, []],
    "name": [5, ["a"], True],
    "device": ["gpu", None],
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_entry_is_refused_by_name(name: str) -> None:
    """An entry of another type than its option has raises OptionError with the option's name."""
    right = json.loads(to_json(TrainOptions()))
    for value in WRONG[name]:
        with pytest.raises(OptionError, match=f"the option {name} is ") as caught:
            from_json(json.dumps({**right, name: value}))
        assert repr(value) in str(caught.value)


def test_entry_of_the_right_type_is_checked_like_an_option() -> None:
    """What reads as JSON still goes through the options' own checks."""
    right = json.loads(to_json(TrainOptions()))
    with pytest.raises(OptionError, match=r"^--epochs is 0"):
        from_json(json.dumps({**right, "epochs": 0}))
    with pytest.raises(OptionError, match=r"^--lr is nan"):
        from_json(json.dumps({**right, "lr": NAN}))


def test_unknown_and_missing_entries_are_named() -> None:
    """Options of another version are refused with the names that differ."""
    right = json.loads(to_json(TrainOptions()))
    with pytest.raises(OptionError, match="do not fit this version of digits: colour"):
        from_json(json.dumps({**right, "colour": 1}))
    with pytest.raises(OptionError, match="do not fit this version of digits: momentum, seed"):
        from_json(json.dumps({k: v for k, v in right.items() if k not in ("seed", "momentum")}))


@pytest.mark.parametrize("text", ["", "{", "\0", "{'a': 1}", "[" * 100_000, "9" * 5000])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    """What is no JSON at all raises OptionError."""
    with pytest.raises(OptionError, match=r"not JSON|do not fit"):
        from_json(text)


@pytest.mark.parametrize("text", ["null", "[]", "1", '"epochs"', "true"])
def test_json_that_is_no_object_is_refused(text: str) -> None:
    """JSON of another shape raises OptionError."""
    with pytest.raises(OptionError, match="not an object"):
        from_json(text)


def test_a_file_of_options(tmp_path: Path) -> None:
    """The file comes back as it was written; whatever else stands there is one kind of error, at once."""
    path = tmp_path / "options.json"
    chosen = TrainOptions(epochs=3, data=Path("here\udcff"))  # a file name that is no UTF-8
    path.write_text(to_json(chosen))
    assert load_options(path) == chosen
    for wrong in (b"", b"\xff\xfe\x00", b"[" * 10_000, b" " * 2**21, to_json(chosen)[:-3].encode()):
        path.write_bytes(wrong)
        with pytest.raises(OptionError, match=r"options\.json .*expected the options of a run"):
            load_options(path)
    path.unlink()
    os.mkfifo(path)
    for place in (path, tmp_path, tmp_path / "nowhere"):
        with pytest.raises(OptionError, match=r"could not be read.*expected the options of a run"):
            load_options(place)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
@pytest.mark.parametrize("name", ["data", "teacher", "recipe"])
def test_text_that_no_file_can_be_named(name: str, text: str) -> None:
    """A zero byte or half a surrogate pair in an option is refused, since the system refuses it in a path."""
    with pytest.raises(OptionError, match=f"the option {name} is "):
        from_json(json.dumps(json.loads(to_json(TrainOptions())) | {name: text}))


def test_whole_numbers_are_read_as_floats_where_floats_are_meant() -> None:
    """A hand-edited 1 for a rate becomes 1.0."""
    right = json.loads(to_json(TrainOptions()))
    read = from_json(json.dumps({**right, "lr": 1, "momentum": 0}))
    assert (type(read.lr), type(read.momentum)) == (float, float)


def test_differences_are_told_as_the_options_are_typed() -> None:
    """Each option that differs is named with both values; ignored ones are not."""
    old = TrainOptions(lr=0.01, batch_size=64, out=Path("a"))
    new = TrainOptions(lr=0.1, batch_size=32, out=Path("b"))
    told = differences(old, new, frozenset({"out"}))
    assert told == ["--batch-size 64 is now 32", "--lr 0.01 is now 0.1"]
