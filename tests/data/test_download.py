"""Downloads: from hostile mirrors and through kills, to whole and verified files."""

import contextlib
import gzip
import hashlib
import shutil
import socket
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.data_files import zeros
from support.mirror import (
    Behaviour,
    Server,
    answers,
    cuts,
    drips_headers,
    gives,
    gives_from_zero,
    gives_slowly,
    hangs,
    never_ends,
    redirects,
    stops,
)
from support.remote_file import CONTENT, FILE, PACKED, PARTIAL, SHORT, at, child, flipped, get, known, left_in

from digits.data import download
from digits.data.catalogue import DATASETS
from digits.data.download import Timeouts, fetch
from digits.errors import DownloadError

HOSTILE_TIMEOUTS = {  # where nothing but time ends the transfer
    "hang": Timeouts(total=10.0, network=0.3),
    "silence": Timeouts(total=10.0, network=0.3),
    "trickle": Timeouts(total=3.0, network=1.0),
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    options = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*words.split(), *options], cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return both


HOSTILE: dict[str, tuple[Behaviour, str]] = {
    "corrupt": (gives(flipped(PACKED)), "not an intact gzip file|wrong content"),
    "cut": (gives_from_zero(PACKED[:90_000], length=len(PACKED)), "the connection ended after 90,000 of"),
    "HTML": (answers(200, b"<!DOCTYPE html><title>Sign in</title>"), "not a gzip file.*DOCTYPE"),
    "403": (answers(403), "HTTP 403 Forbidden"),
    "404": (answers(404), "HTTP 404 Not Found"),
    "503": (answers(503), "HTTP 503 Service Unavailable"),
    "hang": (hangs, "no answer in time"),
    "silence": (stops(PACKED, 70_000), "no answer in time"),
    "trickle": (gives_slowly(PACKED, 10, 0.02), r"too slow: only [0-9,]+ bytes in the time for this mirror"),
    "dripping headers": (drips_headers, "got more than 100 headers"),
    "endless": (never_ends(PACKED[:1000]), "expected at most 201,224"),
    "endless, declared": (
        gives_from_zero(PACKED, 10**10),
        "has 10,000,000,000 bytes; expected at most 201,224",
    ),
    "too short": (gives_from_zero(PACKED, 5_000), "ends early, after 5,000 bytes"),
    "too long": (gives(PACKED + b"more"), "4 bytes follow the end of the gzip data"),
    "two members": (gives(PACKED + gzip.compress(b"")), "20 bytes follow the end"),
    "other content": (
        gives(gzip.compress(CONTENT[::-1])),
        f"SHA-256 is [0-9a-f]{{64}}, expected {FILE.sha256}",
    ),
    "shorter content": (gives(gzip.compress(CONTENT[1:])), f"expected {FILE.sha256}"),
    "longer content": (
        gives(gzip.compress(CONTENT + b"!")),
        "unpacks to more than the expected 200,000 bytes",
    ),
    "redirect loop": (redirects("/bad"), "HTTP 302 Found; too many redirections"),
    "redirect to a file": (redirects("file:///etc/hostname"), "redirects to 'file:///etc/hostname'|HTTP 302"),
    "redirect away": (
        redirects("http://example.com/"),
        "redirects to 'http://example.com/', which is not https",
    ),
    "nonsense": (lambda handler: handler.send(b"\0\1\2 what?\r\n\r\n"), "what"),
    "hangs up": (lambda handler: None, "Remote end closed connection"),
}


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.slow) if k == "trickle" else k for k in HOSTILE]
)
def test_hostile_mirror_is_refused_in_time(server: Server, tmp_path: Path, kind: str) -> None:
    """D3: a hostile mirror leaves no file under the final name; the error names its address and its fault."""
    behaviour, fault = HOSTILE[kind]
    url = server.route("/bad", behaviour)
    timeouts = HOSTILE_TIMEOUTS.get(kind, SHORT)
    begin = time.monotonic()
    with pytest.raises(DownloadError, match=f"(?s){url}: .*({fault})"):
        get(tmp_path, url, timeouts=timeouts)
    assert time.monotonic() - begin < timeouts.total + timeouts.network
    assert left_in(tmp_path) <= {PARTIAL}


WITHOUT_WAITS = [
    pytest.param(kind, marks=pytest.mark.slow) if kind == "trickle" else kind for kind in HOSTILE
]


@pytest.mark.parametrize("kind", WITHOUT_WAITS)
def test_next_mirror_is_taken_after_a_hostile_one(server: Server, tmp_path: Path, kind: str) -> None:
    """D3: whatever the first mirror does, the second one's file arrives whole and nothing else is left."""
    bad = server.route("/bad", HOSTILE[kind][0])
    good = server.route("/good", gives(PACKED))
    path = get(tmp_path, bad, good, timeouts=HOSTILE_TIMEOUTS.get(kind, SHORT))
    assert path.read_bytes() == CONTENT
    assert left_in(tmp_path) == {FILE.name}
    assert server.asked[0].path == "/bad"


def test_untrusted_certificate_is_refused(server: Server, tmp_path: Path, certificate: Path) -> None:
    """D3: a mirror with a self-signed certificate is not asked for anything, and the next one is used."""
    with Server(certificate) as secure:
        url = secure.route("/file.gz", gives(PACKED))
        with pytest.raises(DownloadError, match=r"certificate is not trusted .*self.signed"):
            get(tmp_path, url)
        assert get(tmp_path, url, server.route("/good", gives(PACKED))).read_bytes() == CONTENT
        assert secure.asked == []


def test_https_is_never_left(
    server: Server, tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D3: a trusted https mirror serves; if it redirects to http, that is refused unvisited."""
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    plain = server.route("/plain.gz", gives(PACKED))
    with Server(certificate) as secure:
        away = secure.route("/away.gz", redirects(plain))
        with pytest.raises(DownloadError, match=f"redirects to '{plain}', which is not https"):
            fetch(at(away), tmp_path, timeouts=SHORT)
        good = secure.route("/good.gz", gives(PACKED))
        within = secure.route("/within.gz", redirects(good))
        assert fetch(at(away, within), tmp_path, timeouts=SHORT).read_bytes() == CONTENT
    assert server.asked == []


def test_plain_http_is_refused_unasked(server: Server, tmp_path: Path) -> None:
    """Without the switch for tests, http and file addresses are refused without a request."""
    url = server.route("/file.gz", gives(PACKED))
    local_file = tmp_path / "file.gz"
    local_file.write_bytes(PACKED)
    with pytest.raises(DownloadError, match="not https") as caught:
        fetch(at(url, local_file.as_uri()), tmp_path / "cache", timeouts=SHORT)
    assert str(caught.value).count("not https") == 2
    assert server.asked == []


def test_proxy_is_used(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's proxy is asked for the mirror, whose name need not be known here; its answer is reported."""
    monkeypatch.setenv("https_proxy", server.url(""))
    with pytest.raises(DownloadError, match=r"nowhere\.invalid/f\.gz: .*501"):
        fetch(at("https://nowhere.invalid/f.gz"), tmp_path, timeouts=SHORT)


@pytest.mark.parametrize("index", range(4))
def test_forged_mnist_is_refused(server: Server, tmp_path: Path, index: int) -> None:
    """D4: a valid gzip of a valid IDX file of the right size with wrong pixels or labels is refused."""
    file = DATASETS["mnist"].files[index]
    rows = 60_000 if index < 2 else 10_000
    shape = (0x803, rows, 28, 28) if index % 2 == 0 else (0x801, rows)
    header = b"".join(number.to_bytes(4, "big") for number in shape)
    content = header + bytes(file.size - len(header))
    forged = zeros(header, file.size - len(header))
    assert index != 1 or gzip.decompress(forged) == content
    url = server.route("/forged.gz", gives(forged))
    with pytest.raises(DownloadError, match=f"SHA-256 is {known(content).sha256}, expected {file.sha256}"):
        get(tmp_path, url, file=file)
    assert left_in(tmp_path) == set()


def test_bomb_costs_no_memory(server: Server, tmp_path: Path) -> None:
    """D2: a small gzip of 150 MB is refused within the known size of the content, in time and in memory."""
    bomb = zeros(b"", 150 << 20)
    assert len(bomb) < FILE.largest_download
    url = server.route("/bomb.gz", gives(bomb))
    tracemalloc.start()
    begin = time.monotonic()
    with pytest.raises(DownloadError, match="unpacks to more than"):
        get(tmp_path, url)
    assert time.monotonic() - begin < 1.0
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@contextlib.contextmanager
def dropped() -> Iterator[str]:
    """An address whose packets are dropped: a server that accepts nobody, with its queue full."""
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        yield f"http://127.0.0.1:{deaf.getsockname()[1]}/file.gz"


def test_addresses_of_a_host_share_one_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with many addresses that a firewall drops costs one timeout, not one for each address."""
    with dropped() as address:
        place = ("127.0.0.1", urlsplit(address).port)
        found = socket.getaddrinfo

        def resolver(host: str, *rest: Any, **named: Any) -> list[Any]:
            if host != "many.invalid":
                return found(host, *rest, **named)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place)] * 20

        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        begin = time.monotonic()
        with pytest.raises(DownloadError, match=r"https://many\.invalid/f\.gz: no answer in time"):
            fetch(at("https://many.invalid/f.gz"), tmp_path, timeouts=Timeouts(total=9.0, network=0.4))
        assert time.monotonic() - begin < 2.0


def test_total_deadline_holds_over_all_mirrors(server: Server, tmp_path: Path) -> None:
    """Slow mirrors share the time equally, end together at the deadline, and all are named."""
    urls = [server.route(f"/{i}", gives_slowly(PACKED, 1000, 0.05)) for i in range(3)]
    begin = time.monotonic()
    with pytest.raises(DownloadError) as caught:
        get(tmp_path, *urls, timeouts=Timeouts(total=0.9, network=0.5))
    assert 0.9 <= time.monotonic() - begin < 2.0
    assert str(caught.value).count("too slow: only ") == 3
    assert {asked.path for asked in server.asked} == {"/0", "/1", "/2"}
    assert "The bytes received so far are kept" in str(caught.value)


def test_final_error_tells_everything(server: Server, tmp_path: Path) -> None:
    """The final error names each mirror with its reason, the folder, and how to go on by hand."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        closed = f"http://127.0.0.1:{gone.getsockname()[1]}/f.gz"
    lost, wrong = server.route("/lost", answers(404)), server.route("/wrong", gives(gzip.compress(b"no")))
    with pytest.raises(DownloadError) as caught:
        get(tmp_path, lost, wrong, closed)
    message = str(caught.value)
    assert message.splitlines()[0] == "digits-idx could not be downloaded:"
    assert f"  {lost}: HTTP 404 Not Found\n" in message
    assert (
        f"  {wrong}: wrong content: its SHA-256 is {hashlib.sha256(b'no').hexdigest()}, expected " in message
    )
    assert f"  {closed}: Connection refused\n" in message
    assert f"save the file in {tmp_path} and start again" in message
    assert "--data" in message
    assert "$DIGITS_DATA" in message


def test_cut_transfer_is_resumed(server: Server, tmp_path: Path) -> None:
    """After each cut only the missing bytes are requested, so that the file is sent once in all."""
    url = server.route("/file.gz", cuts(PACKED, 50_000, 120_000))
    assert get(tmp_path, url).read_bytes() == CONTENT
    assert [asked.range for asked in server.asked] == [None, "bytes=50000-", "bytes=120000-"]
    assert server.sent == len(PACKED)


def test_mirror_that_cuts_for_ever_is_left(server: Server, tmp_path: Path) -> None:
    """After five cuts, each with something new, the next mirror is asked for the rest."""
    ends = range(10_000, 200_000, 10_000)
    bad, good = server.route("/bad", cuts(PACKED, *ends)), server.route("/good", gives(PACKED))
    assert get(tmp_path, bad, good).read_bytes() == CONTENT
    assert [asked.path for asked in server.asked] == ["/bad"] * download.ATTEMPTS + ["/good"]
    assert server.sent == len(PACKED)


def test_next_mirror_goes_on_where_the_last_one_stopped(server: Server, tmp_path: Path) -> None:
    """The next mirror is asked only for what a silent one has not sent."""
    silent = server.route("/silent", stops(PACKED, 80_000))
    good = server.route("/good", gives(PACKED))
    assert get(tmp_path, silent, good, timeouts=HOSTILE_TIMEOUTS["silence"]).read_bytes() == CONTENT
    assert server.asked[-1].range == "bytes=80000-"
    assert server.sent == len(PACKED)


def test_later_call_resumes(server: Server, tmp_path: Path) -> None:
    """If every mirror fails, what has arrived is kept for the next call, and the error says so."""
    with pytest.raises(DownloadError, match="The bytes received so far are kept"):
        get(tmp_path, server.route("/cut", gives_from_zero(PACKED[:90_000], len(PACKED))))
    assert left_in(tmp_path) == {PARTIAL}
    assert get(tmp_path, server.route("/good", gives(PACKED))).read_bytes() == CONTENT
    assert server.asked[-1].range == "bytes=90000-"
    assert left_in(tmp_path) == {FILE.name}


def test_mirror_that_ignores_range_starts_again(server: Server, tmp_path: Path) -> None:
    """If a mirror cannot resume and sends the whole file, it replaces the part that was there."""
    (tmp_path / PARTIAL).write_bytes(PACKED[:90_000])
    assert get(tmp_path, server.route("/good", gives_from_zero(PACKED))).read_bytes() == CONTENT
    assert [asked.range for asked in server.asked] == ["bytes=90000-"]


def test_start_that_is_longer_than_a_mirrors_file_is_dropped(server: Server, tmp_path: Path) -> None:
    """If a mirror's file is shorter than what has arrived, the mirror is asked again from the beginning."""
    content = bytes(range(256)) * 500
    file, packed = known(content), gzip.compress(content, 9)
    begun = gzip.compress(content, 0)[:60_000]
    assert len(packed) < len(begun)
    (tmp_path / PARTIAL).write_bytes(begun)
    assert get(tmp_path, server.route("/good", gives(packed)), file=file).read_bytes() == content
    assert [asked.range for asked in server.asked] == ["bytes=60000-", None]
    assert left_in(tmp_path) == {FILE.name}


def test_no_mirror_is_asked_after_the_deadline(server: Server, tmp_path: Path) -> None:
    """After the deadline no mirror is asked, and the error says so."""
    url = server.route("/good", gives(PACKED))
    with pytest.raises(DownloadError, match=f"{url}: no time left: the limit for all mirrors is 0 s"):
        get(tmp_path, url, timeouts=Timeouts(total=0.0))
    assert server.asked == []
    assert left_in(tmp_path) == set()


def test_web_page_does_not_replace_what_has_arrived(server: Server, tmp_path: Path) -> None:
    """A web page sent instead of the file does not replace what has arrived."""
    (tmp_path / PARTIAL).write_bytes(PACKED[:90_000])
    with pytest.raises(DownloadError, match="not a gzip file"):
        get(tmp_path, server.route("/page", answers(200, b"<html>")))
    assert (tmp_path / PARTIAL).read_bytes() == PACKED[:90_000]


@pytest.mark.parametrize(
    "wrong",
    [
        flipped(PACKED)[:150_000],
        b"<html>",
        PACKED + b"?",
        bytes(3_000_000),
        PACKED[:9] + b"\0" * 90_000,
        b"\x1f",
    ],
    ids=["damaged", "page", "too long", "huge", "zeros", "one byte"],
)
def test_wrong_start_is_thrown_away_once(server: Server, tmp_path: Path, wrong: bytes) -> None:
    """If the part from an earlier call proves wrong, it is dropped, and the download begins again."""
    (tmp_path / PARTIAL).write_bytes(wrong)
    assert get(tmp_path, server.route("/good", gives(PACKED))).read_bytes() == CONTENT
    assert len(server.asked) <= 2
    assert left_in(tmp_path) == {FILE.name}


@pytest.mark.parametrize("stated", ["bytes 0-9/200", "bytes 10-199/200", "pages 4-5/6", ""])
def test_other_range_than_asked_for_is_refused(server: Server, tmp_path: Path, stated: str) -> None:
    """A partial answer whose Content-Range is not the wanted one is never appended."""
    (tmp_path / PARTIAL).write_bytes(PACKED[:90_000])
    url = server.route("/file.gz", answers(206, PACKED[90_000:], Content_Range=stated))
    with pytest.raises(DownloadError, match="HTTP 206 with bytes that were not requested"):
        get(tmp_path, url)
    assert left_in(tmp_path) == set()


def test_complete_start_needs_no_network(tmp_path: Path) -> None:
    """If a process was killed after the last byte, the next one needs no mirror."""
    (tmp_path / PARTIAL).write_bytes(PACKED)
    assert get(tmp_path).read_bytes() == CONTENT
    assert left_in(tmp_path) == {FILE.name}


def test_file_put_there_by_hand_is_taken(tmp_path: Path) -> None:
    """The .gz a user saved into the folder is checked and unpacked, as the error message promises."""
    (tmp_path / f"{FILE.name}.gz").write_bytes(PACKED)
    assert get(tmp_path).read_bytes() == CONTENT


def test_wrong_file_put_there_by_hand_is_named_and_kept(tmp_path: Path) -> None:
    """A user's own file that is not the wanted one is left alone, and the error says what is wrong."""
    by_hand = tmp_path / f"{FILE.name}.gz"
    by_hand.write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DownloadError, match=rf"{by_hand}: wrong content.*expected {FILE.sha256}"):
        get(tmp_path)
    assert left_in(tmp_path) == {by_hand.name}


def wait_for_bytes(path: Path, least: int) -> None:
    """Until `path` holds at least so many bytes, or AssertionError."""
    end = time.monotonic() + 20.0
    while not path.exists() or path.stat().st_size < least:
        assert time.monotonic() < end, f"{path} does not reach {least} bytes"
        time.sleep(0.005)


@pytest.mark.parametrize("count", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_at_any_position(server: Server, tmp_path: Path, count: int) -> None:
    """D5: after SIGKILL at any byte the next run continues from there, succeeds and leaves no other file."""
    positions = [len(PACKED) * i // count for i in range(count)]
    folders = [tmp_path / str(position) for position in positions]
    children = [
        child(folder, server.route(f"/{position}", stops(PACKED, position)))
        for position, folder in zip(positions, folders, strict=True)
    ]
    for position, folder, process in zip(positions, folders, children, strict=True):
        wait_for_bytes(folder / PARTIAL, max(0, position - 8192))  # the writer's buffer may still hold 8 KiB
        process.kill()
        process.communicate()
        assert process.returncode == -9
    good = server.route("/good", gives(PACKED))
    for folder in folders:
        arrived = (folder / PARTIAL).stat().st_size
        assert get(folder, good).read_bytes() == CONTENT
        assert server.asked[-1].range == (f"bytes={arrived}-" if arrived else None)
        assert left_in(folder) == {FILE.name}


def test_progress_is_told_now_and_then(server: Server, tmp_path: Path) -> None:
    """Progress is reported a few times a second with growing counts, and at the end."""
    heard: list[tuple[str, int, int | None]] = []
    url = server.route("/file.gz", gives_slowly(PACKED, 10_000, 0.02))
    begin = time.monotonic()
    fetch(at(url), tmp_path, local=True, progress=lambda *event: heard.append(event))
    counts = [received for _, received, _ in heard]
    assert counts == sorted(counts)
    assert heard[-1] == (FILE.name, len(PACKED), len(PACKED))
    assert 2 <= len(heard) <= 3 + 5 * (time.monotonic() - begin)
