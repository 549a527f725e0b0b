"""`digits serve` as a process: where it listens, how long it waits, how it ends."""

import asyncio
import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from support.hostile import saved
from support.served import raw, served, status
from support.strokefont import sheet

import digits
from digits.cli.main import main
from digits.errors import OptionError
from digits.serving import http_protocol
from digits.serving.app import application
from digits.serving.options import ServeOptions

LISTENING = re.compile(r"^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ 0A ", re.MULTILINE)  # 0A: LISTEN


def addresses(port: int) -> set[str]:
    """Where something listens on this port: addresses as /proc has them."""
    tables = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6")]
    found = [entry for table in tables if table.exists() for entry in LISTENING.findall(table.read_text())]
    return {address for address, number in found if int(number, 16) == port}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux, which lists what listens")
def test_only_this_machine_can_reach_it() -> None:
    """S11: it listens on 127.0.0.1 alone if not told otherwise; SIGTERM ends it with 0."""
    with served() as running:
        assert addresses(running.port) == {"0100007F"}
        assert running.stop() == 0
    assert len(running.said) == 1


def test_letting_others_in_needs_a_name_and_is_said() -> None:
    """S11: --host 0.0.0.0 alone is refused; with --allowed-host it warns and answers that name."""
    with pytest.raises(OptionError, match="--allowed-host"):
        ServeOptions(host="0.0.0.0")  # noqa: S104  # that is the point
    with served("--host", "0.0.0.0", "--allowed-host", "digits.example.org") as running:  # noqa: S104
        for host, code in (
            ("digits.example.org", 200),
            ("digits.example.org:8443", 200),
            ("example.org", 400),
        ):
            answer = httpx.get(f"{running.address}/api/health", headers={"host": host})
            assert answer.status_code == code
    assert "warning" in running.said[0]


def test_a_port_in_use_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    """S17: one sentence, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
    assert f"could not listen on 127.0.0.1, port {port}" in capfd.readouterr().err


def test_a_wrong_port_is_an_option_error() -> None:
    """65536 is none."""
    with pytest.raises(OptionError, match="--port"):
        ServeOptions(port=65536)


def test_a_network_that_is_damaged_or_missing_is_no_server(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """S18: it refuses to start and says which file."""
    source = Path(digits.__file__).parent / "weights" / "mlp.npz"
    damaged = bytearray(source.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "model.npz").write_bytes(damaged)
    for workers in ("1", "2"):
        assert main(["serve", "--port", "0", "--model", str(tmp_path), "--workers", workers]) == 1
        assert "damaged" in capfd.readouterr().err
    assert main(["serve", "--port", "0", "--model", "nowhere"]) == 1
    assert "nowhere is not there" in capfd.readouterr().err


def test_it_goes_on_when_a_network_is_deleted(tmp_path: Path) -> None:
    """S18: what it answers with is in memory."""
    model = tmp_path / "mine"
    model.mkdir()
    shutil.copy(Path(digits.__file__).parent / "weights" / "mlp.npz", model / "model.npz")
    with served("--model", model) as running:
        (model / "model.npz").unlink()
        picture = saved(sheet("3"), "PNG")
        answer = httpx.post(f"{running.address}/api/predict?model=mine", content=picture)
        assert answer.json()["text"] == "3"
        assert len(httpx.get(f"{running.address}/api/network/mine").content) > 1_000_000


def test_what_is_in_flight_is_answered_before_the_end() -> None:
    """S17: SIGTERM while large pictures are read: all are answered, exit code 0 within 5 seconds."""
    picture = saved(sheet("12345", size=(1500, 900), height=200), "PNG")
    answers: list[int] = []

    def ask(address: str) -> None:
        answers.append(httpx.post(f"{address}/api/predict", content=picture, timeout=20).status_code)

    with served() as running:
        asking = [threading.Thread(target=ask, args=(running.address,)) for _ in range(4)]
        for thread in asking:
            thread.start()
        deadline = time.monotonic() + 10
        while "digits_waiting 0.0" in httpx.get(f"{running.address}/metrics").text or not asking:
            assert time.monotonic() < deadline
            if answers:
                break
        start = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - start < 5
        for thread in asking:
            thread.join()
    assert answers == [200] * 4


def test_it_starts_again_right_after_a_kill() -> None:
    """S17: SIGKILL leaves nothing that keeps the port."""
    with served() as running:
        running.stop(signal.SIGKILL)
    with served("--port", running.port) as again:
        assert again.port == running.port
        assert httpx.get(f"{again.address}/api/health").status_code == 200


def test_workers_share_a_port_and_their_counters() -> None:
    """Two processes answer, one page of metrics counts for both, SIGTERM ends all with 0."""
    with served("--workers", "2") as running:
        with httpx.Client(base_url=running.address, timeout=30) as client:
            for _ in range(30):
                assert client.get("/api/health", headers={"connection": "close"}).status_code == 200
            deadline = time.monotonic() + 20
            while 'route="/api/health",status="200"} 30.0' not in client.get("/metrics").text:
                assert time.monotonic() < deadline
        start = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - start < 6


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk: apt-get install wrk")
def test_a_short_load_is_answered_without_an_error_and_without_growing(tmp_path: Path) -> None:
    """Eight connections, three seconds, good pictures and bad; `benchmarks/serving.py` is the long one."""
    pictures = [
        saved(sheet("7", size=(28, 28), height=20), "PNG"),
        b"no picture",
        b"\x89PNG\r\n\x1a\n" + bytes(99),
    ]
    for i, content in enumerate(pictures):
        (tmp_path / str(i)).write_bytes(content)
    script = tmp_path / "load.lua"
    script.write_text(f"""
        local requests, number, statuses = {{}}, 0, {{}}
        function init()
          for i = 0, 2 do
            local file = io.open("{tmp_path}/" .. i, "rb")
            local headers = {{["Content-Type"] = "image/png"}}
            requests[i] = wrk.format("POST", "/api/predict", headers, file:read("*a"))
            file:close()
          end
        end
        function request() number = number + 1; return requests[number % 3] end
        function response(status)
          if status ~= 200 and status ~= 415 and status ~= 400 then
            io.write("UNEXPECTED " .. status .. "\\n")
          end
        end
        """)
    with served() as running:
        command = ["wrk", "-t1", "-c8", "-s", str(script), running.address]
        subprocess.run([*command, "-d1s"], check=True, capture_output=True)
        before = running.memory()
        done = subprocess.run([*command, "-d3s"], check=True, capture_output=True, text=True)
        assert running.memory() - before < 10
    assert "UNEXPECTED" not in done.stdout
    assert "Socket errors" not in done.stdout
    assert int(re.findall(r"(\d+) requests in", done.stdout)[0]) > 20
    assert len(running.said) == 1


def test_a_missing_extra_is_said_with_its_line() -> None:
    """B2: `digits serve` without FastAPI; --help needs neither FastAPI nor NumPy nor torch."""
    block = "import sys; sys.modules['fastapi'] = None; from digits.cli.main import main; sys.exit(main({}))"
    run = [sys.executable, "-c", block.format(["serve"])]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "pip install 'digits[serve]'" in done.stderr
    helped = (
        "import sys; from digits.cli.main import main\n"
        "try: main(['serve', '--help'])\nexcept SystemExit: pass\n"
        "print({'fastapi', 'uvicorn', 'torch', 'numpy'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", helped], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "set()"
    assert "--allowed-host" in done.stdout


def test_the_server_imports_no_torch() -> None:
    """It starts in the time of NumPy, and fits where PyTorch does not."""
    code = (
        "import sys; from digits.serving import server; from digits.serving.options import ServeOptions\n"
        "from digits.serving.app import application; application(ServeOptions(), 1)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr


# -------------------------------------------------------------------------------------------- patience


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server in this process that waits for one second where the real one waits for ten."""
    monkeypatch.setattr(http_protocol, "RECEIVE", 1.0)
    monkeypatch.setattr(http_protocol.DeadlineProtocol._expect, "__defaults__", (1.0,))
    monkeypatch.setattr(http_protocol, "SEND", 1.0)
    monkeypatch.setattr(http_protocol, "CONNECTIONS", 400)
    listening = socket.create_server(("127.0.0.1", 0), backlog=500)
    port = listening.getsockname()[1]
    app = application(ServeOptions(), port)
    config = uvicorn.Config(
        app, http=http_protocol.DeadlineProtocol, ws="none", log_level="critical", timeout_keep_alive=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server._serve([listening])))
    thread.start()
    yield port
    server.should_exit = True
    thread.join(10)


def _closed(connection: socket.socket, seconds: float) -> bool:
    """Whether the server ends this connection in that time, whatever it says before."""
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def _host(port: int) -> bytes:
    return f"Host: 127.0.0.1:{port}\r\n".encode()


@pytest.mark.parametrize("part", ["nothing", "half a head", "half a body", "after an answer"])
def test_slow_senders_lose_their_place(hasty: int, part: str) -> None:
    """S4: 100 connections each that send nothing, half of a head or of a body: all closed, others served."""
    start = {
        "nothing": b"",
        "half a head": b"GET / HTTP/1.1\r\n" + _host(hasty),
        "half a body": b"POST /api/predict HTTP/1.1\r\n" + _host(hasty) + b"Content-Length: 100\r\n\r\nabc",
        "after an answer": b"GET /api/health HTTP/1.1\r\n" + _host(hasty) + b"\r\n",
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
    """S4: a byte now and then does not start the clock again."""
    with socket.create_connection(("127.0.0.1", hasty)) as connection:
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in b"GET / HTTP/1.1\r\n" + _host(hasty) + b"X: " + b"a" * 100:
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
        assert time.monotonic() - begun < 6
        with contextlib.suppress(OSError):
            assert status(connection.recv(1000)) == 408


def test_slow_readers_lose_their_place(hasty: int) -> None:
    """S4: whoever asks for megabytes and takes none is cut off."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", hasty))
        request = b"GET /api/network/mlp HTTP/1.1\r\n" + _host(hasty) + b"\r\n"
        connection.sendall(request * 5)
        time.sleep(2.5)
        received = 0
        connection.settimeout(5)
        with contextlib.suppress(OSError):
            while part := connection.recv(2**20):
                received += len(part)
        assert received < 3_800_000


def test_one_connection_too_many_is_told(hasty: int) -> None:
    """503 at once, and room again when the others have gone."""
    with contextlib.ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(socket.create_connection(("127.0.0.1", hasty)))
        assert status(raw(hasty, b"GET /api/health HTTP/1.1\r\n" + _host(hasty) + b"\r\n")) == 503
    time.sleep(0.3)
    assert httpx.get(f"http://127.0.0.1:{hasty}/api/health").status_code == 200
