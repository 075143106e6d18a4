"""The same work without a notebook: ``python -m utils COMMAND --help``."""

from utils.cli.parser import main

__all__ = ["main"]
