"""Takes: a person's own recordings, as recording writes them.

A folder of takes holds ``<take>/<class>/<image>`` and a ``manifest.csv`` that names the person on
each image. Images of one take resemble each other, so takes are what is set apart to judge a model.
"""

from pathlib import Path

import pandas as pd

from utils.config import IMAGE_SUFFIXES, class_name
from utils.datasets.table import MANIFEST_COLUMNS


def find_takes(folder: str | Path, subject: str | None = None) -> pd.DataFrame:
    """List the images of one person's takes.

    Args:
        folder: of takes.
        subject: the person's name; needed where several people were recorded there.

    Returns:
        One row an image, sorted: ``file`` (path as text), ``take``, ``class``, ``subject``.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no takes, nobody of that name, or several people where none is named.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"No recordings at {folder}. `python -m utils record SOURCE {folder} --class happy "
            "--subject NAME` makes some."
        )
    names, rows = _subjects(folder), []
    for file in sorted(folder.glob("*/*/*")):
        take, label, _ = inside = file.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in inside)
        if file.suffix.lower() in IMAGE_SUFFIXES and not hidden:
            rows.append((str(file), take, class_name(label), names.get("/".join(inside), "")))
    if not rows:
        raise ValueError(
            f"No recordings in {folder}. Expected TAKE/CLASS/IMAGE, such as "
            f"{folder}/first/happy/1.png, as `python -m utils record` writes them."
        )
    table = pd.DataFrame(rows, columns=["file", "take", "class", "subject"])
    people = sorted(set(table["subject"]))
    if subject is None and len(people) > 1:
        raise ValueError(
            f"{folder} holds recordings of several people ({', '.join(map(repr, people))}). Name "
            "one of them: a model learns one face."
        )
    if subject is not None and subject not in people:
        raise ValueError(
            f"{folder} holds nobody called {subject!r}. It holds: {', '.join(map(repr, people))}."
        )
    return table if subject is None else table[table["subject"] == subject].reset_index(drop=True)


def _subjects(folder: Path) -> dict[str, str]:
    file = folder / "manifest.csv"
    if not file.is_file():
        return {}
    manifest = pd.read_csv(file, dtype=str, keep_default_na=False)
    missing = sorted(set(MANIFEST_COLUMNS) - set(manifest))
    if missing:
        raise ValueError(
            f"{file} has no column {', '.join(missing)}. Expected {', '.join(MANIFEST_COLUMNS)}."
        )
    return dict(zip(manifest["file"], manifest["subject"], strict=True))
