"""Writing files whole or not at all."""

import json
import os
from pathlib import Path


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in one step, making its folder if need be.

    The text goes to a file beside it first, so a reader, or a kill at any moment,
    finds either the old file or the new one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def write_json(path: str | Path, values: dict) -> None:
    """Write values as readable JSON, in one step."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
