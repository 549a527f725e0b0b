"""Options of `digits train`: name, type, default, help text and check, each written once.

The command line, the Python API and `options.json` in a run's folder are all made from these dataclasses.
The string under a field is the text that `digits train --help` shows for it.
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
VIEWS: tuple[View, ...] = get_args(View)
SGD_RATE = 0.01  # learning rate of the textbook run, `digits train` without options
ADAPTIVE_RATE = 0.001  # for Adam, AdamW and RMSprop; the default in Kingma & Ba 2015, algorithm 1
AUGMENTATION_RANGES = {  # lowest and highest value of each strength; generous limits against typing errors
    "rotation": (0, 180),
    "scaling": (0, 1),
    "shear": (0, 60),
    "translation": (0, 28),
    "elastic": (0, 1000),
    "smoothness": (1, 28),  # below 1 pixel the noise is not smoothed at all
    "thickness": (0, 1),
    "sharpness": (0, 20),
    "erasing": (0, 1),
}


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the random changes to training images. With the defaults no image is changed."""

    rotation: float = 0.0
    """Rotate by a random angle, at most this many degrees in either direction."""
    scaling: float = 0.0
    """Stretch width and height by independent random factors. 0.1: factors from 1/1.1 to 1.1."""
    shear: float = 0.0
    """Slant by a random angle, at most this many degrees in either direction."""
    translation: float = 0.0
    """Shift horizontally and vertically by at most this many pixels."""
    elastic: float = 0.0
    """Strength of elastic distortion in pixels: alpha in Simard et al. 2003, who used 34."""
    smoothness: float = 4.0
    """Smoothness of elastic distortion in pixels: sigma in Simard et al. 2003."""
    thickness: float = 0.0
    """Make strokes thicker or thinner: move their edges by at most this many pixels, up to 1."""
    sharpness: float = 0.0
    """Sharpen the soft edges of strokes. 4: a random contrast factor from 1 to 5."""
    erasing: float = 0.0
    """Probability of erasing a random rectangle of an image."""

    def __post_init__(self) -> None:
        for name, (lowest, highest) in AUGMENTATION_RANGES.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:  # written this way round, NaN fails too
                raise OptionError(f"--{name} is {value}; expected a number from {lowest} to {highest}")

    @property
    def warps(self) -> bool:
        """True if a geometric change is on: rotation, scaling, shear, translation or elastic distortion."""
        return any((self.rotation, self.scaling, self.shear, self.translation, self.elastic))

    @property
    def changes(self) -> bool:
        """True if at least one change is on."""
        return self.warps or any((self.thickness, self.sharpness, self.erasing))


@dataclass(frozen=True)
class TrainOptions:
    """Train a network on handwritten digits, test it once, and save everything in runs/NAME."""

    recipe: str = "classic"
    """Named set of defaults. `digits recipes` shows each with its measured accuracy."""

    dataset: Dataset = "mnist"
    """Data set to learn; each has ten classes."""
    data: Path | None = None
    """Folder or file with the data (IDX, .npz, .csv). Default: $DIGITS_DATA, the cache, or a download."""
    unverified: bool = False
    """Accept data files of the published size even if their checksum differs from the published one."""

    split: Split = "random"
    """How to choose validation images: at random within each class, or by writer."""
    val_size: int | None = None
    """Number of validation images. Default: a sixth, which is 10,000 of MNIST's 60,000."""
    test_size: int | None = None
    """Number of test images, for data that has no test set. Default: a fifth."""
    split_seed: int = 0
    """Seed of the split. Separate from --seed, so that runs with different seeds use the same images."""

    synthetic: int = 0
    """Number of synthetic digits, such as a crossed 7, to add to MNIST's training images."""

    model: Model = "mlp"
    """mlp: two hidden layers. cnn: convolutions with batch normalisation."""
    hidden: tuple[int, int] = (128, 64)
    """Neurons in the first and second hidden layer of the mlp."""
    channels: tuple[int, int, int] = (32, 64, 128)
    """Channels in the three pairs of convolutions of the cnn."""
    view: Views = "as-is"
    """Input of the network: digits as they are, or with their slant removed (upright).
    alternate: every second network of an ensemble gets upright digits."""
    dropout: float = 0.0
    """Dropout probability of hidden neurons; in the cnn, of the features before the output layer."""
    input_dropout: float = 0.0
    """Dropout probability of input pixels, for the mlp."""
    ensemble: int = 1
    """Number of networks to train, with seeds --seed, --seed + 1, ...; their probabilities are averaged."""

    epochs: int = 25
    """Number of passes over the training images."""
    batch_size: int = 64
    """Images in one training step."""
    shuffle: bool = True
    """Shuffle the training images before every epoch."""
    drop_last: bool = False
    """Skip the last batch of an epoch if it is not full."""

    optimizer: Optimizer = "sgd"
    """Optimizer that updates the weights."""
    lr: float | None = None
    """Learning rate; with a schedule, the highest one. Default: 0.01 for sgd, 0.001 for the others."""
    momentum: float = 0.0
    """Momentum of sgd and rmsprop: 0 or more, below 1."""
    nesterov: bool = False
    """Use Nesterov momentum, for sgd."""
    weight_decay: float = 0.0
    """Weight decay: an L2 penalty; decoupled from the gradient in adamw."""
    schedule: Schedule = "constant"
    """How the learning rate changes during the run."""
    warmup: float | None = None
    """Fraction of the steps during which the learning rate rises. Default: 0.3 for one-cycle, else 0."""
    clip: float = 0.0
    """Clip the gradient's L2 norm to this value; 0: no clipping."""
    label_smoothing: float = 0.0
    """Label smoothing: fraction of each target that is spread evenly over all classes."""
    ema: float = 0.0
    """Decay of an exponential moving average of the weights, which is validated and saved; 0: no average."""
    teacher: str | None = None
    """Distil knowledge from this network: a run's folder, a model file or the name of a bundled network."""
    teacher_weight: float = 0.9
    """Weight of the distillation loss, from 0 to 1. The loss on the labels has the rest."""
    temperature: float = 2.0
    """Distillation temperature. Higher values give the teacher's less likely classes more weight."""
    keep: Keep = "best"
    """Save the network of the epoch with the best validation accuracy, or of the last epoch."""
    patience: int = 0
    """Stop after this many epochs without a better validation accuracy; 0: never stop early."""

    seed: int = 0
    """Random seed. Two runs with the same seed on the same machine give identical weights."""
    threads: int = 1
    """Number of CPU threads. More than one rarely helps networks this small."""
    device: Device = "auto"
    """Device to train on. auto: cuda if there is one, else cpu."""
    precision: Precision = "auto"
    """Number format. auto: bfloat16 for the cnn on CPUs that support it in hardware, else float32."""

    out: Path = Path("runs")
    """Folder that holds the runs."""
    name: str | None = None
    """Name of this run's folder. Default: the recipe and the next free number, such as classic-1."""
    resume: bool = False
    """Resume the run --name, or else the newest unfinished run, exactly where it stopped."""
    allow_inexact: bool = False
    """Resume even if options, threads, versions or data changed. The weights may then differ slightly."""
    checkpoint_every: int = 0
    """Also save a checkpoint every this many steps; 0: only after each epoch."""
    plots: bool = True
    """Save plots of the training and of the mistakes at the end."""
    augmentation: Augmentation = Augmentation()
    """Random changes to the training images, new in every epoch. Examples: docs/augmentation.md."""

    autograd: bool = False
    """Compute gradients with PyTorch's autograd instead of our formulas. Slower, same results."""
    tensorboard: bool = False
    """Also write TensorBoard event files. Needs: pip install 'digits[tensorboard]'."""

    def __post_init__(self) -> None:
        for name in ("hidden", "channels"):
            at_least(name, min(getattr(self, name)), 1)
        for name in ("epochs", "batch_size", "threads", "ensemble"):
            at_least(name, getattr(self, name), 1)
        counts = ("patience", "synthetic", "checkpoint_every", "seed", "split_seed")
        for name in (*counts, "weight_decay", "clip"):
            at_least(name, getattr(self, name), 0)
        for name in ("momentum", "dropout", "input_dropout", "label_smoothing", "ema", "warmup"):
            _check_fraction(name, getattr(self, name))
        for name in ("val_size", "test_size"):
            if getattr(self, name) is not None:
                at_least(name, getattr(self, name), 1)
        if self.seed >= 2**64:  # what torch.manual_seed takes
            raise OptionError(f"--seed is {self.seed}; expected a whole number below 2^64")
        if not 0 < self.learning_rate < float("inf"):
            raise OptionError(f"--lr is {self.lr}; expected a number above 0, such as 0.01")
        if not 0 <= self.teacher_weight <= 1:
            raise OptionError(f"--teacher-weight is {self.teacher_weight}; expected a number from 0 to 1")
        if not 0 < self.temperature < float("inf"):
            raise OptionError(f"--temperature is {self.temperature}; expected a number above 0, such as 2")
        self._check_combinations()
        check_name(self.name)
        check_name(self.recipe, "recipe")

    def _check_combinations(self) -> None:
        """Raise OptionError if two options do not go together."""
        if self.momentum and self.optimizer not in ("sgd", "rmsprop"):
            raise OptionError(
                f"--momentum works with sgd and rmsprop, not with {self.optimizer}; leave it out"
            )
        if self.nesterov and (self.optimizer != "sgd" or not self.momentum):
            raise OptionError("--nesterov needs --optimizer sgd and a --momentum above 0")
        if self.input_dropout and self.model != "mlp":
            raise OptionError("--input-dropout works with the mlp only; use --erasing for the cnn")
        if self.view == "alternate" and self.ensemble == 1:
            raise OptionError("--view alternate needs --ensemble 2 or more; a single network has one view")

    def view_of(self, number: int) -> View:
        """Return the view of an ensemble's network `number`, counted from 0. A single network is number 0."""
        return VIEWS[number % len(VIEWS)] if self.view == "alternate" else self.view

    @property
    def learning_rate(self) -> float:
        """The learning rate to use: --lr, or the optimizer's default."""
        if self.lr is not None:
            return self.lr
        return SGD_RATE if self.optimizer == "sgd" else ADAPTIVE_RATE


def check_name(name: str | None, option: str = "name") -> None:
    """Raise OptionError unless `name` is None or can be the name of a folder inside another folder."""
    if name is not None and (name in ("", "..") or Path(name).name != name or "\0" in name):
        raise OptionError(f"--{option} is {name!r}; expected a folder name without slashes; use --out DIR")


def _check_fraction(option: str, value: float | None) -> None:
    if value is not None and not 0 <= value < 1:  # written this way round, NaN fails too
        raise OptionError(f"--{option.replace('_', '-')} is {value}; expected 0 or more and below 1")


def at_least(option: str, value: float, least: int) -> None:
    """Raise OptionError unless `value` is finite and not below `least`. `option` is its field's name."""
    if not least <= value < float("inf"):  # written this way round, NaN fails too
        raise OptionError(f"--{option.replace('_', '-')} is {value}; expected {least} or more")


def to_json(options: TrainOptions) -> str:
    """Return the options as a JSON object with one line per option; paths become strings."""
    return json.dumps(dataclasses.asdict(options), indent=2, default=str) + "\n"


def from_json(text: str) -> TrainOptions:
    """Return the options that `to_json` wrote.

    Raises OptionError that names each entry which is unknown, missing or of the wrong type.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OptionError(f"the options are not JSON ({error})") from None
    return _from_dict(TrainOptions, values)


Kind = TypeVar("Kind", TrainOptions, Augmentation)


def _from_dict(kind: type[Kind], values: Any) -> Kind:
    """Return the dataclass `kind` with the field values of a parsed JSON object."""
    names = {field.name for field in dataclasses.fields(kind)}
    if not isinstance(values, dict) or set(values) != names:
        wrong = sorted(names.symmetric_difference(values)) if isinstance(values, dict) else ["not an object"]
        raise OptionError(f"the options do not fit this version of digits: {', '.join(map(str, wrong))}")
    hints = get_type_hints(kind)
    return kind(**{name: _value_from_json(name, hints[name], value) for name, value in values.items()})


def _value_from_json(name: str, hint: Any, value: Any) -> Any:
    """Return a JSON value as the type of its option: a list as a tuple, a string as a path."""
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
    """Return a text such as '--lr 0.01 is now 0.1' for every option that differs and is not in `ignore`."""
    before, after = flat(old), flat(new)
    return [
        f"--{name.replace('_', '-')} {before[name]} is now {after[name]}"
        for name in before
        if before[name] != after[name] and name not in ignore
    ]


def flat(options: TrainOptions) -> dict[str, Any]:
    """Return all options by field name, with those of `augmentation` on the same level."""
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    return {**dataclasses.asdict(values.pop("augmentation")), **values}
