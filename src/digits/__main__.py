"""Run the command line `digits` for `python -m digits`."""

import sys

from digits.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
