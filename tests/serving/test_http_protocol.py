"""Odd requests, slow clients and too many connections."""

import contextlib
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from support.served import Served, host_header, raw, request_bytes, served_in_thread, status

from digits.serving.app import application
from digits.serving.http_protocol import DeadlineProtocol
from digits.serving.options import ServeOptions

HEADS: list[tuple[str, list[bytes], set[int]]] = [
    ("10,000 headers", [b"X-A%d: b" % i for i in range(10_000)], {400, 431}),
    ("64 kB in one", [b"X: " + b"a" * 65_536], {400, 431}),
    ("NUL", [b"X: a\0b"], {400}),
    ("folded", [b"X: a", b" b"], {200, 400}),
    ("no colon", [b"nonsense"], {400}),
    ("upgrade", [b"Connection: Upgrade", b"Upgrade: websocket"], {200, 400, 426}),
]


@pytest.mark.parametrize(("name", "lines", "codes"), HEADS, ids=[case[0] for case in HEADS])
def test_heads_that_are_odd(running: Served, name: str, lines: list[bytes], codes: set[int]) -> None:
    """Odd or oversized headers are answered with one of the allowed statuses."""
    host = host_header(running.port)
    assert status(raw(running.port, request_bytes(b"/api/health", host, *lines))) in codes


class Hasty(DeadlineProtocol):
    """The server's protocol with shorter deadlines."""

    receive_seconds = send_seconds = 1.0


@pytest.fixture(scope="module")
def hasty() -> Iterator[int]:
    """The port of a server with these deadlines."""
    with served_in_thread(lambda port: application(ServeOptions(), port), protocol=Hasty) as port:
        yield port


def _closed(connection: socket.socket, seconds: float) -> bool:
    """Return True if the server ends this connection within that time."""
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


SLOW_PARTS = [
    pytest.param(part, marks=pytest.mark.slow) for part in ("nothing", "half a head", "after an answer")
]


@pytest.mark.parametrize("part", ["half a body", *SLOW_PARTS])
def test_slow_senders_lose_their_place(hasty: int, part: str) -> None:
    """100 connections that send nothing more are closed, and others are answered meanwhile."""
    start = {
        "nothing": b"",
        "half a head": b"GET / HTTP/1.1\r\n" + host_header(hasty) + b"\r\n",
        "half a body": b"POST /api/predict HTTP/1.1\r\n"
        + host_header(hasty)
        + b"\r\nContent-Length: 100\r\n\r\nabc",
        "after an answer": b"GET /api/health HTTP/1.1\r\n" + host_header(hasty) + b"\r\n\r\n",
    }[part]
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", hasty))) for _ in range(100)]
        for connection in slow:
            connection.sendall(start)
        seconds = []
        for _ in range(10):
            begun = time.perf_counter()
            assert httpx.get(f"http://127.0.0.1:{hasty}/api/health").status_code == 200
            seconds.append(time.perf_counter() - begun)
        assert sorted(seconds)[5] < 1
        deadline = time.monotonic() + 8
        for connection in slow:
            assert _closed(connection, max(0.1, deadline - time.monotonic()))


def test_a_trickle_is_cut_off(hasty: int) -> None:
    """Single bytes do not extend the deadline of a request."""
    with socket.create_connection(("127.0.0.1", hasty)) as connection:
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in b"GET / HTTP/1.1\r\n" + host_header(hasty) + b"\r\nX: " + b"a" * 100:
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
        assert time.monotonic() - begun < 6
        with contextlib.suppress(OSError):
            assert status(connection.recv(1000)) == 408


@pytest.mark.slow
def test_slow_readers_lose_their_place(hasty: int) -> None:
    """A client that requests megabytes and reads nothing is disconnected."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", hasty))
        request = b"GET /api/network/mlp HTTP/1.1\r\n" + host_header(hasty) + b"\r\n\r\n"
        connection.sendall(request * 5)
        time.sleep(2.5)
        received = 0
        connection.settimeout(5)
        with contextlib.suppress(OSError):
            while part := connection.recv(2**20):
                received += len(part)
        assert received < 3_800_000


class Crowded(DeadlineProtocol):
    """The server's protocol with room for few connections."""

    max_connections = 40


def test_one_connection_too_many_is_told() -> None:
    """One connection too many gets 503 at once; when the others have gone, all is well again."""
    with served_in_thread(lambda port: application(ServeOptions(), port), protocol=Crowded) as port:
        request = b"GET /api/health HTTP/1.1\r\n" + host_header(port) + b"\r\n\r\n"
        with contextlib.ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            assert status(raw(port, request)) == 503
        time.sleep(0.3)
        assert httpx.get(f"http://127.0.0.1:{port}/api/health").status_code == 200
