"""How much `digits serve` answers, how quickly, and whether its memory stays flat; wrk asks beside it.

    python benchmarks/serving.py [--quick] [--workers N] [--json FILE]

Prints tables, writes benchmarks/results/serving.json and exits with 1 if a bar is not kept. Needs wrk
(apt-get install wrk) and a machine with nothing else to do: client and server share its cores. Takes about
ten minutes, with --quick one.

Rates are kept by a clock, not by waiting for answers, so that a slow answer delays no later question.
Pictures: a digit of 28 x 28 in MNIST's form; the same as ink on paper, which has to be found; a drawing of
280 x 280.
"""

import contextlib
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent / "tests")]  # so that it runs from a clone

import httpx
import numpy as np
import tyro
from figures import Figure, at_least, at_most, circumstances, describe, exit_code, save, table
from PIL import Image
from support.hostile import hostile_pictures, saved
from support.hostile_files import HOSTILE_FILES
from support.hostile_pages import hostile_pages
from support.served import Served, served
from support.strokefont import FONT, sheet

from digits.data.pen import render
from digits.serving.limits import MAX_BODY

RESULTS = HERE / "results" / "serving.json"
# Every question is due at its own time; `due` runs ahead of the clock by one step a question.
SCRIPT = """
local ffi = require("ffi")
ffi.cdef[[ struct moment { long s; long ns; }; int clock_gettime(int, struct moment *); ]]
local moment = ffi.new("struct moment")
local function now()
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.s) + tonumber(moment.ns) / 1e9
end
local requests, number, due, rate = {}, 0, nil, %(rate)s
function init()
  for _, name in ipairs({%(files)s}) do
    local file = io.open(name, "rb")
    local headers = { ["Content-Type"] = "image/png" }
    requests[#requests + 1] = wrk.format("POST", "/api/predict?single=true", headers, file:read("*a"))
    file:close()
  end
end
function request()
  number = number + 1
  return requests[number %% #requests + 1]
end
%(delay)s
function done(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\\n{"requests": %%d, "us": %%d, "p50": %%d, "p99": %%d, "p999": %%d, ' ..
    '"most": %%d, "status": %%d, "broken": %%d}\\n', summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max,
    errors.status, broken))
end
"""
DELAY = """
function delay()
  local time = now()
  due = math.max((due or time) + 1 / rate, time - 0.5)
  return math.max(0, (due - time) * 1000)
end
"""


@dataclass(frozen=True)
class Arguments:
    """Load the server; exit with 1 if a bar is not kept."""

    quick: bool = False
    """A few seconds each: to see that it runs."""
    workers: int = 1
    """Processes of the server."""
    json: Path | None = None
    """Where to write the figures. Default: benchmarks/results/serving.json, or nowhere with --quick."""


@dataclass(frozen=True)
class Load:
    """What wrk counted; times in seconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    p999: float
    most: float
    refused: int
    broken: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def load(
    running: Served, files: Sequence[Path], seconds: float, *, rate: float = 0, connections: int = 16
) -> Load:
    """Ask for `seconds`: at a fixed rate, or as fast as the connections allow."""
    names = ", ".join(f'"{file}"' for file in files)
    script = SCRIPT % {"rate": rate, "files": names, "delay": DELAY if rate else ""}
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20s", "-s", file.name]
        done = subprocess.run([*command, running.address], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    times = {name: found[name] / 1e6 for name in ("p50", "p99", "p999", "most")}
    return Load(
        found["requests"], found["us"] / 1e6, refused=found["status"], broken=found["broken"], **times
    )


def costly_pictures() -> Iterator[bytes]:
    """Make pictures that cost far more than they weigh."""
    for make in HOSTILE_FILES.values():
        yield make()
    for name, page in hostile_pages().items():
        if name.startswith(("rings", "blocks", "noise", "combs", "text")):
            yield saved(page(), "PNG")


@contextlib.contextmanager
def pictures() -> Iterator[dict[str, list[Path]]]:
    """The files to send, by what they are."""
    seen = render([np.array(stroke) * 100 for stroke in FONT[5]])
    form = Image.fromarray((seen * 255).astype(np.uint8))
    paper = Image.fromarray((255 - seen * 255).astype(np.uint8))
    hostile = [each.content for each in hostile_pictures() if 0 < len(each.content) < 100_000]
    kinds = {
        "MNIST's form": [saved(form, "PNG")],
        "ink on paper": [saved(paper, "PNG")],
        "280 x 280": [saved(sheet("5", size=(280, 280), height=180), "PNG")],
        "costly": [content for content in costly_pictures() if len(content) <= MAX_BODY],
        "half hostile": [content for bad in hostile for content in (bad, saved(form, "PNG"))],
    }
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, list[Path]] = {}
        for kind, contents in kinds.items():
            files[kind] = [Path(folder) / f"{len(files)}-{i}" for i in range(len(contents))]
            for file, content in zip(files[kind], contents, strict=True):
                file.write_bytes(content)
        yield files


def measure(running: Served, files: dict[str, list[Path]], quick: bool) -> dict[str, list[Figure]]:
    """All figures, section by section."""
    seconds, small = (3, 20) if quick else (60, 60)
    sections: dict[str, list[Figure]] = {}
    for kind, rate, most in (
        ("MNIST's form", 400, 0.03),
        ("ink on paper", 400, 0.03),
        ("280 x 280", 150, 0.06),
    ):
        load(running, files[kind], 1)  # warm
        found = load(running, files[kind], seconds, rate=rate, connections=32)
        print(f"{kind} at {rate}/s: {found}", flush=True)
        title = f"{kind}, {rate} a second for {seconds} s"
        sections[title] = [
            Figure("ours", "answers a second", "/s", (found.rate,), at_least(0.98 * rate)),
            Figure("ours", "half of them within", "ms", (1000 * found.p50,)),
            Figure("ours", "99 % within", "ms", (1000 * found.p99,), at_most(1000 * most)),
            Figure("ours", "99.9 % within", "ms", (1000 * found.p999,)),
            Figure("ours", "errors", "", (found.refused + found.broken,), at_most(0)),
        ]
    saturation = []
    for kind, least in (("MNIST's form", 800), ("ink on paper", None), ("280 x 280", None)):
        begun, found = running.processor_seconds(), load(running, files[kind], small / 4)
        used = (running.processor_seconds() - begun) / found.requests
        print(f"{kind}, as fast as it can: {found}, {used * 1000:.2f} ms of processor each", flush=True)
        saturation += [
            Figure(
                "ours", f"{kind}: answers a second", "/s", (found.rate,), at_least(least) if least else None
            ),
            Figure("ours", f"{kind}: processor time each", "ms", (1000 * used,)),
        ]
    sections["As fast as it can, 16 connections"] = saturation
    sections["Overload and endurance"] = [
        *_attack(running, files, quick),
        *_overload(running, files, quick),
        *_endurance(running, files, quick),
    ]
    return sections


def _attack(running: Served, files: dict[str, list[Path]], quick: bool) -> list[Figure]:
    """Good clients beside one that sends nothing but costly pictures, on eight connections."""
    seconds = 10 if quick else 60
    rate = {"rate": 40, "connections": 8}
    alone = load(running, files["ink on paper"], seconds, **rate)
    stop, most, answers = threading.Event(), [0.0], Counter[int]()

    def attack(number: int) -> None:
        costly = itertools.cycle(files["costly"])
        for _ in range(number):
            next(costly)
        while not stop.is_set():
            with contextlib.suppress(httpx.HTTPError):
                answer = httpx.post(
                    f"{running.address}/api/predict", content=next(costly).read_bytes(), timeout=30
                )
                answers[answer.status_code] += 1

    def watch() -> None:
        while not stop.wait(0.5):
            most[0] = max(most[0], running.memory())

    threads = [threading.Thread(target=attack, args=(i,)) for i in range(8)]
    threads.append(threading.Thread(target=watch))
    for thread in threads:
        thread.start()
    beside = load(running, files["ink on paper"], seconds, **rate)
    stop.set()
    for thread in threads:
        thread.join()
    print(f"40/s alone: {alone}; beside costly pictures: {beside}, {answers}", flush=True)
    return [
        Figure("ours", "40 a second alone: 99 % within", "ms", (1000 * alone.p99,)),
        Figure("ours", "beside eight costly pictures: half of them within", "ms", (1000 * beside.p50,)),
        Figure("ours", "beside eight costly pictures: 99 % within", "ms", (1000 * beside.p99,), at_most(500)),
        Figure(
            "ours", "beside eight costly pictures: errors", "", (beside.refused + beside.broken,), at_most(0)
        ),
        Figure("ours", "beside eight costly pictures: most memory", "MB", (most[0],), at_most(1000)),
    ]


def _overload(running: Served, files: dict[str, list[Path]], quick: bool) -> list[Figure]:
    """More connections than may wait: answers or 503, and all is well again right after."""
    found = load(running, files["MNIST's form"], 3 if quick else 30, connections=256)
    time.sleep(1)  # what had been accepted is answered first
    again = load(running, files["MNIST's form"], 2, rate=50, connections=4)
    return [
        Figure("ours", "256 connections: broken off", "", (found.broken,), at_most(0)),
        Figure("ours", "256 connections: refused (503)", "%", (100 * found.refused / found.requests,)),
        Figure("ours", "a second later: errors", "", (again.broken + again.refused,), at_most(0)),
    ]


def _endurance(running: Served, files: dict[str, list[Path]], quick: bool) -> list[Figure]:
    """Memory after 10,000 requests, half of them hostile, and after 100,000 more."""
    first, rest = (500, 2_000) if quick else (10_000, 100_000)

    def ask(number: int) -> None:
        while number > 0:
            number -= load(running, files["half hostile"], 2 if quick else 20, connections=8).requests

    ask(first)
    before = running.memory()
    begun = time.monotonic()
    ask(rest)
    print(f"{rest:,} requests in {time.monotonic() - begun:.0f} s", flush=True)
    return [
        Figure("ours", f"memory after {first:,} requests, half hostile", "MB", (before,)),
        Figure("ours", f"more after {rest:,} others", "MB", (running.memory() - before,), at_most(10)),
    ]


def main() -> int:
    """Measure, print, write."""
    arguments = tyro.cli(Arguments, description=__doc__)
    if shutil.which("wrk") is None:
        print("this needs wrk: apt-get install wrk", file=sys.stderr)
        return 2
    about: dict[str, Any] = {**circumstances(["python", "benchmarks/serving.py", *sys.argv[1:]])}
    about["workers"] = arguments.workers
    print(describe(about))
    with (
        tempfile.TemporaryDirectory() as folder,
        pictures() as files,
        served("--workers", arguments.workers, "--corrections", folder) as running,
    ):
        sections = measure(running, files, arguments.quick)
    for title, figures in sections.items():
        print(table(title, figures))
    target = arguments.json or (None if arguments.quick else RESULTS)
    if target:
        save(target, about, sections)
    return exit_code(sections)


if __name__ == "__main__":
    sys.exit(main())
