"""Every option once: its name, type, default, help and check.

The command line, the Python API and the files in a run's folder are all made from these dataclasses.
The text under a field is what `digits train --help` shows.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from digits.errors import OptionError

Dataset = Literal["mnist", "fashion-mnist", "kmnist"]
Split = Literal["random", "writers"]
Optimizer = Literal["sgd", "adam", "adamw", "rmsprop"]
Schedule = Literal["constant", "cosine", "one-cycle"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]
Model = Literal["mlp", "cnn"]
View = Literal["as-is", "upright"]
Views = Literal[View, "alternate"]
Keep = Literal["best", "last"]
Recipe = Literal["classic", "fast", "baseline", "mlp", "fast-cnn", "cnn", "ensemble"]
VIEWS: tuple[View, ...] = get_args(View)
SGD_RATE = 0.01  # the mission's learning rate
ADAPTIVE_RATE = 0.001  # Adam, AdamW and RMSprop: the default of Kingma & Ba 2015, algorithm 1
RANGES = {  # of the strengths of augmentation; far beyond what is of use
    "rotation": (0, 180),
    "scaling": (0, 1),
    "shear": (0, 60),
    "translation": (0, 28),
    "elastic": (0, 1000),
    "smoothness": (1, 28),  # below 1 pixel there is nothing smooth about the noise
    "thickness": (0, 1),
    "sharpness": (0, 20),
    "erasing": (0, 1),
}


@dataclass(frozen=True)
class Augmentation:
    """How strongly a batch is changed; every strength at 0 leaves the images as they are."""

    rotation: float = 0.0
    """Turn by up to so many degrees, either way."""
    scaling: float = 0.0
    """Widen or narrow, and independently heighten or flatten, by up to this fraction: 0.1 is 1/1.1 to 1.1."""
    shear: float = 0.0
    """Slant by up to so many degrees, either way."""
    translation: float = 0.0
    """Move by up to so many pixels, across and along."""
    elastic: float = 0.0
    """Elastic distortion: alpha of Simard et al. 2003, who took 34 pixels."""
    smoothness: float = 4.0
    """Pixels over which elastic distortion is smooth: sigma of Simard et al. 2003."""
    thickness: float = 0.0
    """Move the edges of strokes out or in by up to so many pixels, at most 1."""
    sharpness: float = 0.0
    """Make the soft edges of strokes steeper by up to this fraction: 4 is 1 to 5 times."""
    erasing: float = 0.0
    """Probability of covering a random rectangle."""

    def __post_init__(self) -> None:
        for name, (lowest, highest) in RANGES.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:  # so that NaN fails too
                raise OptionError(f"--{name} is {value}; expected a number from {lowest} to {highest}")

    @property
    def warps(self) -> bool:
        """Whether pixels move."""
        return any((self.rotation, self.scaling, self.shear, self.translation, self.elastic))

    @property
    def changes(self) -> bool:
        """Whether anything is done at all."""
        return self.warps or any((self.thickness, self.sharpness, self.erasing))


@dataclass(frozen=True)
class TrainOptions:
    """Train a network on handwritten digits, test it once, and keep everything in runs/NAME."""

    recipe: Recipe = "classic"
    """Named defaults; `digits recipes` lists them with their figures."""

    dataset: Dataset = "mnist"
    """Which ten classes to learn."""
    data: Path | None = None
    """Folder or file (IDX, .npz, .csv). Default: $DIGITS_DATA, else the user's cache, else a download."""
    unverified: bool = False
    """Accept files of the published sizes whose content is not the published one."""

    split: Split = "random"
    """How validation images are chosen: at random within each class, or whole writers at a time."""
    val_size: int | None = None
    """Images held out for validation. Default: a sixth, 10,000 of MNIST's 60,000."""
    test_size: int | None = None
    """Images held out for the test where the data has no test set of its own. Default: a fifth."""
    split_seed: int = 0
    """Seed of the split; apart from --seed, so that different seeds are compared on the same images."""

    synthetic: int = 0
    """Digits drawn in code that join MNIST's training images (no other data's): European 1, crossed 7 ..."""

    model: Model = "mlp"
    """Two hidden layers (mlp), or convolutions with batch normalisation (cnn)."""
    hidden: tuple[int, int] = (128, 64)
    """Neurons in the first and in the second hidden layer of the mlp."""
    channels: tuple[int, int, int] = (32, 64, 128)
    """Channels of the cnn's three pairs of convolutions."""
    view: Views = "as-is"
    """What a network sees: digits as they are, or upright; alternate: upright for every second network."""
    dropout: float = 0.0
    """Probability of silencing a hidden neuron while training; for the cnn, those before the output."""
    input_dropout: float = 0.0
    """Probability of silencing a pixel while training the mlp."""
    ensemble: int = 1
    """Networks to train, from seeds --seed, --seed + 1 ..., that answer as one."""

    epochs: int = 25
    """How often every training image is seen."""
    batch_size: int = 64
    """Images a step."""
    shuffle: bool = True
    """Draw a new order of the training images for every epoch."""
    drop_last: bool = False
    """Leave out the last batch of an epoch when it is not full."""

    optimizer: Optimizer = "sgd"
    """Rule that turns gradients into steps."""
    lr: float | None = None
    """Learning rate (the highest one, for a schedule). Default: 0.01 for sgd, 0.001 for the others."""
    momentum: float = 0.0
    """Momentum of sgd and rmsprop, from 0 to below 1."""
    nesterov: bool = False
    """Nesterov's form of momentum, for sgd."""
    weight_decay: float = 0.0
    """Pull of every weight towards zero: an L2 penalty, decoupled for adamw."""
    schedule: Schedule = "constant"
    """Course of the learning rate over the run."""
    warmup: float | None = None
    """Share of the steps in which the learning rate rises. Default: 0.3 for one-cycle, 0 otherwise."""
    clip: float = 0.0
    """Shorten the gradient to this length where it is longer; 0 never does."""
    label_smoothing: float = 0.0
    """Share of every target that is spread over all classes."""
    ema: float = 0.0
    """Validate and keep an exponential moving average of the weights, with this decay; 0: the weights."""
    teacher: str | None = None
    """Learn from this network's answers too: a run's folder, a model file or a bundled network's name."""
    teacher_weight: float = 0.9
    """Share of the loss that is the teacher's."""
    temperature: float = 2.0
    """Softens the answers of teacher and pupil: the higher, the more its second guesses count."""
    keep: Keep = "best"
    """Which epoch's network to save: the one with the best validation accuracy, or the last one."""
    patience: int = 0
    """Stop after so many epochs without a better validation accuracy; 0 never stops early."""

    seed: int = 0
    """Seed of the first weights and of the order of images: same seed, same machine, same bits."""
    threads: int = 1
    """Processor threads. Networks this small gain little from a second one and stall when it is not free."""
    device: Device = "auto"
    """Where to compute; auto takes cuda, else cpu."""
    precision: Precision = "auto"
    """Numbers to compute with; auto: bfloat16 for the cnn on processors made for it, else float32."""

    out: Path = Path("runs")
    """Folder that holds the runs."""
    name: str | None = None
    """Name of this run's folder. Default: the recipe and the next free number."""
    resume: bool = False
    """Go on with the run --name, or with the newest unfinished one, exactly where it was cut off."""
    allow_inexact: bool = False
    """Resume although something changed (options, threads, versions, data), so the last bits may differ."""
    checkpoint_every: int = 0
    """Save a checkpoint every so many steps as well as after each epoch; 0: after each epoch only."""
    plots: bool = True
    """Draw the pictures at the end."""
    augmentation: Augmentation = Augmentation()
    """Change the training images a little every time they are seen; docs/augmentation.md has pictures."""

    autograd: bool = False
    """Have PyTorch differentiate instead of using the formulas in backprop.py: slower, same figures."""
    tensorboard: bool = False
    """Write TensorBoard event files as well (needs: pip install tensorboard)."""

    def __post_init__(self) -> None:
        for name in ("hidden", "channels"):
            at_least(name, min(getattr(self, name)), 1)
        for name in ("epochs", "batch_size", "threads", "ensemble"):
            at_least(name, getattr(self, name), 1)
        counts = ("patience", "synthetic", "checkpoint_every", "seed", "split_seed")
        for name in (*counts, "weight_decay", "clip"):
            at_least(name, getattr(self, name), 0)
        for name in ("momentum", "dropout", "input_dropout", "label_smoothing", "ema"):
            _fraction(name, getattr(self, name))
        for name in ("val_size", "test_size"):
            if getattr(self, name) is not None:
                at_least(name, getattr(self, name), 1)
        if self.seed >= 2**64:  # what torch.manual_seed takes
            raise OptionError(f"--seed is {self.seed}; expected a whole number below 2^64")
        if not 0 < self.learning_rate < float("inf"):
            raise OptionError(f"--lr is {self.lr}; expected a number above 0, such as 0.01")
        if self.warmup is not None:
            _fraction("warmup", self.warmup)
        if not 0 <= self.teacher_weight <= 1:
            raise OptionError(f"--teacher-weight is {self.teacher_weight}; expected a number from 0 to 1")
        if not 0 < self.temperature < float("inf"):
            raise OptionError(f"--temperature is {self.temperature}; expected a number above 0, such as 2")
        if self.momentum and self.optimizer not in ("sgd", "rmsprop"):
            raise OptionError(f"--momentum belongs to sgd and rmsprop; {self.optimizer} has its own")
        if self.nesterov and (self.optimizer != "sgd" or not self.momentum):
            raise OptionError("--nesterov needs --optimizer sgd and a --momentum above 0")
        if self.input_dropout and self.model != "mlp":
            raise OptionError("--input-dropout belongs to the mlp; use --erasing for the cnn")
        if self.view == "alternate" and self.ensemble == 1:
            raise OptionError("--view alternate needs --ensemble 2 or more; a single network has one view")
        check_name(self.name)

    def view_of(self, number: int) -> View:
        """What an ensemble's network `number`, counted from 0, sees; a single network is number 0."""
        return VIEWS[number % len(VIEWS)] if self.view == "alternate" else self.view

    @property
    def learning_rate(self) -> float:
        """The rate in force: --lr, or the optimiser's usual one."""
        if self.lr is not None:
            return self.lr
        return SGD_RATE if self.optimizer == "sgd" else ADAPTIVE_RATE


@dataclass(frozen=True)
class RecipesOptions:
    """List the recipes with what they reach."""

    json: bool = False
    """Print one JSON object, every option included, instead of a table."""


def check_name(name: str | None) -> None:
    if name is not None and (name in ("", "..") or Path(name).name != name or "\0" in name):
        raise OptionError(f"--name is {name!r}; expected a folder name without slashes; use --out DIR")


def _fraction(name: str, value: float) -> None:
    if not 0 <= value < 1:  # so that NaN fails too
        raise OptionError(f"--{name.replace('_', '-')} is {value}; expected 0 or more and below 1")


def at_least(name: str, value: float, least: int) -> None:
    if not least <= value < float("inf"):  # so that NaN fails too
        raise OptionError(f"--{name.replace('_', '-')} is {value}; expected {least} or more")


def to_json(options: TrainOptions) -> str:
    """The options as a JSON object, one line an option, paths as text."""
    return json.dumps(dataclasses.asdict(options), indent=2, default=str) + "\n"


def from_json(text: str) -> TrainOptions:
    """Read what `to_json` wrote; unknown, missing or wrong entries raise OptionError with their name."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OptionError(f"the options are not JSON ({error})") from None
    return _from_dict(TrainOptions, values)


Kind = TypeVar("Kind", TrainOptions, Augmentation)


def _from_dict(kind: type[Kind], values: Any) -> Kind:
    names = {field.name for field in dataclasses.fields(kind)}
    if not isinstance(values, dict) or set(values) != names:
        wrong = sorted(names.symmetric_difference(values)) if isinstance(values, dict) else ["not an object"]
        raise OptionError(f"the options do not fit this version of digits: {', '.join(map(str, wrong))}")
    hints = get_type_hints(kind)
    return kind(**{name: _revive(name, hints[name], value) for name, value in values.items()})


def _revive(name: str, hint: Any, value: Any) -> Any:
    """One value of a JSON object as the type that its option has."""
    choices = getattr(hint, "__args__", (hint,))
    if hint is Augmentation:
        return _from_dict(Augmentation, value)
    if name in ("hidden", "channels"):
        if isinstance(value, list) and tuple(map(type, value)) == choices:
            return tuple(value)
    elif Path in choices and isinstance(value, str):
        return Path(value)
    elif float in choices and type(value) is int and abs(value) < 2**53:  # a float holds it exactly
        return float(value)
    elif value in choices or type(value) in choices:
        return value
    raise OptionError(f"the option {name} is {value!r}; expected {hint}")


def differences(old: TrainOptions, new: TrainOptions, ignore: frozenset[str]) -> list[str]:
    """'--lr 0.01 is now 0.1' for every option that differs, those in `ignore` apart."""
    before, after = flat(old), flat(new)
    return [
        f"--{name.replace('_', '-')} {before[name]} is now {after[name]}"
        for name in before
        if before[name] != after[name] and name not in ignore
    ]


def flat(options: TrainOptions) -> dict[str, Any]:
    """Every option by the name it has on the command line."""
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    return {**dataclasses.asdict(values.pop("augmentation")), **values}
