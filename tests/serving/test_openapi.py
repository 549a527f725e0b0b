"""The OpenAPI schema and the server say the same: schemathesis, with all its checks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.served import Served

MANY = os.environ.get("DIGITS_EXAMPLES", "25")  # a thousand before a release


@pytest.mark.parametrize(
    ("examples", "seed"),
    [
        pytest.param("4", 1, marks=pytest.mark.slow),
        *(pytest.param(MANY, s, marks=pytest.mark.slow) for s in ([1, 2, 3] if int(MANY) > 100 else [1])),
    ],
)
def test_schemathesis_finds_nothing(running: Served, examples: str, seed: int, tmp_path: Path) -> None:
    """What the schema allows is accepted, what it forbids is refused, every answer is one that it lists."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{running.address}/openapi.json"]
    options = ["--checks", "all", "--max-examples", examples, "--seed", str(seed), "--no-color"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "support.pictures_for_schemathesis"}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parents[1]), environment.get("PYTHONPATH", "")]
    )
    done = subprocess.run(
        [*command, *options], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "7 selected / 7 total" in done.stdout
