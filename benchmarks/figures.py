"""Measured figures: their statistics, their bars, a table and a file.

Only the standard library is used: the process of a benchmark has to stay small and idle while the programs
that it started are measured.
"""

import datetime
import json
import os
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from digits.files import atomic_write

PACKAGES = ("digits", "torch", "torchvision", "numpy")
# Shown in the table, by unit; the file has all of them.
DECIMALS = {"s": 3, "×": 2, "MB": 0, "%": 2, "ms": 1, "/s": 0, "": 0}


@dataclass(frozen=True)
class Limit:
    """A limit for a value: "at most" or "at least" `value`."""

    kind: Literal["at most", "at least"]
    value: float

    def holds(self, value: float) -> bool:
        """Return True if `value` keeps the limit; the limit itself does, NaN does not."""
        return value <= self.value if self.kind == "at most" else value >= self.value

    def __str__(self) -> str:
        return f"{'≤' if self.kind == 'at most' else '≥'} {self.value:g}"


def at_most(value: float) -> Limit:
    """Return an upper limit."""
    return Limit("at most", value)


def at_least(value: float) -> Limit:
    """Return a lower limit."""
    return Limit("at least", value)


@dataclass(frozen=True)
class Figure:
    """One line of the table: a name and the measured values.

    The bar has to be kept, the aim should be. Both are compared with the value that `judged` names. A figure
    without values was not measured and keeps no bar.
    """

    role: Literal["ours", "floor", "peer", "ratio"]
    name: str
    unit: Literal["s", "×", "MB", "%", "ms", "/s", ""]
    values: tuple[float, ...]
    bar: Limit | None = None
    aim: Limit | None = None
    judged: Literal["median", "lowest", "highest"] = "median"

    @property
    def measured(self) -> dict[str, float]:
        """The median, lowest and highest value; empty without values."""
        if not self.values:
            return {}
        middle = statistics.median(self.values)
        return {"median": middle, "lowest": min(self.values), "highest": max(self.values)}

    @property
    def passed(self) -> bool:
        """True if the bar is kept, or there is none."""
        return self.bar is None or (bool(self.values) and self.bar.holds(self.measured[self.judged]))

    @property
    def verdict(self) -> str:
        """The text at the end of the line, such as "PASS aim met"."""
        if not self.values:
            return "NOT MEASURED" if self.bar else "not measured"
        words = ("PASS" if self.passed else "FAIL") if self.bar else ""
        if self.aim:
            words += f" aim {'met' if self.aim.holds(self.measured[self.judged]) else 'missed'}"
        return words.strip()

    def to_json(self) -> dict[str, Any]:
        """Return the figure as a dictionary for `json.dumps`."""
        return {**asdict(self), **self.measured, "passed": self.passed, "verdict": self.verdict}


def ratios(above: Sequence[float], below: Sequence[float]) -> tuple[float, ...]:
    """Return above / below for each round; what slows a whole round slows both, so it cancels out."""
    return tuple(a / b for a, b in zip(above, below, strict=False))  # nothing where one was not measured


def table(title: str, figures: Sequence[Figure]) -> str:
    """Return the figures as aligned lines under their title."""
    width = max(len(figure.name) for figure in figures)
    names = f"{'median':>9} {'lowest':>9} {'highest':>9} unit  n  {'bar':<8}{'aim':<8}verdict"
    head = f"{'':<{width + 7}} {names}"
    return "\n".join([title, head, *(_line(figure, width) for figure in figures), ""])


def _line(figure: Figure, width: int) -> str:
    cells = [f"{value:9.{DECIMALS[figure.unit]}f}" for value in figure.measured.values()] or [f"{'-':>9}"] * 3
    limits = f"{figure.bar or ''!s:<8}{figure.aim or ''!s:<8}"
    end = f"{figure.unit:<3} {len(figure.values):2d}  {limits}{figure.verdict}"
    if figure.judged != "median" and (figure.bar or figure.aim):
        end += f" ({figure.judged})"
    return f"{figure.role:<5}  {figure.name:<{width}}  {' '.join(cells)} {end}".rstrip()


def circumstances(command: Sequence[str]) -> dict[str, Any]:
    """Return command, date, versions, processor, cores and load, which every result file records."""
    load = os.getloadavg() if hasattr(os, "getloadavg") else ()
    return {
        "command": " ".join(command),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "system": platform.platform(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load average at the start": [round(value, 2) for value in load],
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def processor() -> str:
    """Return the model of the processor, or its architecture if the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def describe(about: Mapping[str, Any]) -> str:
    """Return the circumstances as two lines of text."""
    versions = " · ".join(f"{name} {version}" for name, version in about["versions"].items())
    load = " ".join(map(str, about["load average at the start"]))
    return f"{about['processor']}, {about['cores']} cores, load {load} · {about['date']}\n{versions}\n"


def save(path: Path, about: Mapping[str, Any], sections: Mapping[str, Sequence[Figure]]) -> None:
    """Write circumstances and figures to `path` as JSON, completely or not at all."""
    content = {**about, "figures": {title: [f.to_json() for f in group] for title, group in sections.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def exit_code(sections: Mapping[str, Sequence[Figure]]) -> int:
    """Return 0 if every bar is kept, else 1; name the failures on standard error."""
    failed = [figure for group in sections.values() for figure in group if not figure.passed]
    for figure in failed:
        print(f"bar not kept: {figure.name} {figure.bar} {figure.unit} ({figure.verdict})", file=sys.stderr)
    return 1 if failed else 0
