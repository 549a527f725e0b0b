"""Define the options of `digits serve`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from digits.errors import OptionError
from digits.option_values import Limits, check_values
from digits.options import Share, convert_paths
from digits.reading.options import THRESHOLD

LOOPBACK = ("127.0.0.1", "::1", "localhost")  # addresses that only programs on this machine can reach
ROOT_PATH = re.compile(r"(/[\w.~-]+)*", re.ASCII)  # such as "/user/ada/digits", or nothing


MAX_WORKERS = 256  # generous limit; more pictures at the same time than any machine has cores


@dataclass(frozen=True)
class ServeOptions:
    """Serve a page to draw digits on, and an API that reads pictures, on this machine."""

    model: tuple[str, ...] = ()
    """Your own network: a run's folder or a model file. It comes before the bundled networks on the page."""
    host: str = "127.0.0.1"
    """Address to listen on. Any address that other machines can reach also needs --allowed-host."""
    port: Annotated[int, Limits(0, 65535)] = 8000
    """Port to listen on, 0 to 65535; 0 chooses a free port."""
    allowed_host: tuple[str, ...] = ()
    """Another host name of this server, such as the name of a proxy: NAME or NAME:PORT."""
    workers: Annotated[int, Limits(1, MAX_WORKERS)] = 1
    """Number of pictures that are read at the same time, each by a process of its own."""
    threshold: Share = THRESHOLD
    """Accept a digit with at least this probability, 0 to 1, as in `digits predict`."""
    root_path: str = ""
    """Path under which a proxy serves this server, such as /digits. Needed only if the proxy does not remove
    the path from the requests that it hands over."""
    corrections: Path | None = None
    """Folder for the images that users correct on the page.
    Default: digits/corrections in the user's data folder."""
    open: bool = False
    """Open the page in the browser."""

    def __post_init__(self) -> None:
        convert_paths(self)
        check_values(self)
        if not ROOT_PATH.fullmatch(self.root_path):
            raise OptionError(
                f"--root-path is {self.root_path}; expected a path such as /digits, without a last slash"
            )
        if self.host not in LOOPBACK and not self.allowed_host:
            raise OptionError(
                f"with --host {self.host} other machines can reach the server; add the host name that they "
                "will use, such as --allowed-host digits.example.org"
            )
