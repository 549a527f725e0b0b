"""Write the generated pages: docs/cli.md from `--help`. `tests/test_docs.py` fails when they are stale."""

import os
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent
COMMANDS = (
    (),
    ("train",),
    ("recipes",),
    ("tune",),
    ("evaluate",),
    ("compare",),
    ("predict",),
    ("serve",),
    ("adapt",),
)


def help_text(command: tuple[str, ...]) -> str:
    """What `digits COMMAND --help` prints on a screen of 100 columns without colours."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    run = [sys.executable, "-m", "digits.cli", *command, "--help"]
    answer = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
    return "\n".join(line.rstrip() for line in answer.stdout.strip().splitlines())


def cli_page() -> str:
    """docs/cli.md: every command's help."""
    parts = ["# The command line\n\nGenerated from `--help` by `make docs`.\n"]
    for command in COMMANDS:
        name = " ".join(("digits", *command))
        parts.append(f"## `{name}`\n\n```text\n{help_text(command)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (DOCS / "cli.md").write_text(cli_page())
