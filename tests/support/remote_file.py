"""A made-up file on made-up mirrors, and short ways to download it."""

import dataclasses
import gzip
import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

from digits.data import cache
from digits.data.catalogue import RemoteFile
from digits.data.download import Timeouts, fetch
from digits.files import TEMPORARY

SHORT = Timeouts(total=10.0, network=3.0)  # what an honest mirror on a busy machine needs
CONTENT = random.Random(7).randbytes(200_000)  # cannot be compressed, so positions in both are alike
PACKED = gzip.compress(CONTENT, mtime=0)


def known(content: bytes = CONTENT, name: str = "digits-idx") -> RemoteFile:
    return RemoteFile(name, len(content), hashlib.sha256(content).hexdigest())


FILE = known()
PARTIAL = f".{FILE.name}{TEMPORARY}"


def left_in(folder: Path) -> set[str]:
    """The files in `folder`, the lock left out."""
    return {path.name for path in folder.iterdir()} - {cache.LOCK}


def at(*urls: str, file: RemoteFile = FILE) -> RemoteFile:
    """The file with these mirrors."""
    return dataclasses.replace(file, urls=urls)


def get(folder: Path, *urls: str, file: RemoteFile = FILE, timeouts: Timeouts = SHORT) -> Path:
    return fetch(at(*urls, file=file), folder, timeouts=timeouts, local=True)


def flipped(packed: bytes) -> bytes:
    middle = len(packed) // 2
    return packed[:middle] + bytes([packed[middle] ^ 1]) + packed[middle + 1 :]


CHILD = """
import json, sys
from pathlib import Path
from digits.data.catalogue import RemoteFile
from digits.data.download import Timeouts, fetch
row, folder, url = json.loads(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
file = RemoteFile(**{**row, "urls": (url,)})
print(fetch(file, folder, timeouts=Timeouts(total=30.0, network=30.0), local=True))
"""


def child(folder: Path, url: str) -> subprocess.Popen[str]:
    """A process of its own that fetches FILE."""
    command = [sys.executable, "-c", CHILD, json.dumps(dataclasses.asdict(FILE)), str(folder), url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
