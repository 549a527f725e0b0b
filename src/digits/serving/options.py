"""Options of `digits serve`."""

from dataclasses import dataclass
from pathlib import Path

from digits.errors import OptionError
from digits.options import at_least

LOOPBACK = ("127.0.0.1", "::1", "localhost")  # addresses that only this machine reaches


@dataclass(frozen=True)
class ServeOptions:
    """Serve the page to draw on, and an API that reads pictures, on this machine."""

    model: tuple[str, ...] = ()
    """One of your networks, a run's folder or a model file, beside the bundled ones; may be repeated."""
    host: str = "127.0.0.1"
    """Address to listen on. Any other than this machine's own needs --allowed-host."""
    port: int = 8000
    """Port to listen on; 0 takes a free one."""
    allowed_host: tuple[str, ...] = ()
    """Name, or NAME:PORT, under which browsers and proxies may ask for this server; may be repeated."""
    workers: int = 1
    """Processes that answer; each has the networks in its memory."""
    corrections: Path | None = None
    """Folder for the pictures that were corrected in the page. Default: in the user's data folder."""
    open: bool = False
    """Open the page in the browser."""

    def __post_init__(self) -> None:
        at_least("workers", self.workers, 1)
        if not 0 <= self.port < 2**16:
            raise OptionError(f"--port is {self.port}; expected a whole number from 0 to 65535")
        if self.host not in LOOPBACK and not self.allowed_host:
            raise OptionError(
                f"--host {self.host} lets other machines in; say by which name they may ask, such as "
                "--allowed-host digits.example.org"
            )
