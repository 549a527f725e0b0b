"""The HTTP interface: what it answers to the honest and to the hostile. RELIABILITY S1 to S18."""

import asyncio
import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from support.hostile import DAMAGED, FORMAT, LIMIT, READ, Hostile, hostile_pictures, saved
from support.served import Served, overloaded, raw, served, status
from support.strokefont import FONT, sheet

import digits
from digits.errors import DataError, PhotoError
from digits.reading.image_files import PictureLimits
from digits.reading.reader import Reader
from digits.reading.results import Reading
from digits.serving.app import application, networks
from digits.serving.corrections import Corrections, default_folder
from digits.serving.options import ServeOptions
from digits.serving.reading_queue import BusyError, ReadingQueue
from digits.serving.request_checks import BODY

STROKES = [[[100 * x, 100 * y] for x, y in stroke] for stroke in FONT[4]]
CODES = {READ: 200, FORMAT: 415, LIMIT: 413, DAMAGED: 400}
PNG = {"content-type": "image/png"}


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.load("cnn")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that all tests of this file share; corrections go to a folder of its own."""
    with served("--corrections", tmp_path_factory.mktemp("corrections")) as running:
        yield running


@pytest.fixture(scope="module")
def client(running: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.address, timeout=30) as client:
        yield client


# ------------------------------------------------------------------------------------ honest requests


def test_a_picture_is_read_as_python_reads_it(client: httpx.Client, reader: Reader) -> None:
    """The raw bytes of a picture; the answer is Reading.to_json()."""
    picture = saved(sheet("407", size=(600, 300)), "PNG")
    for kind in ("image/png", "application/octet-stream", "IMAGE/PNG; charset=x"):
        answer = client.post("/api/predict", content=picture, headers={"content-type": kind})
        assert (answer.status_code, answer.json()) == (200, reader.read(picture).to_json())
    assert client.post("/api/predict", content=picture).json()["text"] == "407"


def test_a_parameter_chooses_network_detail_and_a_single_digit(client: httpx.Client) -> None:
    """?model=mlp&single=true&detail=true."""
    picture = saved(sheet("3"), "PNG")
    answer = client.post(
        "/api/predict?model=mlp&single=true&detail=true", content=picture, headers=PNG
    ).json()
    wanted = Reader.load("mlp").read(picture, single=True)
    (mark,) = answer["digits"]
    assert (answer["text"], answer["width"], answer["height"]) == ("3", 400, 300)
    assert mark["probabilities"] == pytest.approx(wanted.digits[0].probabilities, abs=1e-6)
    seen = np.frombuffer(base64.b64decode(mark["image"]), np.uint8).reshape(28, 28)
    assert np.abs(seen / 255 - wanted.digits[0].image).max() < 0.01
    blank = saved(Image.new("L", (60, 60), 255), "PNG")
    assert client.post("/api/predict", content=blank, headers=PNG).json() == {"text": "", "digits": []}
    (mark,) = client.post("/api/predict?single=true", content=blank, headers=PNG).json()["digits"]
    assert (mark["accepted"], mark["reason"]) == (False, "blank")


def test_strokes_and_arrays_are_read(client: httpx.Client, reader: Reader) -> None:
    """JSON with strokes as the page draws them, or with an image in MNIST's form."""
    answer = client.post("/api/predict", json={"strokes": STROKES})
    assert answer.json() == reader.read_strokes([np.array(s) for s in STROKES]).to_json()
    image = reader.read_strokes([np.array(s) for s in STROKES]).digits[0].image
    answer = client.post("/api/predict", json={"image": image.tolist()})
    assert answer.json() == reader.read_image(image).to_json()
    assert client.post("/api/predict", json={"strokes": []}).json() == {"text": "", "digits": []}


def test_the_networks_are_listed_and_given(client: httpx.Client) -> None:
    """/api/model names them, /api/network gives each as bytes, which a browser may keep."""
    models = client.get("/api/model").json()["models"]
    assert [model["name"] for model in models] == ["cnn", "mlp"]
    assert [model["parameters"] > 100_000 for model in models] == [True, True]
    answer = client.get("/api/network/cnn")
    assert len(answer.content) > 4 * models[0]["parameters"]
    again = client.get("/api/network/cnn", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/api/network/resnet").status_code == 404


def test_health_metrics_and_schema(client: httpx.Client) -> None:
    """For whoever watches: all is well, counters that count, a description for programs."""
    assert client.get("/api/health").json() == {"status": "ok"}

    def count() -> float:
        lines = client.get("/metrics").text.splitlines()
        name = 'digits_requests_total{method="POST",route="/api/predict",status="200"}'
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    before = count()
    client.post("/api/predict", json={"strokes": STROKES})
    client.get("/strange/" + "x" * 50)
    assert count() == before + 1
    text = client.get("/metrics").text
    assert 'digits_marks_total{accepted="true",digit="4",network="cnn"}' in text
    assert 'route="other"' in text
    assert "strange" not in text
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]["/api/predict"]["post"]["requestBody"]["content"]) >= {
        "image/png",
        "application/json",
    }


# ----------------------------------------------------------------------------------------- corrections


def test_a_correction_is_kept_under_its_digit(tmp_path: Path) -> None:
    """As DIR/7/HASH.png; the same picture once, and the last word counts."""
    kept = Corrections(tmp_path / "new")
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 14] = 200
    name = kept.add(image, 7)
    assert re.fullmatch(r"7/[0-9a-f]{16}\.png", name)
    with Image.open(kept.folder / name) as picture:
        assert np.array_equal(np.asarray(picture), image)
    assert kept.add(image, 7) == name
    moved = kept.add(image, 1)
    assert [path.relative_to(kept.folder).as_posix() for path in kept.folder.rglob("*.png")] == [moved]


def test_a_full_folder_takes_no_more(tmp_path: Path) -> None:
    """But what is there may still change its digit."""
    kept = Corrections(tmp_path, most=2)
    images = [np.full((28, 28), shade, np.uint8) for shade in (1, 2, 3)]
    kept.add(images[0], 0)
    kept.add(images[1], 1)
    with pytest.raises(DataError, match="full: it holds 2 pictures"):
        kept.add(images[2], 2)
    kept.add(images[1], 5)
    assert kept.count() == 2


def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    """The reason, as a DataError."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be kept"):
        Corrections(tmp_path / "file").add(np.zeros((28, 28), np.uint8), 3)


@pytest.mark.parametrize(
    ("system", "variable", "end"),
    [
        ("linux", "XDG_DATA_HOME", "there/digits/corrections"),
        ("win32", "LOCALAPPDATA", "there/digits/corrections"),
        ("darwin", "", "Library/Application Support/digits/corrections"),
    ],
)
def test_the_default_folder_is_the_systems(
    system: str, variable: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where applications keep their user's data."""
    monkeypatch.setattr("sys.platform", system)
    if variable:
        monkeypatch.setenv(variable, "there")
    assert default_folder().as_posix().endswith(end)


def test_corrections_over_http(client: httpx.Client, running: Served, tmp_path: Path) -> None:
    """201 and the name; wrong labels and shapes are refused; a folder that cannot be written is said."""
    image = np.eye(28).tolist()
    answer = client.post("/api/corrections", json={"image": image, "label": 7})
    assert answer.status_code == 201
    assert answer.json()["kept"].startswith("7/")
    for label in (-1, 10, 7.5, "7", True, None, [7]):
        assert client.post("/api/corrections", json={"image": image, "label": label}).status_code == 422
    assert client.post("/api/corrections", json={"image": image}).status_code == 422
    assert client.post("/api/corrections", content=b"7", headers=PNG).status_code == 415
    (tmp_path / "file").write_text("")
    app = application(ServeOptions(corrections=tmp_path / "file"), 80)
    answer = asyncio.run(_asked(app, "POST", "/api/corrections", json={"image": image, "label": 7}))
    assert (answer.status_code, answer.json()["kind"]) == (507, "full")
    assert str(tmp_path) not in answer.text


async def _asked(app: Any, method: str, path: str, **more: Any) -> httpx.Response:
    """One request to an application in this process."""
    transport = httpx.ASGITransport(app)
    async with (
        app.app.router.lifespan_context(app.app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        return await client.request(method, path, **more)


# ------------------------------------------------------------------------------------ hostile requests


@pytest.mark.parametrize("picture", hostile_pictures(), ids=lambda picture: picture.name)
def test_hostile_pictures_get_their_answer(client: httpx.Client, running: Served, picture: Hostile) -> None:
    """200, 400, 413 or 415 as each must, in little time, and a body that gives nothing away (I1, S16)."""
    begun = running.processor_seconds()
    answer = client.post("/api/predict", content=picture.content, headers=PNG)
    allowed = {CODES[kind] for kind in picture.expected}
    if len(picture.content) > BODY:
        allowed = {413}
    if not picture.content:
        allowed = {415}
    if answer.status_code == 503 and overloaded():
        pytest.skip("needs a machine that is less busy")
    assert answer.status_code in allowed
    assert running.processor_seconds() - begun < 3
    _gives_nothing_away(answer.text)


def _gives_nothing_away(text: str) -> None:
    assert not re.search(r"Traceback|File \"|/(usr|home|tmp|root|src)/|\.py\b|\d+\.\d+\.\d+", text), text


JSON_WRONG = [
    (b"", 400),
    (b"{", 400),
    (b"[" * 100_000, 400),
    (b"\xff\xfe", 400),
    (b"3", 422),
    (b"[]", 422),
    (b"{}", 422),
    (b'{"strokes": 3}', 422),
    (b'{"strokes": [], "image": []}', 422),
    (b'{"strokes": [[[1, 2, 3]]]}', 422),
    (b'{"strokes": [[["a", "b"]]]}', 422),
    (b'{"strokes": [[[NaN, 1]]]}', 422),
    (b'{"strokes": [[[1e300, 1]]]}', 422),
    (b'{"image": [[1]]}', 422),
    (json.dumps({"image": [[2] * 28] * 28}).encode(), 422),
    (json.dumps({"image": [[True] * 28] * 28}).encode(), 422),
    (json.dumps({"image": [["1"] * 28] * 28}).encode(), 422),
    (json.dumps({"image": [[float("inf")] * 28] * 28}).encode(), 422),
    (json.dumps({"image": [[10**400] * 28] * 28}).encode(), 422),
    (json.dumps({"strokes": [[[1, 1]]] * 1001}).encode(), 422),
    (json.dumps({"strokes": [[[1, 1]] * 10_001]}).encode(), 422),
]


@pytest.mark.parametrize(("body", "code"), JSON_WRONG, ids=lambda value: str(value)[:30])
def test_wrong_json_is_refused_with_the_reason(client: httpx.Client, body: bytes, code: int) -> None:
    """Not JSON: 400; JSON of another shape, or with too many points: 422."""
    answer = client.post("/api/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == code
    assert set(answer.json()) == {"error", "kind"}


def test_ten_thousand_points_are_read_quickly(client: httpx.Client, running: Served) -> None:
    """The largest drawing allowed."""
    begun = running.processor_seconds()
    angle = np.linspace(0, 50, 10_000)
    stroke = np.stack([100 * np.cos(angle), 120 * np.sin(angle)], axis=1).round(2).tolist()
    answer = client.post("/api/predict", json={"strokes": [stroke]})
    assert answer.status_code == 200
    assert running.processor_seconds() - begun < 3


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain", 415),
        ("text/html", 415),
        ("image/svg+xml", 200),  # what it says does not matter, what it is does
    ],
)
def test_forms_are_not_read(client: httpx.Client, kind: str, code: int) -> None:
    """What a page of another site could send without asking is refused (S10)."""
    picture = saved(sheet("3"), "PNG")
    assert client.post("/api/predict", content=picture, headers={"content-type": kind}).status_code == code


def _request(path: bytes = b"/api/health", *lines: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    return b"\r\n".join([method + b" " + path + b" HTTP/1.1", *lines, b"", body])


def test_only_its_own_names_are_answered(running: Served) -> None:
    """S9: every other Host is refused, however it is made to look."""
    port = running.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}"):
        assert status(raw(port, _request(b"/api/health", b"Host: " + host.encode()))) == 200, host
    wrong = ["evil.com", f"evil.com:{port}", f"127.0.0.1.evil.com:{port}", f"evil@127.0.0.1:{port}", "",
             f"127.0.0.1:{port}/x?y", "127.0.0.1", "127.0.0.1:1", f"127.0.0.2:{port}", "[::1]", "127.0.0.1:",
             f"127.0.0.1:{port}:80", "localhost:\xb2", "0.0.0.0"]  # fmt: skip  # noqa: S104
    for host in wrong:
        assert status(raw(port, _request(b"/api/health", b"Host: " + host.encode("latin-1")))) == 400, host
    assert status(raw(port, _request())) == 400
    twice = (b"Host: evil.com", f"Host: 127.0.0.1:{port}".encode())
    assert status(raw(port, _request(b"/api/health", *twice))) == 400


def test_other_sites_pages_are_not_answered(client: httpx.Client, running: Served) -> None:
    """S10: a foreign Origin gets 403, no answer allows another site to read it."""
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
    """S12: the policy, nosniff, no-referrer, no frames; no word of who serves."""
    for answer in (client.get(path), client.get(path, headers={"host": "evil.com"}), client.put(path)):
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "FOO"]
)
def test_methods_that_are_not_meant_get_405(running: Served, method: str) -> None:
    """S15: with the right Allow, and HEAD where there is GET."""
    host = f"Host: 127.0.0.1:{running.port}".encode()
    lines = (host, b"Content-Length: 0", b"Connection: close")
    for path, allow in ((b"/api/health", b"GET, HEAD"), (b"/api/predict", b"POST")):
        answer = raw(running.port, _request(path, *lines, method=method.encode()))
        if method == "FOO":
            assert status(answer) in (400, 405)
        elif method in allow.decode().split(", "):
            assert status(answer) == (200 if path == b"/api/health" else 415)
            assert answer.endswith(b"\r\n\r\n") == (method == "HEAD")
        else:
            assert status(answer) == 405
            assert b"allow: " + allow + b"\r\n" in answer


BODIES: list[tuple[str, list[bytes], bytes, set[int]]] = [
    ("5 MB and 1", [b"Content-Length: 5000001"], b"", {413}),
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
    """S6: before they are read, and memory stays what it was."""
    before = running.memory()
    host = f"Host: 127.0.0.1:{running.port}".encode()
    answer = raw(running.port, _request(b"/api/predict", host, *lines, method=b"POST", body=body))
    assert status(answer) in codes
    assert running.memory() - before < 20


def test_a_body_of_5_mb_is_read(client: httpx.Client) -> None:
    """S6: the limit itself is allowed."""
    content = saved(sheet("3"), "PNG")
    content += bytes(5_000_000 - len(content))
    assert client.post("/api/predict", content=content, headers=PNG).status_code == 200


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
    """S7."""
    host = f"Host: 127.0.0.1:{running.port}".encode()
    assert status(raw(running.port, _request(b"/api/health", host, *lines))) in codes


PATHS = [b"/../../etc/passwd", b"/static/../server.py", b"/static/%2e%2e/server.py",
         b"/static/..%2fserver.py", b"/static/..%5cserver.py", b"/static/..\\server.py", b"/static/%00",
         b"/static/index.html%00.js",
         b"/static/\xc0\xae\xc0\xae/server.py", b"/static/%c0%ae%c0%ae/server.py", b"//etc/passwd",
         b"/static//main.js", b"/static/.hidden", b"/.git/config", b"/static/", b"/" + b"a" * 60_000,
         b"/api/network/..%2f..%2fweights%2fcnn.npz", b"/api/network/%00", b"http://evil.com/",
         b"*"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=lambda path: repr(path)[:40])
def test_paths_lead_nowhere_else(running: Served, path: bytes) -> None:
    """S8: no file but the page's is ever given, because none is ever opened."""
    host = f"Host: 127.0.0.1:{running.port}".encode()
    answer = raw(running.port, _request(path, host, b"Connection: close"))
    assert status(answer) in ({200, 404, 400} if path == b"http://evil.com/" else {400, 404, 431})
    assert b"root:" not in answer
    assert b"import" not in answer.split(b"\r\n\r\n")[-1] or status(answer) != 200


def test_networks_are_chosen_by_name_only(client: httpx.Client) -> None:
    """M6: a name from outside never becomes a path."""
    for name in ("../../x", "/etc/passwd", "cnn\0", "x" * 10_000, "runs/classic-1", "cnn.npz", "doubt2", ""):
        answer = client.post("/api/predict", params={"model": name}, json={"strokes": STROKES})
        assert answer.status_code == 404, name


def test_the_log_is_short_and_says_nothing_odd(running: Served) -> None:
    """S16: after all that came before, no line is long, none shows a traceback or a control character."""
    for line in running.said:
        assert len(line) < 1000
        assert line.isprintable()
        assert "Traceback" not in line


# --------------------------------------------------------------------------------- the reading thread


def _in_worker(work: "Callable[[ReadingQueue], Any]", **options: Any) -> Any:
    async def run() -> Any:
        worker = ReadingQueue(PictureLimits(), **options)
        worker.start()
        try:
            return await work(worker)
        finally:
            worker.stop()

    return asyncio.run(run())


def test_pictures_that_wait_are_read_together_as_if_alone(reader: Reader) -> None:
    """Twenty at once, good and bad, in order."""
    pictures = [saved(sheet(str(i % 10)), "PNG") if i % 7 else b"none" for i in range(20)]

    async def ask(worker: ReadingQueue) -> list[Any]:
        asked = [worker.read(reader, picture, single=True) for picture in pictures]
        return await asyncio.gather(*asked, return_exceptions=True)

    for picture, found in zip(pictures, _in_worker(ask), strict=True):
        if picture == b"none":
            assert isinstance(found, PhotoError)
        else:
            assert isinstance(found, Reading)
            assert found.text == reader.read(picture, single=True).text


def test_too_many_are_refused_and_the_rest_answered() -> None:
    """Three of five wait; two are told that the server is busy."""

    async def ask(worker: ReadingQueue) -> list[Any]:
        asked = [worker.do(lambda: 1) for _ in range(5)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert worker.waiting == 0
        return found

    found = _in_worker(ask, waiting=3)
    assert found[:3] == [1, 1, 1]
    assert [type(error) for error in found[3:]] == [BusyError, BusyError]


def test_whoever_waits_too_long_is_told() -> None:
    """And the work that nobody waits for any more is not done."""
    import threading

    gate, done = threading.Event(), []

    async def ask(worker: ReadingQueue) -> Any:
        asked = [worker.do(gate.wait), worker.do(lambda: done.append(1))]
        found = await asyncio.gather(*asked, return_exceptions=True)
        gate.set()
        assert await worker.do(lambda: 5) == 5
        return found

    assert [type(error) for error in _in_worker(ask, patience=0.2)] == [BusyError, BusyError]
    assert not done


def test_a_bug_that_one_picture_meets_spares_the_others(reader: Reader) -> None:
    """When reading together fails, each is read alone."""

    class Fragile(Reader):
        def read_many(self, *_: Any, **__: Any) -> Any:
            raise ZeroDivisionError

    fragile = Fragile(reader.classifier)
    picture = saved(sheet("3"), "PNG")

    async def ask(worker: ReadingQueue) -> list[Any]:
        return await asyncio.gather(*(worker.read(fragile, picture, single=True) for _ in range(6)))

    assert [reading.text for reading in _in_worker(ask)] == ["3"] * 6


def test_a_bug_is_noted_without_telling_the_client(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500, a fixed sentence; the log has one short line."""

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("secret\n/usr/lib")

    monkeypatch.setattr("digits.serving.app.read_json", broken)
    app = application(ServeOptions(), 80)
    with pytest.raises(ZeroDivisionError):  # what the client gets was sent before
        asyncio.run(_asked(app, "POST", "/api/predict", json={"strokes": STROKES}))
    assert "secret" in caplog.text


# --------------------------------------------------------------------------------------------- networks


def test_ones_own_networks_come_first_under_their_names(tmp_path: Path) -> None:
    """A run's folder names them; names that are taken get a number, odd ones become safe."""
    for folder in ("cnn", "my run é"):
        (tmp_path / folder).mkdir()
        source = Path(digits.__file__).parent / "weights" / "mlp.npz"
        (tmp_path / folder / "model.npz").write_bytes(source.read_bytes())
    found = networks([str(tmp_path / "my run é"), str(tmp_path / "cnn")])
    assert list(found) == ["my_run__", "cnn", "cnn-2", "mlp"]
    assert found["my_run__"].about["architecture"] == "mlp"


def test_a_network_for_the_page_holds_all_its_numbers(reader: Reader) -> None:
    """What the bytes say is what `inference` computes with, number by number."""
    from digits.networks.numpy_layers import Convolution, Dense
    from digits.serving import page

    content = page.network(reader.classifier)
    length = int.from_bytes(content[:4], "little")
    about = json.loads(content[4 : 4 + length])
    numbers = np.frombuffer(content, "<f4", offset=4 + length)
    for layer, said in zip(reader.classifier.members[0], about["members"][0], strict=True):
        assert said["kind"] == type(layer).__name__.lower()
        if isinstance(layer, Dense | Convolution):
            weights = layer.weights if isinstance(layer, Dense) else layer.kernels
            start = said["weights"]
            assert np.array_equal(numbers[start : start + weights.size].reshape(said["shape"]), weights)
            assert np.array_equal(numbers[said["bias"] : said["bias"] + layer.bias.size], layer.bias)
    assert io.BytesIO(content).getbuffer().nbytes % 4 == 0
