"""Decoding of hostile picture files has bounds: processor time and memory, whatever the bytes are."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.hostile_files import HOSTILE_FILES

QUICK = (
    "comments-2400000.pbm",
    "empty.webp",
    "scans-20000-of-a-megapixel.jpg",
    "huge-tile.tif",
    "spaces.pgm",
)
DECODE = """
import resource, sys, time
from pathlib import Path
from digits.errors import PhotoError
from digits.reading.image_files import open_picture
for path in map(Path, sys.argv[1:]):
    start = time.process_time()
    try:
        open_picture(path)
    except PhotoError as error:
        assert len(str(error)) < 400, str(error)
    print(path.name, time.process_time() - start)
children = resource.getrusage(resource.RUSAGE_CHILDREN)
status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
print("memory", int(status["VmHWM"].split()[0]) / 1000)
print("children", children.ru_utime + children.ru_stime, children.ru_maxrss / 1000)
"""


def check(names: list[str], folder: Path) -> None:
    """Decode the files in one process; none may take over 1.5 s, and together they take at most 300 MB."""
    for name in names:
        (folder / name).write_bytes(HOSTILE_FILES[name]())
    command = [sys.executable, "-c", DECODE, *(str(folder / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    *decoded, memory, _ = (line.split() for line in done.stdout.splitlines())
    # Asked is 2 s together with finding; a busy machine makes the clock of a thread jump by some tenths.
    assert {name: float(seconds) for name, seconds in decoded if float(seconds) > 1.5} == {}
    assert float(memory[1]) < 300


def test_some_costly_files_are_refused_at_once(tmp_path: Path) -> None:
    """Five kinds of costly files take little time and memory."""
    check(list(QUICK), tmp_path)


@pytest.mark.slow
def test_no_file_costs_much(tmp_path: Path) -> None:
    """All costly files take little time and memory, and nothing reaches standard error."""
    check(list(HOSTILE_FILES), tmp_path)
