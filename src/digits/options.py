"""Define the options of `digits train`: name, type, default, help text and check of each.

The command line, the Python API and the file `options.json` in a run's folder all use these dataclasses.
The string under a field is its help text in `digits train --help`.

    TrainOptions(epochs=5)     the options of one run; raises OptionError if a value is invalid
    to_json(), from_json()     convert options to text, and text to options
    differences()              compare the options of two runs
"""

import dataclasses
import functools
import inspect
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from digits.combinations import check_needs, put_beside
from digits.errors import DataError, OptionError
from digits.files import read_file
from digits.option_values import Limits, check_values

Dataset = Literal["mnist", "fashion-mnist", "kmnist"]
Split = Literal["random", "writers"]
OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop"]
Schedule = Literal["constant", "cosine", "one-cycle"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]
Model = Literal["mlp", "cnn"]
View = Literal["as-is", "upright"]
Views = Literal[View, "alternate"]
Keep = Literal["best", "last"]
Options = TypeVar("Options")
VIEWS: tuple[View, ...] = get_args(View)
SGD_RATE = 0.01  # default learning rate of SGD; a common value in textbooks
ADAPTIVE_RATE = 0.001  # default rate of Adam, AdamW and RMSprop; Kingma and Ba 2015, algorithm 1
MAX_OPTIONS_BYTES = 2**20  # limit for options.json; it has about 2,000 bytes
# Ranges that several options have. Most limits are generous: they only catch typing errors.
Count = Annotated[int, Limits(1, 10**9)]
CountOrNone = Annotated[int, Limits(0, 10**9)]
Seed = Annotated[int, Limits(0, 2**64 - 1)]  # torch.manual_seed accepts no larger seed
Threads = Annotated[int, Limits(1, 1024)]  # PyTorch crashes with many thousands
Processes = Annotated[int, Limits(1, 256)]
# With one weight of four bytes each, more neurons or channels would not fit into a file of MAX_FILE_BYTES.
LayerSize = Annotated[int, Limits(1, 2**26 - 1)]
Share = Annotated[float, Limits(0, 1)]
Fraction = Annotated[float, Limits(0, 1, below=True)]
# float32 numbers go up to 3e38, and a rate is multiplied by the weight decay.
Rate = Annotated[float, Limits(0, 1e30, above=True)]
Decay = Annotated[float, Limits(0, 1e6)]
MAX_EPOCHS = 10_000  # the figures of so many epochs fit into a checkpoint; see MAX_META_BYTES
MAX_MEMBERS = 64  # networks in an ensemble; the largest recipe has 8


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the random changes to training images. With the defaults, no image is changed."""

    rotation: Annotated[float, Limits(0, 180)] = 0.0
    """Rotate by a random angle: at most this many degrees to the left or right."""
    scaling: Share = 0.0
    """Scale width and height by independent random factors. 0.1 means factors from 1/1.1 to 1.1."""
    shear: Annotated[float, Limits(0, 60)] = 0.0
    """Slant by a random angle: at most this many degrees to the left or right."""
    translation: Annotated[float, Limits(0, 28)] = 0.0
    """Shift horizontally and vertically by random distances: at most this many pixels."""
    elastic: Annotated[float, Limits(0, 1000)] = 0.0
    """Strength of elastic distortion, in pixels. It is alpha in Simard et al. 2003, who used 34."""
    smoothness: Annotated[float, Limits(1, 28)] = 4.0  # below 1 pixel the noise is not smoothed at all
    """Smoothness of elastic distortion, in pixels. It is sigma in Simard et al. 2003, who used 4."""
    thickness: Share = 0.0
    """Make strokes thicker or thinner: move their edges by at most this many pixels, from 0 to 1."""
    sharpness: Annotated[float, Limits(0, 20)] = 0.0
    """Sharpen the edges of strokes by a random contrast factor. 4 means factors from 1 to 5."""
    erasing: Share = 0.0
    """Probability that a random rectangle of an image is erased, from 0 to 1."""

    def __post_init__(self) -> None:
        check_values(self)

    @property
    def warps(self) -> bool:
        """True if a change that moves pixels is switched on."""
        return any((self.rotation, self.scaling, self.shear, self.translation, self.elastic))

    @property
    def changes(self) -> bool:
        """True if at least one change is switched on."""
        return self.warps or any((self.thickness, self.sharpness, self.erasing))


@dataclass(frozen=True, kw_only=True)
class ImageChanges:
    """Changes to all images as they are read. Networks expect light ink on dark paper, upright."""

    invert: bool = False
    """Invert the images: for data with dark ink on light paper."""
    transpose: bool = False
    """Swap rows and columns of the images: for EMNIST's files. With --mirror or --flip: rotate them."""
    mirror: bool = False
    """Swap left and right of the images."""
    flip: bool = False
    """Swap top and bottom of the images."""

    def chosen(self) -> tuple[str, ...]:
        """Return the names of the changes that are switched on, in the order in which they are made."""
        return tuple(name for name in ("invert", "transpose", "mirror", "flip") if getattr(self, name))


NO_CHANGES = ImageChanges()


@dataclass(frozen=True, kw_only=True)
class DataOptions(ImageChanges):
    """Where the data are and how they are read, for all commands that read data."""

    data: Path | None = None
    """Folder or file with the data (IDX, .npz, .csv). Default: that of the network's run (adapt, compare,
    evaluate), $DIGITS_DATA, the cache, or a download."""
    unverified: bool = False
    """Accept data files of the published size even if their checksum differs from the published one."""

    @property
    def changes(self) -> ImageChanges:
        """The changes alone."""
        return ImageChanges(invert=self.invert, transpose=self.transpose, mirror=self.mirror, flip=self.flip)

    def __post_init__(self) -> None:
        convert_paths(self)
        check_values(self)

    def check_place(self) -> None:
        """Raise DataError if `data` is neither a folder nor a file. Nothing slow is imported for it."""
        if self.data is not None and not self.data.exists():
            raise DataError(
                f"--data {self.data} is neither a folder nor a file; expected the place of the data"
            )

    def arguments(self) -> dict[str, Any]:
        """Return the options of this class as keyword arguments for functions such as `digits.evaluate`."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(DataOptions)}


def _filled_by_recipe(kind: type[Options]) -> type[Options]:
    """Let `TrainOptions(recipe="cnn", epochs=1)` take the options that are left out from the recipe."""
    fill = kind.__init__
    signature = inspect.signature(fill)

    @functools.wraps(fill)
    def init(self: Options, *args: Any, **kwargs: Any) -> None:
        given = signature.bind(self, *args, **kwargs).arguments
        del given["self"]
        # Other commands, `dataclasses.replace` and the command line give all options.
        if "recipe" in given and len(given) < len(signature.parameters) - 1:
            given = with_recipe(given)
        fill(self, **given)

    kind.__init__ = init  # type: ignore[assignment]  # mypy wants the same signature, which it has at run time
    return kind


@_filled_by_recipe
@dataclass(frozen=True)
class TrainOptions(DataOptions):
    """Train a network on handwritten digits, test it once, and save everything in runs/NAME."""

    recipe: str = "classic"
    """Recipe: a named set of defaults. `digits recipes` lists all recipes with their test accuracy."""

    dataset: Dataset = "mnist"
    """Dataset to train on. Each has ten classes."""
    split: Split = "random"
    """How to choose the validation images.
    random: at random in each class.
    writers: all images of some writers."""
    val_size: Count | Annotated[float, Limits(0, 1, above=True, below=True)] | None = None
    """Number of validation images, or their share of the images, such as 0.1.
    Default: a sixth (10,000 of MNIST's 60,000)."""
    test_size: Count | None = None
    """Number of test images, only for data without a test set. Default: a fifth of the images."""
    split_seed: Seed = 0
    """Random seed of the split. The option --seed does not change the split."""

    synthetic: Annotated[int, Limits(0, 1_000_000)] = 0
    """Number of synthetic digits, drawn by a program, to add to the training images. Only for MNIST."""

    model: Model = "mlp"
    """Type of network. mlp: two hidden layers. cnn: convolutions with batch normalisation."""
    hidden: tuple[LayerSize, LayerSize] = (128, 64)
    """Number of neurons in the first and the second hidden layer of the mlp."""
    channels: tuple[LayerSize, LayerSize, LayerSize] = (32, 64, 128)
    """Number of channels in each of the cnn's three pairs of convolutions."""
    view: Views = "as-is"
    """Input of the network.
    as-is: unchanged digits.
    upright: digits with their slant removed.
    alternate: every second network of an ensemble gets upright digits."""
    dropout: Fraction = 0.0
    """Dropout probability. mlp: of the hidden neurons. cnn: of the inputs of the output layer."""
    input_dropout: Fraction = 0.0
    """Dropout probability of the input pixels, only for the mlp."""
    ensemble: Annotated[int, Limits(1, MAX_MEMBERS)] = 1
    """Number of networks to train; their probabilities are averaged. Seeds: --seed, --seed + 1, ..."""

    epochs: Annotated[int, Limits(1, MAX_EPOCHS)] = 25
    """Number of passes over the training images."""
    batch_size: Count = 64
    """Number of images in one training step."""
    shuffle: bool = True
    """Shuffle the training images before every epoch."""
    drop_last: bool = False
    """Skip the last batch of an epoch if it has fewer images than the others."""

    optimizer: OptimizerName = "sgd"
    """Algorithm that updates the weights."""
    lr: Rate | None = None
    """Learning rate. With a schedule: the highest rate. Default: 0.01 for sgd, 0.001 for the others."""
    momentum: Fraction = 0.0
    """Momentum of sgd and rmsprop, from 0 to below 1. 0: no momentum."""
    nesterov: bool = False
    """Use Nesterov momentum, only for sgd."""
    weight_decay: Decay = 0.0
    """Strength of weight decay. 0: no decay. adamw shrinks the weights; the others add an L2 penalty."""
    schedule: Schedule = "constant"
    """How the learning rate changes during training. cosine: it falls. one-cycle: it rises, then falls."""
    warmup: Fraction | None = None
    """Fraction of the steps with a rising learning rate. Default: 0.3 for one-cycle, otherwise 0."""
    clip: Annotated[float, Limits(0, 1e30)] = 0.0
    """Clip the gradient's L2 norm to this value. 0: no clipping."""
    label_smoothing: Fraction = 0.0
    """Label smoothing, from 0 to below 1: this part of each target is shared equally by all classes."""
    ema: Fraction = 0.0
    """Validate and save a moving average of the weights. Decay per step, such as 0.999. 0: no average."""
    teacher: str | None = None
    """Distillation: learn also from the answers of this network.
    Give a run's folder, a model file or the name of a bundled network."""
    teacher_weight: Annotated[float, Limits(0, 1, above=True)] = 0.9
    """Weight of the distillation loss, above 0 to 1. The loss on the labels gets the rest."""
    temperature: Annotated[float, Limits(0.01, 1000)] = 2.0
    """Distillation temperature. Higher values give the teacher's less likely classes more weight."""
    keep: Keep = "best"
    """Network to save. best: of the epoch with the best validation accuracy. last: of the last epoch."""
    patience: CountOrNone = 0
    """Stop after this many epochs without a new best validation accuracy. 0: never stop early."""

    seed: Seed = 0
    """Random seed. Two runs with the same seed and threads on the same machine give identical weights."""
    threads: Threads = 1
    """Number of CPU threads. More than one rarely makes such small networks faster.
    If they hinder each other at the start, as beside other busy programs, one is used instead."""
    device: Device = "auto"
    """Device to train on. auto: cuda if it is available, otherwise cpu."""
    precision: Precision = "auto"
    """Number format. auto: bfloat16 for the cnn on CPUs with bfloat16 hardware, otherwise float32."""

    out: Path = Path("runs")
    """Folder that contains the runs."""
    name: str | None = None
    """Name of this run's folder. Default: the recipe and the next free number, such as classic-1."""
    resume: bool = False
    """Continue the run --name exactly where it stopped. Without --name: the newest unfinished run."""
    allow_inexact: bool = False
    """Allow --resume with other options, threads, versions or data. The final weights may then differ."""
    checkpoint_every: CountOrNone = 0
    """Steps between two checkpoints. 0: save a checkpoint only after each epoch."""
    plots: bool = True
    """Save plots of the training and of the misread test images at the end."""
    augmentation: Augmentation = Augmentation()
    """Random changes to the training images, new in every epoch. Examples: docs/augmentation.md."""

    autograd: bool = False
    """Compute gradients with PyTorch's autograd instead of our own formulas. Slower, same results."""
    tensorboard: bool = False
    """Also write TensorBoard event files. Needs: pip install 'digits[tensorboard]'."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed + self.ensemble > 2**64:
            raise OptionError(
                f"--seed is {self.seed}; expected a lower number, because the last of {self.ensemble} "
                "networks needs a seed below 2^64"
            )
        check_name(self.name)
        check_name(self.recipe, "recipe")
        check_needs(flat(self), _defaults())

    def view_of(self, number: int) -> View:
        """Return the input of one network in an ensemble.

        Args:
            number: number of the network, counted from 0.
        Returns:
            "as-is" or "upright"; see the option `view`.
        """
        return VIEWS[number % len(VIEWS)] if self.view == "alternate" else self.view

    @property
    def learning_rate(self) -> float:
        """Learning rate, above 0. If `lr` is None, it is the optimizer's default rate."""
        if self.lr is not None:
            return self.lr
        return SGD_RATE if self.optimizer == "sgd" else ADAPTIVE_RATE


def convert_paths(options: Any) -> None:
    """Make the values of all options for paths `Path` objects, and replace ~ by the home folder.

    Args:
        options: an object of a dataclass; a value may be a string.
    Raises:
        OptionError: if a value is not a path.
    """
    for name, hint in get_type_hints(type(options)).items():
        if Path not in (hint, *get_args(hint)) or getattr(options, name) is None:
            continue
        value = getattr(options, name)
        several = get_origin(hint) is tuple
        try:
            paths = tuple(expanded(path) for path in (value if several else (value,)))
        except TypeError:
            raise OptionError(f"--{name.replace('_', '-')} is {value!r}; expected a path") from None
        object.__setattr__(options, name, paths if several else paths[0])


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return a path in which ~ or ~NAME at the start is replaced by a home folder.

    Args:
        path: the path as the user wrote it. It stays as it is if there is no such home folder.
    Raises:
        TypeError: if it is not a path.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def check_name(name: str | None, option: str = "name") -> None:
    """Check that a name is a valid folder name.

    Args:
        name: the value of the option. None is valid.
        option: the option's name without dashes, for the message.
    Raises:
        OptionError: if the name is empty, "..", or contains a slash or a zero byte.
    """
    if name is not None and (name in ("", "..") or Path(name).name != name or "\0" in name):
        raise OptionError(
            f"--{option} is {name!r}; expected a folder name without slashes; use --out for the rest"
        )


# Name of each recipe -> its options. `digits.recipes` fills it, and `import digits` imports that module.
recipe_options: dict[str, TrainOptions] = {}


def find_recipe(name: str) -> TrainOptions:
    """Return the training options of the recipe `name`.

    Raises:
        OptionError: if there is no such recipe. The message lists all names.
    """
    if name not in recipe_options:
        raise OptionError(f"--recipe is {name!r}; expected one of: {', '.join(recipe_options)}")
    return recipe_options[name]


def with_recipe(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a recipe with others beside it, which win; see `combinations.put_beside`.

    Args:
        given: "recipe" and other options as the user gave them.

    Returns:
        The arguments for TrainOptions.
    """
    return beside(find_recipe(given["recipe"]), given)


def beside(base: TrainOptions, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with others beside them, which win; see `combinations.put_beside`.

    Args:
        base: the options that the user did not give, such as those of a recipe.
        given: the options that the user gave; those of the augmentation may stand beside the others.

    Returns:
        The arguments for TrainOptions.
    """
    given = dict(given)
    if isinstance(augmentation := given.pop("augmentation", None), Augmentation):
        given |= dataclasses.asdict(augmentation)
    values = put_beside(flat(base), given, _defaults())
    strengths = {field.name: values.pop(field.name) for field in dataclasses.fields(Augmentation)}
    return {**values, "augmentation": Augmentation(**strengths)}


@functools.cache
def _defaults() -> dict[str, Any]:
    """Return the default values of all options in one flat dictionary."""
    return {
        **{field.name: field.default for field in dataclasses.fields(TrainOptions)},
        **{field.name: field.default for field in dataclasses.fields(Augmentation)},
    }


def to_json(options: TrainOptions) -> str:
    """Return the options as JSON text, one option per line."""
    return json.dumps(dataclasses.asdict(options), indent=2, allow_nan=False, default=str) + "\n"


def load_options(path: Path) -> TrainOptions:
    """Read the file options.json of a run.

    Args:
        path: the file, written with `to_json`.
    Raises:
        OptionError: if it is missing, damaged or from another version of digits.
    """
    try:
        return from_json(read_file(path, MAX_OPTIONS_BYTES).decode())
    except OSError as error:
        reason = f"could not be read: {error.strerror or error}"
    except UnicodeDecodeError:
        reason = "is damaged: it is not text in UTF-8"
    except OptionError as error:
        reason = f"cannot be used: {error}"
    raise OptionError(f"{path} {reason}; expected the options of a run, as digits train writes them")


def from_json(text: str) -> TrainOptions:
    """Convert JSON text to options.

    Args:
        text: the result of `to_json`.
    Raises:
        OptionError: if the text is not JSON, or an entry is wrong or missing.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OptionError(f"the options are not JSON ({error})") from None
    return _from_dict(TrainOptions, values)


Kind = TypeVar("Kind", TrainOptions, Augmentation)


def _from_dict(kind: type[Kind], values: Any) -> Kind:
    """Convert a parsed JSON object to an object of the class `kind`.

    Raises:
        OptionError: if `values` does not have exactly the fields of `kind`.
    """
    names = {field.name for field in dataclasses.fields(kind)}
    if not isinstance(values, dict) or set(values) != names:
        wrong = sorted(names.symmetric_difference(values)) if isinstance(values, dict) else ["not an object"]
        raise OptionError(f"the options do not fit this version of digits: {', '.join(map(str, wrong))}")
    hints = get_type_hints(kind)
    return kind(**{name: _value_from_json(name, hints[name], value) for name, value in values.items()})


def _value_from_json(name: str, hint: Any, value: Any) -> Any:
    """Convert a parsed JSON value to the type of its option.

    Args:
        name: name of the field.
        hint: type of the field, such as `float | None`.
        value: the parsed JSON value.
    Raises:
        OptionError: if the value does not have this type.
    """
    choices = getattr(hint, "__args__", (hint,))
    if isinstance(value, str):
        _check_text(name, value)
    if hint is Augmentation:
        return _from_dict(Augmentation, value)
    if name in ("hidden", "channels"):
        if isinstance(value, list) and tuple(map(type, value)) == choices:
            return tuple(value)
    elif Path in choices and isinstance(value, str):
        return Path(value)
    elif value in choices or type(value) in choices:
        return value
    elif (
        float in choices and type(value) is int and abs(value) < 2**53
    ):  # a float stores such a number exactly
        return float(value)
    raise OptionError(f"the option {name} is {value!r}; expected {hint}")


def _check_text(name: str, value: str) -> None:
    """Check that the system accepts a text, which may be a path.

    Raises:
        OptionError: if the text has a zero byte, or characters that no file name can have.
    """
    try:
        usable = b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise OptionError(f"the option {name} is {value!r}; expected text without zero bytes")


def differences(old: TrainOptions, new: TrainOptions, ignore: frozenset[str]) -> list[str]:
    """Describe the changed options.

    Args:
        old: the options before.
        new: the options now.
        ignore: names of fields to skip.
    Returns:
        One text for each changed option, such as "--lr 0.01 is now 0.1".
    """
    before, after = flat(old), flat(new)
    return [
        f"--{name.replace('_', '-')} {before[name]} is now {after[name]}"
        for name in before
        if before[name] != after[name] and name not in ignore
    ]


def flat(options: TrainOptions) -> dict[str, Any]:
    """Return all options in one flat dictionary.

    Returns:
        Name of the option -> value. Each augmentation option is a separate entry.
    """
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    return {**dataclasses.asdict(values.pop("augmentation")), **values}
