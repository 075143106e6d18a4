"""The same work without a notebook: ``python -m utils COMMAND --help``."""

import sys

from utils.cli import main

if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):  # a console of few letters shows others as \\u….
        stream.reconfigure(errors="backslashreplace")
    sys.exit(main())
