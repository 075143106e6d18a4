"""All that is kept of one person: recordings, and the models that learned from them."""

import zipfile
from collections import Counter
from pathlib import Path

from utils.config import MODELS
from utils.files import check_outputs, check_writable, replacing
from utils.live.recording import MANIFEST, RECORD, inside, manifest_text, read_manifest, remove
from utils.models.metadata import ModelFileError, read_metadata


def people(folder: str | Path) -> dict[str, dict[str, int]]:
    """Whose recordings lie in a folder, and how many of each class."""
    rows = read_manifest(folder)
    return {
        name: dict(Counter(row["class"] for row in rows if row["subject"] == name))
        for name in sorted({row["subject"] for row in rows})
    }


def models_of(subject: str, models: str | Path = MODELS) -> list[Path]:
    """The personal models of somebody in a folder."""
    return [file for file in sorted(Path(models).glob("*.keras")) if _owner(file) == subject]


def pack_person(
    folder: str | Path, subject: str, archive: str | Path, models: str | Path = MODELS
) -> list[str]:
    """Put somebody's recordings and models into one zip: which files.

    Raises:
        ValueError: nothing is kept of that person.
    """
    folder = Path(folder)
    rows = [row for row in read_manifest(folder) if row["subject"] == subject]
    entries = {f"recordings/{row['file']}": inside(folder, row["file"]) for row in rows}
    entries |= {f"models/{file.name}": file for file in models_of(subject, models)}
    _check(entries, folder, subject)
    check_outputs(entries.values(), [archive])
    check_writable(archive)
    with replacing(archive) as temporary, zipfile.ZipFile(temporary, "w") as packed:
        for name, file in entries.items():
            packed.write(file, name)
        if rows:
            packed.writestr(f"recordings/{MANIFEST}", manifest_text(rows))
            packed.write(folder / RECORD, f"recordings/{RECORD}")
    return list(entries)


def delete_person(
    folder: str | Path, subject: str, models: str | Path = MODELS
) -> tuple[int, list[Path]]:
    """Delete somebody's recordings and models: how many images, and which models.

    Raises:
        ValueError: nothing is kept of that person.
    """
    folder, found = Path(folder), models_of(subject, models)
    rows = [row for row in read_manifest(folder) if row["subject"] == subject]
    _check([*rows, *found], folder, subject)
    removed = remove(folder, lambda row: row["subject"] == subject) if rows else 0
    for file in found:
        file.unlink()
    return removed, found


def _check(kept, folder, subject) -> None:
    if not kept:
        raise ValueError(
            f"Nothing is kept of {subject!r}. Recorded in {folder}: "
            f"{', '.join(people(folder)) or 'nobody'}."
        )


def _owner(file: Path) -> str | None:
    try:
        return read_metadata(file).get("personal", {}).get("subject")
    except ModelFileError:
        return None
