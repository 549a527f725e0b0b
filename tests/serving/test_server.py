"""`digits serve` as a process: where it listens, how it starts and ends."""

import concurrent.futures
import contextlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from support.hostile import saved
from support.served import Served, host_header, raw, request_bytes, served
from support.strokefont import sheet

import digits
from digits.cli.main import main
from digits.errors import OptionError, ServeError
from digits.serving.options import ServeOptions
from digits.serving.server import possible_connections

LISTENING = re.compile(r"^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ 0A ", re.MULTILINE)  # 0A: LISTEN


def addresses(port: int) -> set[str]:
    """Return the addresses, in the format of /proc, that something listens on at this port."""
    tables = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6")]
    found = [entry for table in tables if table.exists() for entry in LISTENING.findall(table.read_text())]
    return {address for address, number in found if int(number, 16) == port}


@pytest.mark.slow
def test_letting_others_in_needs_a_name_and_is_said() -> None:
    """--host 0.0.0.0 alone is refused; with --allowed-host the server warns and answers that name."""
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
    """A port in use ends the command with one sentence and exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
    assert f"could not listen on 127.0.0.1, port {port}" in capfd.readouterr().err


def test_a_wrong_port_is_an_option_error() -> None:
    """Port 65536 is refused."""
    with pytest.raises(OptionError, match="--port"):
        ServeOptions(port=65536)


@pytest.mark.parametrize("workers", [0, 257])
def test_a_wrong_number_of_workers_is_an_option_error(workers: int) -> None:
    """From 1 to 256 pictures can be read at the same time."""
    with pytest.raises(OptionError, match=f"--workers is {workers}; expected a whole number from 1 to 256"):
        ServeOptions(workers=workers)


def test_a_network_that_is_damaged_or_missing_is_no_server(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a damaged or missing network the command names the file and ends with exit code 1."""
    source = Path(digits.__file__).parent / "weights" / "mlp.npz"
    damaged = bytearray(source.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "model.npz").write_bytes(damaged)
    for workers in ("1", "2"):
        assert main(["serve", "--port", "0", "--model", str(tmp_path), "--workers", workers]) == 1
        assert "damaged" in capfd.readouterr().err
    assert main(["serve", "--port", "0", "--model", "nowhere"]) == 1
    assert "nowhere is not there" in capfd.readouterr().err


@pytest.mark.slow
def test_it_goes_on_when_a_network_is_deleted(tmp_path: Path) -> None:
    """The server goes on when a network's file is deleted, because it is in memory."""
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
    """After SIGTERM, pictures that are being read are answered; exit code 0 within five seconds."""
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


@pytest.mark.slow
def test_what_was_sent_before_the_signal_is_answered_under_load() -> None:
    """Sixty requests that the system has accepted are answered after SIGTERM, though the server is busy."""
    body = saved(sheet("7", size=(90, 90), height=60), "PNG")
    with served() as running, contextlib.ExitStack() as stack:
        head = f"POST /api/predict HTTP/1.1\r\nHost: localhost:{running.port}\r\nContent-Length: {len(body)}"
        sent = [stack.enter_context(socket.create_connection(("127.0.0.1", running.port))) for _ in range(60)]
        for connection in sent:
            connection.sendall(head.encode() + b"\r\n\r\n" + body)
        running.process.send_signal(signal.SIGTERM)
        for connection in sent:
            connection.settimeout(20)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert running.process.wait(15) == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_no_process_outlives_the_server() -> None:
    """After SIGKILL of the server all its processes end, those that read a picture, too."""
    dots = np.kron(np.random.default_rng(0).integers(0, 2, (150, 150)), np.ones((8, 8))) * 255
    costly = saved(Image.fromarray(dots.astype(np.uint8)), "PNG")
    with served() as running:
        asking = threading.Thread(target=lambda: raw(running.port, post(running.port, costly)))
        asking.start()
        while len(running.processes()) < 3:  # server, nursery and reading process
            time.sleep(0.01)
        processes = running.processes()
        running.stop(signal.SIGKILL)
        deadline = time.monotonic() + 5
        while any(is_running(pid) for pid in processes):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        asking.join()


def post(port: int, body: bytes) -> bytes:
    """Return the request to read a picture."""
    length = b"Content-Length: %d" % len(body)
    return request_bytes(b"/api/predict", host_header(port), length, method=b"POST", body=body)


def is_running(pid: int) -> bool:
    """Return True if a process exists and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("soft", "hard", "most"),
    [(256, 256, 200), (1_048_576, 1_048_576, 1000), (256, resource.RLIM_INFINITY, 1000)],
)
def test_few_files_allow_few_connections(
    soft: int, hard: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of open files is raised where possible; otherwise it limits the connections."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    changed: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: changed.append(limits))
    monkeypatch.setattr("pathlib.Path.iterdir", lambda _: iter([Path("file")] * 24))
    assert possible_connections() == most
    assert changed in ([], [(min(1056, hard) if hard > 0 else 1056, hard)])
    assert bool(changed) == (soft < 1056)


def test_too_few_files_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """If not even one connection can be open, the command says what it needs."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (20, 20))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    with pytest.raises(ServeError, match=r"only 20 files may be open .* ulimit -n"):
        possible_connections()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="changes the limit of another process")
def test_without_files_it_says_so_once_and_recovers() -> None:
    """If no further file can be opened, the log gets one line; when files are free again, all is answered."""
    with served() as running:
        files = len(list(Path(f"/proc/{running.process.pid}/fd").iterdir()))
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (files + 20, files + 20))
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
            time.sleep(2.5)
        picture = saved(sheet("7", size=(90, 90), height=60), "PNG")
        assert httpx.post(f"{running.address}/api/predict", content=picture, timeout=20).status_code == 200
    assert [line for line in running.said if "file" in line] == running.said[1:]
    assert len(running.said) == 2


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux, which lists what listens")
def test_it_starts_again_right_after_a_kill_and_listens_on_this_machine_only() -> None:
    """After SIGKILL a new server uses the port, on 127.0.0.1 alone; SIGTERM ends it with exit code 0."""
    with served() as running:
        running.stop(signal.SIGKILL)
    with served("--port", running.port) as again:
        assert again.port == running.port
        assert httpx.get(f"{again.address}/api/health").status_code == 200
        assert addresses(again.port) == {"0100007F"}
        assert again.stop() == 0
    assert len(again.said) == 1


@pytest.mark.slow
def test_workers_read_at_the_same_time_in_one_server() -> None:
    """With --workers 2 several processes read, one server counts, and SIGTERM ends all with exit code 0."""
    picture = saved(sheet("7", size=(90, 90), height=60), "PNG")
    with served("--workers", "2") as running:
        asking = [
            threading.Thread(target=raw, args=(running.port, post(running.port, picture))) for _ in range(9)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        counted = 'digits_requests_total{method="POST",route="/api/predict",status="200"} 9.0'
        assert counted in httpx.get(f"{running.address}/metrics").text
        start = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - start < 6


def test_many_requests_at_once_are_answered_without_growing(running: Served) -> None:
    """Eight clients send 200 good and bad pictures: each gets its status, and memory does not grow."""
    pictures = {
        saved(sheet("7", size=(28, 28), height=20), "PNG"): 200,
        b"no picture": 415,
        b"\x89PNG\r\n\x1a\n" + bytes(99): 415,
    }

    def ask(number: int) -> None:
        with httpx.Client(base_url=running.address, timeout=30) as client:
            for i in range(number):
                content, code = list(pictures.items())[i % 3]
                answer = client.post("/api/predict", content=content, headers={"content-type": "image/png"})
                assert answer.status_code == code

    def ask_at_once(number: int) -> None:
        with concurrent.futures.ThreadPoolExecutor(8) as executor:
            for done in [executor.submit(ask, number) for _ in range(8)]:
                done.result()

    ask_at_once(5)
    before = running.memory()
    ask_at_once(25)
    assert running.memory() - before < 10


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk: apt-get install wrk")
def test_a_short_load_is_answered_without_an_error_and_without_growing(tmp_path: Path) -> None:
    """Eight connections send good and bad pictures for three seconds: no error, no growing memory."""
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
        # A TIFF starts the process for costly pictures, which a busy machine would start later.
        tiff = saved(sheet("7", size=(60, 60), height=40), "TIFF")
        assert (
            httpx.post(
                f"{running.address}/api/predict", content=tiff, headers={"Content-Type": "image/tiff"}
            ).status_code
            == 200
        )
        before = running.memory()
        done = subprocess.run([*command, "-d3s"], check=True, capture_output=True, text=True)
        assert running.memory() - before < 10
    assert "UNEXPECTED" not in done.stdout
    assert "Socket errors" not in done.stdout
    assert int(re.findall(r"(\d+) requests in", done.stdout)[0]) > 20
    assert len(running.said) == 1


def test_a_missing_extra_is_said_with_its_line() -> None:
    """Without FastAPI the command names the extra to install; --help needs none of the heavy packages."""
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


@pytest.mark.slow
def test_the_server_imports_no_torch() -> None:
    """Building the application imports neither torch nor matplotlib."""
    code = (
        "import sys; from digits.serving import server; from digits.serving.options import ServeOptions\n"
        "from digits.serving.app import application; application(ServeOptions(), 1)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr
