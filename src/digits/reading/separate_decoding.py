"""Decode a compressed TIFF in a process of its own.

libtiff writes its complaints about damaged pixels to file descriptor 2, and tells nobody else; its work
cannot be stopped from outside. In a process of its own, the complaints are caught and mean "damaged", and the
operating system stops what takes too long. The start of the process costs about 0.2 s.
"""

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import TiffImagePlugin

from digits.reading.containers import BadFileError
from digits.reading.decoding import Picture, decode

MAX_DATA = 400_000_000  # bytes for the process; the size of the picture was checked before
LONGEST_WAIT = 30.0  # s; longest wait on a busy machine
_SCRIPT = """
import sys
options, *sys.path = sys.argv[1:]
from digits.reading.separate_decoding import decode_standard_input
decode_standard_input(options)
"""


def decode_separately(content: bytes, orientation: int, seconds: float) -> Picture:
    """Decode a TIFF in a process of its own.

    Args:
        content: The file.
        orientation: How the camera was held, value 1 to 8 of the EXIF tag.
        seconds: Longest processor time; only on systems with interval timers (not on Windows).

    Returns:
        The picture, without notes.

    Raises:
        BadFileError: if the file is damaged, or takes too long, or no process can be started.
    """
    if not sys.executable or getattr(sys, "frozen", False):  # there is no Python that could be started
        raise BadFileError("needs a process of its own to be decoded; save it as PNG", kind="format")
    paths = [str(Path(path).resolve()) for path in sys.path]
    # -I and -S leave out the user's startup files; -B writes nothing.
    command = [
        sys.executable,
        "-I",
        "-S",
        "-B",
        "-W",
        "ignore",
        "-c",
        _SCRIPT,
        f"{seconds},{orientation}",
        *paths,
    ]
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # only on Windows
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(  # noqa: S603
            command,
            input=content,
            capture_output=True,
            timeout=LONGEST_WAIT,
            creationflags=flags,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise BadFileError("takes too long to decode; save it as PNG", kind="limit") from error
    except OSError as error:
        raise BadFileError(
            "needs a process of its own to be decoded; save it as PNG", kind="format"
        ) from error
    if done.returncode < 0 and -done.returncode == getattr(signal, "SIGPROF", None):
        raise BadFileError("takes too long to decode; save it as PNG", kind="limit")
    complaints = [line for line in done.stderr.splitlines() if b"Warning, " not in line]
    if done.returncode or complaints:
        raise BadFileError("has damaged pixels")
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as answer:
        width, height = answer["size"]
        return Picture(answer["pixels"], int(width), int(height))


def decode_standard_input(options: str) -> None:
    """Decode the TIFF on standard input; write pixels and size to standard output as an .npz file.

    Args:
        options: Longest processor time in seconds, and the orientation, with a comma between them.
    """
    seconds, orientation = options.split(",")
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, float(seconds))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MAX_DATA, MAX_DATA))
    image = TiffImagePlugin.TiffImageFile(io.BytesIO(sys.stdin.buffer.read()))
    picture = decode(image, int(orientation))
    answer = io.BytesIO()
    np.savez(answer, pixels=picture.pixels, size=(picture.width, picture.height))
    sys.stdout.buffer.write(answer.getvalue())
