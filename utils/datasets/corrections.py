"""Labels that a person has corrected: a CSV of files and their new classes.

The images stay as they are and where they are. The file names an image by its path inside
the data set, ``train/angry/1.png`` or ``angry/1.png``, so that it fits wherever that lies.
In a corrected table ``uncorrected`` is the class that the data set itself gives an image.
"""

from pathlib import Path

import pandas as pd

from utils.config import SPLITS, class_name, readable
from utils.files import replacing


def save_corrections(
    table: pd.DataFrame, file: str | Path, earlier: pd.DataFrame | None = None
) -> None:
    """Write corrected labels down, in one step.

    Args:
        table: with ``file`` (the images' paths) and ``class`` (their new classes).
        file: a new CSV, or one to replace.
        earlier: a table whose corrections, if it has any, are kept beside the new ones.

    Raises:
        ValueError: a column is missing, a class is empty, or an image has two classes.
    """
    missing = [name for name in ("file", "class") if name not in table]
    if missing:
        raise ValueError(
            f"Corrections need the columns file and class. Missing: {', '.join(missing)}. "
            f"Received: {', '.join(map(str, table.columns))}."
        )
    chosen = _rows(table.astype({"class": str}))
    _check(chosen, file)
    if earlier is not None:
        kept = _rows(earlier[corrected(earlier)])
        chosen = pd.concat([kept[~kept["file"].isin(chosen["file"])], chosen])
    with replacing(file) as temporary:
        chosen.to_csv(temporary, index=False, encoding="utf-8")


def correct(table: pd.DataFrame, file: str | Path | None) -> pd.DataFrame:
    """A table of images with the classes of a file of corrections; says how many it changed.

    Args:
        table: with ``file`` and ``class``, as `table.find_images` gives it.
        file: as `save_corrections` writes it; None changes nothing.

    Returns:
        The table, or a copy with the new ``class`` and the old as ``uncorrected``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no file of corrections, names images that the table has not, or twice, or
            a class that no image has.
    """
    if file is None:
        return table
    if not Path(file).is_file():
        raise FileNotFoundError(f"No corrections at {file}. Expected a CSV of file and class.")
    try:
        new = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{file} is no CSV file ({error}). Expected file and class.") from error
    if not {"file", "class"} <= set(new):
        raise ValueError(
            f"{file} needs the columns file and class. Received: {', '.join(new.columns)}."
        )
    new = _rows(new)
    _check(new, file)
    inside = table["file"].map(_inside)
    named = inside[inside.isin(new["file"])]
    unknown = sorted(set(new["file"]) - set(named))
    twice = sorted(named[named.duplicated()])
    if unknown or twice:
        which, what = (unknown, "no image") if unknown else (twice, "more than one image")
        raise ValueError(
            f"{file} does not fit these images: {what} for {', '.join(which[:3])}"
            f"{f' and {len(which) - 3} more' if len(which) > 3 else ''}. Expected corrections of "
            "the very data set; of several ones, correct each by itself."
        )
    known = {*table["class"], *(["contempt"] if "votes" in table else [])}
    if strange := sorted(set(new["class"]) - known):
        raise ValueError(
            f"{file} has a class that no image has: {', '.join(strange)}. Expected some of: "
            f"{', '.join(sorted(known))}."
        )
    changed = inside.map(new.set_index("file")["class"])
    classes = changed.where(changed.notna(), table["class"]).astype(table["class"].dtype)
    table = table.assign(**{"uncorrected": table["class"], "class": classes})
    splits = table["split"][corrected(table)]
    counts = {name: (splits == name).sum() for name in SPLITS}
    parts = ", ".join(f"{count} in {name}" for name, count in counts.items() if count)
    print(f"{file}: {len(splits)} labels corrected{f' ({parts})' if parts else ''}.")
    return table


def corrected(table: pd.DataFrame) -> pd.Series:
    """Whether a person has given an image of a table another class than its data set: bool."""
    return table.get("uncorrected", table["class"]) != table["class"]


def _rows(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {"file": table["file"].map(_inside), "class": table["class"].map(class_name)}
    ).drop_duplicates()


def _check(corrections: pd.DataFrame, file) -> None:
    twice = corrections["file"][corrections["file"].duplicated()]
    if len(twice):
        raise ValueError(f"{file}: {twice.iloc[0]} has two classes. Expected one for each image.")
    if empty := sorted(corrections["file"][corrections["class"] == ""]):
        raise ValueError(f"{file}: no class for {empty[0]}. Expected one for each image.")


def _inside(file: str) -> str:
    """An image's path inside its data set, whatever the system's slashes."""
    parts = readable(str(file)).replace("\\", "/").split("/")[-3:]
    return "/".join(parts if parts[0] in (*SPLITS, "all") else parts[-2:])
