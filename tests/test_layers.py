"""Imports go one way: a module imports only from lower ranks."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "digits"
RANKS = {
    11: {"cli"},
    10: {"listen"},
    9: {"server"},
    8: {"terminal", "explain", "readout", "worker"},
    7: {"search", "reader", "adapt"},
    6: {"runs", "photo"},
    5: {"training", "plots", "touching"},
    4: {"evaluate", "strokes", "page"},
    3: {"data", "space", "ink", "checkpoint", "inference", "backprop"},
    2: {"models"},
    1: {"download", "formats", "archive", "recipes", "optimizers", "augment"}
    | {"storage", "pictures", "canvas", "handwriting", "corrections"},
    0: {"errors", "options", "distributed", "files", "loss", "drawing", "guard", "metrics"},
}
RANK = {module: rank for rank, modules in RANKS.items() for module in modules}
MODULES = sorted(path.stem for path in SOURCE.glob("*.py") if path.stem != "__init__")


def imported_modules(path: Path) -> set[str]:
    """The package's own modules that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "digits":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("digits."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("digits.")}
    return found & set(MODULES)


def test_every_module_has_a_rank() -> None:
    """A new module is given its place in the table above."""
    assert sorted(RANK) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    """No module imports from its own rank or from a higher one. `errors` alone may be used by all."""
    own_errors = {"errors"} - {module}
    upward = {m for m in imported_modules(SOURCE / f"{module}.py") - own_errors if RANK[m] >= RANK[module]}
    assert not upward


def test_light_modules_do_not_import_torch() -> None:
    """What `--help` needs imports neither torch nor Matplotlib."""
    for module in ("errors", "options", "recipes", "files", "download", "space", "cli", "__init__"):
        top = ast.parse((SOURCE / f"{module}.py").read_text()).body
        names = {a.name for node in top if isinstance(node, ast.Import) for a in node.names}
        names |= {str(node.module) for node in top if isinstance(node, ast.ImportFrom)}
        assert not {n for n in names if n.split(".")[0] in {"torch", "matplotlib"}}, module


def test_nothing_loaded_is_executed() -> None:
    """No source file names pickle, eval, a shell or an unpacker (RELIABILITY M7)."""
    banned = ("import pickle", "weights_only=False", "eval(", "shell=True", "extractall", "torch.load")
    for path in SOURCE.glob("*.py"):
        text = path.read_text().replace(".eval()", "").replace("model.eval(", "")
        assert not [word for word in banned if word in text], path.name
