"""Imports go one way: a room imports from lower ranks only, and no room has a cycle inside."""

import ast
import functools
import graphlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "digits"
RANKS = {
    6: {"cli"},
    5: {"serving", "tuning"},
    4: {"training"},
    3: {"evaluation", "reading"},
    2: {"networks"},
    1: {"data"},
    0: {
        *("combinations", "errors", "extras", "figure_style", "files", "matplotlib_classes", "mnist"),
        *("option_values", "options", "recipes", "seeds", "version"),
    },
}
RANK = {room: rank for rank, rooms in RANKS.items() for room in rooms}
FRONT = {"__init__", "__main__"}  # they hand over to what lies below
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts): path
    for path in sorted(SOURCE.rglob("*.py"))
    if path.relative_to(SOURCE).parts[0].removesuffix(".py") not in FRONT
}
WITHOUT_TORCH = ("reading", "serving")  # rooms that work where PyTorch is not installed


FOLDERS = ("src", "tests", "benchmarks", "docs")
PYTHON = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text())


def room(module: str) -> str:
    """Return the first part of a module's name: its folder, or the module itself."""
    return module.split(".")[0]


@functools.cache
def imports(module: str) -> set[str]:
    """Return the modules of digits that a module imports, wherever in its file."""
    found = set()
    for node in ast.walk(parsed(MODULES[module])):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "digits":
            base = str(node.module).removeprefix("digits").removeprefix(".")
            for alias in node.names:
                name = f"{base}.{alias.name}" if base else alias.name
                found.add(name if name in MODULES else base)
        elif isinstance(node, ast.Import):
            found |= {a.name.removeprefix("digits.") for a in node.names if a.name.startswith("digits.")}
    return found - {"", "__init__"}


@functools.cache
def outside(module: str) -> set[str]:
    """Return the packages other than digits that a module imports at its top."""
    found = set()
    for node in parsed(MODULES[module]).body:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        found |= {name.split(".")[0] for name in names} - {"digits"}
    return found


def test_every_room_has_a_rank() -> None:
    """A new room is given its place in the table above."""
    assert sorted(RANK) == sorted({room(module) for module in MODULES})


def test_the_table_is_explained() -> None:
    """docs/design.md has the same table of ranks, for readers."""
    rows = re.findall(r"^\| (\d) \| (.*) \|$", (ROOT / "docs" / "design.md").read_text(), re.MULTILINE)
    assert {int(rank): set(re.findall(r"`(\w+)`", rooms)) for rank, rooms in rows} == RANKS


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_down(module: str) -> None:
    """No module imports from a room of its own rank or a higher one; what lies in its own room it may."""
    others = {found for found in imports(module) if room(found) != room(module)}
    if RANK[room(module)] == 0:
        assert all(RANK[room(found)] == 0 for found in others)
    else:
        assert not {found for found in others if RANK[room(found)] >= RANK[room(module)]}


def test_no_cycle() -> None:
    """Modules can be put in an order in which each comes after all that it imports."""
    graph = {module: imports(module) - {module} for module in MODULES}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) >= len(MODULES)


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_back_door(path: Path) -> None:
    """No name of digits with a leading underscore is used outside its module, tests included."""
    modules, used = set(), set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "digits":
            modules |= {alias.asname or alias.name for alias in node.names}
            used |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name for alias in node.names if alias.name == "digits"}
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            used.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            used |= set(node.value.split(".")[1:]) if node.value.startswith("digits.") else set()
    assert not {name for name in used if name.startswith("_") and not name.endswith("__")}


def reached(start: str) -> set[str]:
    """Return a module and all that it imports, directly or not, without imports inside functions."""
    found, waiting = set(), [start]
    while waiting:
        module = waiting.pop()
        if module not in found and module in MODULES:
            found.add(module)
            waiting += imports_at_the_top(module)
    return found


@functools.cache
def imports_at_the_top(module: str) -> list[str]:
    """Return the modules of digits that a module imports outside functions and conditions."""
    found = []
    for node in parsed(MODULES[module]).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("digits."):
            base = str(node.module).removeprefix("digits.")
            found += [n if (n := f"{base}.{a.name}") in MODULES else base for a in node.names]
    return found


@pytest.mark.parametrize("module", [m for m in sorted(MODULES) if room(m) in WITHOUT_TORCH])
def test_reading_and_serving_do_without_torch(module: str) -> None:
    """Neither they nor anything that they import needs PyTorch."""
    assert not [found for found in reached(module) if "torch" in outside(found)]


@pytest.mark.parametrize("module", [m for m in sorted(MODULES) if room(m) == "cli" and "output" not in m])
def test_commands_start_without_what_is_heavy(module: str) -> None:
    """`--help` imports neither torch nor NumPy nor Matplotlib."""
    heavy = {"torch", "numpy", "matplotlib", "PIL", "optuna"}
    if module != "cli.console":
        assert not [found for found in reached(module) if heavy & outside(found)]


def test_one_module_imports_matplotlib() -> None:
    """`matplotlib_classes` alone imports it, since that fails under some of the user's settings."""
    users = {
        name
        for name, path in MODULES.items()
        if re.search(r"^ *(from|import) matplotlib", path.read_text(), re.M)
    }
    assert users == {"matplotlib_classes"}


def test_spans_are_measured_by_a_clock_that_is_never_set() -> None:
    """Deadlines and durations use `time.monotonic` or `time.perf_counter`; the time of day can be set back.

    A trial that another machine started has a time of day, and no other.
    """
    clocks = re.compile(r"\btime\.time\(|\bnow\(|\butcnow\(|\bfrom time import")
    users = {name for name, path in MODULES.items() if clocks.search(path.read_text())}
    assert users == {"tuning.study"}


def test_nothing_loaded_is_executed() -> None:
    """No source file names pickle, eval, a shell or an unpacker (RELIABILITY M7)."""
    banned = ("import pickle", "weights_only=False", "eval(", "shell=True", "extractall", "torch.load")
    for path in SOURCE.rglob("*.py"):
        text = path.read_text().replace(".eval()", "").replace("model.eval(", "")
        assert not [word for word in banned if word in text], path.name


VERBS = {"adapt", "compare", "evaluate", "serve", "train", "tune"}  # a command, and what it calls in Python


def test_a_name_means_one_thing() -> None:
    """No two modules define a public function, class or constant of the same name, commands apart."""
    homes: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names = [node.name]
            elif isinstance(node, ast.Assign):
                targets = [child for target in node.targets for child in ast.walk(target)]
                names = [child.id for child in targets if isinstance(child, ast.Name)]
            else:
                names = []
            for name in names:
                homes.setdefault(name, set()).add(module)
    shared = {name: found for name, found in homes.items() if len(found) > 1 and name[0] != "_"}
    assert not {name: found for name, found in shared.items() if name not in VERBS}


def test_json_never_holds_nan() -> None:
    """Every JSON text is written with allow_nan=False: NaN and Infinity are not JSON."""
    missing = [
        f"{path.name}:{node.lineno}"
        for path in MODULES.values()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("json.dumps", "json.dump")
        if "allow_nan=False" not in map(ast.unparse, node.keywords)
    ]
    assert missing == []
