"""Start an empty PostgreSQL server for a test."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

TIMEOUT = 60.0  # seconds for the server to answer


def binaries() -> Path | None:
    """Return the folder with the newest server's programs, or None; Debian keeps it out of $PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextlib.contextmanager
def postgresql(programs: Path) -> Iterator[str]:
    """Start a new, empty server on a free port and yield the URL of its database."""
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder, port = Path(name), _free_port()
        user = _unprivileged(folder)
        data = folder / "data"
        subprocess.run(
            [*user, programs / "initdb", "-D", str(data), "-U", "digits", "-A", "trust", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        options = ["-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", name, "-c", "fsync=off"]
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen([*user, programs / "postgres", *options], stderr=log)
        try:
            _await(port, server)
            yield f"postgresql://digits@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # its fast way down; at SIGTERM it would wait for clients
            server.wait(TIMEOUT)


def _unprivileged(folder: Path) -> list[str]:
    """Return a command prefix that drops root's rights, which PostgreSQL refuses; empty for other users."""
    if os.getuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return ["setpriv", "--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"no server on port {port}")
