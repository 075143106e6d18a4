"""The same work without a notebook: ``python -m utils COMMAND --help``."""

import sys
import warnings

from utils.cli import main

if __name__ == "__main__":
    # A sentence, without the line of code that it comes from.
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
    sys.exit(main())
