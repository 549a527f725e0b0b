"""Servers for the tests: `digits serve` in another process or a thread, and raw sockets to talk to them."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from digits.serving.http_protocol import DeadlineProtocol
from digits.serving.request_checks import Application, RequestChecks
from digits.serving.server import SETTINGS, Server

TIMEOUT = 60.0  # s to start on a busy machine


@dataclass
class Served:
    """A running `digits serve`; `said` collects the lines that it prints."""

    port: int
    process: "subprocess.Popen[str]"
    said: list[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def processes(self) -> list[int]:
        """Return the numbers of the process and of all processes under it."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):  # it ended just now
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
                found += map(int, children.split())
        return found

    def memory(self) -> float:
        """Return the resident memory of the process and those under it, in megabytes.

        Memory that several of them share counts once.
        """
        kilobytes = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                memory = Path(f"/proc/{pid}/smaps_rollup").read_text()
                kilobytes += sum(map(int, re.findall(r"^Pss:\s+(\d+)", memory, re.MULTILINE)))
        return kilobytes / 1024

    def processor_seconds(self) -> float:
        """Return the processor time of the process and those under it so far, in seconds.

        The cost of a request, unlike its duration, does not depend on how busy the machine is.
        """
        ticks = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15]))  # its own, and those of processes that ended
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(10)


@contextlib.contextmanager
def served(*arguments: object, **environment: str) -> Iterator[Served]:
    """Run `digits serve` with these arguments on a free port until the end of the block."""
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
            if "to draw digits" in line:
                started.set()
        started.set()

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    try:
        assert started.wait(TIMEOUT), said
        ports = [found[1] for line in said if (found := re.search(r"open http://.*:(\d+)/ to draw", line))]
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


@contextlib.contextmanager
def served_in_thread(
    application: Callable[[int], Application], *, protocol: type[DeadlineProtocol] = DeadlineProtocol
) -> Iterator[int]:
    """Serve `application(port)` in a thread of this process until the end of the block; yield the port."""
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listening:
        port = listening.getsockname()[1]
        settings = {**SETTINGS, "http": protocol, "log_level": "critical", "timeout_keep_alive": 1}
        app = application(port)
        server = Server(uvicorn.Config(lambda: app, **settings))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join(10)


def raw(port: int, request: bytes, *, timeout: float = 20.0) -> bytes:
    """Send bytes and return the answer, until the server closes the connection or sends nothing more."""
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


def request_bytes(
    path: bytes = b"/api/health", *headers: bytes, method: bytes = b"GET", body: bytes = b""
) -> bytes:
    """Return an HTTP request with exactly these headers."""
    return b"\r\n".join([method + b" " + path + b" HTTP/1.1", *headers, b"", body])


def host_header(port: int) -> bytes:
    """Return the Host header of a server on this machine."""
    return f"Host: 127.0.0.1:{port}".encode()


async def asked(app: RequestChecks, method: str, path: str, **more: Any) -> httpx.Response:
    """Send one request to an application in this process and return its answer."""
    fastapi = app.app
    assert isinstance(fastapi, FastAPI)
    transport = httpx.ASGITransport(app)
    async with (
        fastapi.router.lifespan_context(fastapi),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        return await client.request(method, path, **more)


def overloaded() -> bool:
    """Return True if other programs keep this machine so busy that durations mean nothing."""
    return os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1)


def status(answer: bytes) -> int:
    """Return the status of a raw answer; 0 if there is none."""
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(found[1]) if found else 0
