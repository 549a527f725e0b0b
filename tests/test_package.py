"""What is installed is what is here."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIMIT = 6 * 2**20  # bytes of a wheel


def build(folder: Path) -> Path:
    """The wheel that pip makes of this checkout."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--quiet",
        f"--wheel-dir={folder}",
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if "No matching distribution found for hatchling" in done.stderr:  # a failing build is no reason to skip
        pytest.skip("needs an index with hatchling, which builds the wheel")
    assert done.returncode == 0, done.stderr
    return next(folder.glob("digits-*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Every file of src/digits is in the wheel, unchanged; no test, no data; and it is small."""
    source = {
        f"digits/{path.relative_to(ROOT / 'src' / 'digits').as_posix()}": path.read_bytes()
        for path in (ROOT / "src" / "digits").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        assert {name: archive.read(name) for name in names} == source
        metadata = archive.read(next(n for n in archive.namelist() if n.endswith("METADATA"))).decode()
    assert "License-Expression: MIT" in metadata
    assert wheel.stat().st_size < LIMIT


def test_the_wheel_is_reproducible(wheel: Path, tmp_path: Path) -> None:
    """Built again, it has the same bytes."""
    assert build(tmp_path).read_bytes() == wheel.read_bytes()


def test_the_wheel_works_by_itself(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, without the checkout, it answers `--help` and `--version`."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            archive.extract(name, tmp_path)
    for argument in ("--help", "--version"):
        command = [sys.executable, "-m", "digits", argument]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "digits" in done.stdout
