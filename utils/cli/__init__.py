"""The same work without a notebook: ``python -m utils COMMAND --help``."""
