"""The same work without a notebook: ``python -m utils COMMAND --help``."""

import sys

from utils.cli import main

if __name__ == "__main__":
    sys.exit(main())
