"""Checks before the application: Host, Origin, length and headers."""

import httpx
import pytest
from support.hostile import saved
from support.served import Served, host_header, raw, request_bytes, status
from support.strokefont import FONT, sheet

STROKES = [[[100 * x, 100 * y] for x, y in stroke] for stroke in FONT[4]]

PNG = {"content-type": "image/png"}
JSON = {"content-type": "application/json"}


def test_only_its_own_names_are_answered(running: Served) -> None:
    """Only Host headers that name this server are answered."""
    port = running.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}"):
        assert status(raw(port, request_bytes(b"/api/health", b"Host: " + host.encode()))) == 200, host
    wrong = ["evil.com", f"evil.com:{port}", f"127.0.0.1.evil.com:{port}", f"evil@127.0.0.1:{port}", "",
             f"127.0.0.1:{port}/x?y", "127.0.0.1", "127.0.0.1:1", f"127.0.0.2:{port}", "[::1]", "127.0.0.1:",
             f"127.0.0.1:{port}:80", "localhost:\xb2", "0.0.0.0"]  # fmt: skip  # noqa: S104
    for host in wrong:
        assert status(raw(port, request_bytes(b"/api/health", b"Host: " + host.encode("latin-1")))) == 400, (
            host
        )
    assert status(raw(port, request_bytes())) == 400
    twice = (b"Host: evil.com", f"Host: 127.0.0.1:{port}".encode())
    assert status(raw(port, request_bytes(b"/api/health", *twice))) == 400


def test_other_sites_pages_are_not_answered(client: httpx.Client, running: Served) -> None:
    """A foreign Origin gets 403, and no answer has a CORS header."""
    for origin in ("http://evil.com", "null", "https://127.0.0.1", f"http://localhost:{running.port}",
                   "file://", "http://[", f"http://127.0.0.1:{running.port}.evil.com"):  # fmt: skip
        answer = client.post("/api/predict", json={"strokes": STROKES}, headers={"origin": origin})
        assert answer.status_code == 403, origin
        assert not [name for name in answer.headers if name.startswith("access-control")]
    answer = client.post("/api/predict", json={"strokes": STROKES}, headers={"origin": running.address})
    assert answer.status_code == 200
    answer = client.options("/api/predict", headers={"origin": "http://evil.com"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


ANYWHERE = ["/", "/static/main.js", "/api/health", "/api/model", "/api/network/cnn", "/metrics",
            "/openapi.json", "/nothing", "/api/predict", "/api/network/none"]  # fmt: skip


@pytest.mark.parametrize("path", ANYWHERE)
def test_every_answer_carries_the_headers(client: httpx.Client, path: str) -> None:
    """Every answer has the security headers and none names the server's software."""
    for answer in (client.get(path), client.get(path, headers={"host": "evil.com"}), client.put(path)):
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


BODIES: list[tuple[str, list[bytes], bytes, set[int]]] = [
    ("25 MB and 1", [b"Content-Length: 25000001"], b"", {413}),
    ("10 GB claimed", [b"Content-Length: 10000000000"], b"", {413}),
    ("30 digits", [b"Content-Length: " + b"9" * 30], b"", {400, 413}),
    ("negative", [b"Content-Length: -1"], b"", {400}),
    ("text", [b"Content-Length: many"], b"", {400}),
    ("two lengths", [b"Content-Length: 3", b"Content-Length: 4"], b"abcd", {400}),
    ("length and chunks", [b"Content-Length: 4", b"Transfer-Encoding: chunked"], b"0\r\n\r\n", {400, 411}),
    ("chunked 6.5 MB", [b"Transfer-Encoding: chunked"], b"10000\r\n" + bytes(65536) + b"\r\n", {411}),
    ("one-byte chunks", [b"Transfer-Encoding: chunked"], b"1\r\nx\r\n" * 500_000, {411}),
    ("unknown coding", [b"Transfer-Encoding: gzip"], b"", {400, 411, 501}),
    ("no length", [], b"", {411}),
]


@pytest.mark.parametrize(("name", "lines", "body", "codes"), BODIES, ids=[case[0] for case in BODIES])
def test_bodies_that_lie_are_refused(
    running: Served, name: str, lines: list[bytes], body: bytes, codes: set[int]
) -> None:
    """Bodies with a wrong, missing or too large length are refused before they are read."""
    before = running.memory()
    host = host_header(running.port)
    answer = raw(running.port, request_bytes(b"/api/predict", host, *lines, method=b"POST", body=body))
    assert status(answer) in codes
    assert running.memory() - before < 20


def test_json_of_more_than_5_mb_is_refused(client: httpx.Client) -> None:
    """JSON is limited to 5 MB, since parsing it takes more work than decoding a picture."""
    content = b'{"strokes": []}'
    assert client.post("/api/predict", content=content.ljust(5_000_000), headers=JSON).status_code == 200
    assert client.post("/api/predict", content=content.ljust(5_000_001), headers=JSON).status_code == 413


def test_a_body_of_25_mb_is_read(client: httpx.Client) -> None:
    """A body of exactly the maximal size is read."""
    content = saved(sheet("3"), "PNG")
    content += bytes(25_000_000 - len(content))
    assert client.post("/api/predict", content=content, headers=PNG).status_code == 200
