"""A worker process that never asks whether it should stop."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def work(folder: Path, stop: Callable[[], bool]) -> None:
    """Make a file named like this process in `folder`, and do nothing for ten minutes."""
    (folder / str(os.getpid())).touch()
    time.sleep(600)
