"""Imports go one way: a room imports from lower ranks only, and no room has a cycle inside."""

import ast
import graphlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "digits"
RANKS = {
    6: {"cli"},
    5: {"serving", "tuning"},
    4: {"training"},
    3: {"evaluation", "reading"},
    2: {"networks"},
    1: {"data"},
    0: {"errors", "extras", "figure_style", "files", "mnist", "options", "recipes", "seeds"},
}
RANK = {room: rank for rank, rooms in RANKS.items() for room in rooms}
FRONT = {"__init__", "__main__"}  # they hand over to what lies below
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts): path
    for path in sorted(SOURCE.rglob("*.py"))
    if path.relative_to(SOURCE).parts[0].removesuffix(".py") not in FRONT
}
WITHOUT_TORCH = ("reading", "serving")  # rooms that work where PyTorch is not installed


def room(module: str) -> str:
    """The first part of a module's name: its package, or the module itself."""
    return module.split(".")[0]


def imports(module: str) -> set[str]:
    """The package's own modules that a module imports, wherever in its file."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "digits":
            base = str(node.module).removeprefix("digits").removeprefix(".")
            for alias in node.names:
                name = f"{base}.{alias.name}" if base else alias.name
                found.add(name if name in MODULES else base)
        elif isinstance(node, ast.Import):
            found |= {a.name.removeprefix("digits.") for a in node.names if a.name.startswith("digits.")}
    return found - {"", "__init__"}


def outside(module: str) -> set[str]:
    """The packages of others that a module imports at its top."""
    found = set()
    for node in ast.parse(MODULES[module].read_text()).body:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        found |= {name.split(".")[0] for name in names} - {"digits"}
    return found


def test_every_room_has_a_rank() -> None:
    """A new room is given its place in the table above."""
    assert sorted(RANK) == sorted({room(module) for module in MODULES})


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


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_back_door(module: str) -> None:
    """No name with a leading underscore is taken from another module."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("digits"):
            private = {a.name for a in node.names if a.name.startswith("_")}
            assert not private - {"__version__"}


def reached(start: str) -> set[str]:
    """A module and all that it imports, directly or not, leaving out what is imported inside functions."""
    found, waiting = set(), [start]
    while waiting:
        module = waiting.pop()
        if module in found or module not in MODULES:
            continue
        found.add(module)
        tree = ast.Module(ast.parse(MODULES[module].read_text()).body, [])
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("digits."):
                base = str(node.module).removeprefix("digits.")
                waiting += [n if (n := f"{base}.{a.name}") in MODULES else base for a in node.names]
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


def test_nothing_loaded_is_executed() -> None:
    """No source file names pickle, eval, a shell or an unpacker (RELIABILITY M7)."""
    banned = ("import pickle", "weights_only=False", "eval(", "shell=True", "extractall", "torch.load")
    for path in SOURCE.rglob("*.py"):
        text = path.read_text().replace(".eval()", "").replace("model.eval(", "")
        assert not [word for word in banned if word in text], path.name
