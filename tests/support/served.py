"""A real `digits serve` in a process of its own, and sockets to talk to it without good manners."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 60.0  # s to start on a busy machine


@dataclass
class Served:
    """A running server; `said` collects what it prints, line by line."""

    port: int
    process: "subprocess.Popen[str]"
    said: list[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory(self) -> float:
        """Resident megabytes of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    def processor_seconds(self) -> float:
        """Of the process and its workers, so far: what a request costs, however busy the machine is."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        total = 0.0
        for pid in (self.process.pid, *children):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return total

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(10)


@contextlib.contextmanager
def served(*arguments: object, **environment: str) -> Iterator[Served]:
    """`digits serve` on a free port, until the end of the block."""
    command = [sys.executable, "-m", "digits", "serve", "--port", "0", *map(str, arguments)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
    )
    said: list[str] = []
    started = threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            if "draw at" in line:
                started.set()
        started.set()

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    try:
        assert started.wait(TIMEOUT), said
        ports = [found[1] for line in said if (found := re.search(r"draw at http://.*:(\d+)/", line))]
        assert ports, said
        yield Served(int(ports[0]), process, said)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        reader.join(5)
        assert process.stdout is not None
        process.stdout.close()


def raw(port: int, request: bytes, *, timeout: float = 20.0) -> bytes:
    """What the server answers to these bytes until it closes, or falls silent."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        with contextlib.suppress(OSError):  # it may have answered and closed before all was sent
            connection.sendall(request)
        connection.settimeout(timeout)
        answer = b""
        with contextlib.suppress(OSError):
            while part := connection.recv(65536):
                answer += part
                connection.settimeout(0.3)
        return answer


def overloaded() -> bool:
    """Whether others take so much of this machine that nothing can be said of times by the clock."""
    return os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1)


def status(answer: bytes) -> int:
    """The status of a raw answer; 0 if there was none."""
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(found[1]) if found else 0
