"""Ctrl-C and SIGTERM: stop training after saving."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any


class Stopped(Exception):  # noqa: N818  # not an error: the user asked for it
    """Training stopped on a signal, after saving."""

    def __init__(self, number: int, folder: Path) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} after saving; go on with --resume")
        self.number, self.folder = number, folder


class Interrupts:
    """Within `with`, the first Ctrl-C, SIGTERM or SIGHUP is noted in `number`; a second one acts at once."""

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
            for number in (getattr(signal, name) for name in names):
                if signal.getsignal(number) != signal.SIG_IGN:  # nohup has SIGHUP ignored: so it stays
                    self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self._put_back()

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def __exit__(self, *_: object) -> None:
        self._put_back()
