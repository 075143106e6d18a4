"""The same work without a notebook: ``python -m utils COMMAND --help``."""

import sys
import warnings

from utils.cli import main
from utils.cli.signals import interrupt_on_signals

if __name__ == "__main__":
    interrupt_on_signals()
    # A sentence, without the line of code that it comes from.
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
    sys.exit(main())
