"""What is wrong with a data set before anything is trained on it.

Finds images that occur more than once (the same bytes or pixels, or nearly the same to a perceptual
hash) within a split and across splits, copies whose labels disagree, blank and unreadable images,
and how the classes are balanced.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from utils.config import SPLITS
from utils.datasets.table import count_classes
from utils.files import digest, replacing
from utils.progress import progress_bar
from utils.vision.images import load_image

HASH_SIDE = 16
NEAR_DISTANCE = 28
"""Differing bits, of HASH_SIDE² = 256, up to which two images count as near-identical.

On FER-2013, whose images are all centred faces, 28 separates well: pairs up to there
are the same photograph cropped or compressed anew; unrelated faces begin beyond 32."""

TABLES = ("images", "duplicates", "summary", "balance")


@dataclass(frozen=True)
class AuditReport:
    """What an audit found; print it, or leave it at the end of a notebook cell.

    Attributes:
        images: one row an image: ``file``, ``split``, ``class``, ``sha256`` of the bytes,
            ``pixels`` (digest of what they decode to, "" if unreadable), ``blank`` (one colour all
            over), ``problem`` (why it is unreadable, or ""), and the numbers of its groups:
            ``identical`` (same pixels) and ``near`` (same or nearly the same), -1 where it has no
            fellow.
        duplicates: one row for each image in a group: ``kind`` ("identical" or "near"), ``group``,
            ``file``, ``split``, ``class``, ``images`` (in the group), ``across_splits`` and
            ``conflicting`` (its labels disagree). Near groups have two or more different images.
        summary: ``figure`` and ``count``.
        balance: images per class (rows) and split (columns), with totals.
    """

    images: pd.DataFrame
    duplicates: pd.DataFrame
    summary: pd.DataFrame
    balance: pd.DataFrame

    def __str__(self) -> str:
        width = self.summary["figure"].str.len().max()
        rows = self.summary.itertuples(index=False, name=None)
        figures = (f"{figure:<{width}}  {count:>7,}" for figure, count in rows)
        return "\n".join([*figures, "", self.balance.to_string()])

    def __repr__(self) -> str:
        """What a notebook shows, where a figure has counted the classes already."""
        return str(self).partition("\n\n")[0]

    def save(self, folder: str | Path) -> Path:
        """Write each table as ``<name>.csv`` into a folder, each in one step."""
        folder = Path(folder)
        for name in TABLES:
            with replacing(folder / f"{name}.csv") as file:
                table = getattr(self, name)
                table.to_csv(file, index=name == "balance", errors="backslashreplace")
        return folder


def audit_images(table: pd.DataFrame, *, progress: bool = True) -> AuditReport:
    """Look for copies, contradictions and blanks among images.

    Near-identity is judged by the difference hash of Krawetz
    (https://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html) with 256
    bits, for 64 are too few to tell apart faces that all fill the frame alike; blank images have
    none. Groups are transitive: a ~ b and b ~ c puts all three together.

    Of laboratory sets, whose people sat before one camera, such hashes cannot tell look-alikes from
    copies. Where it is known who is on two images, these are near only if one person is on both and
    they stand in different splits. Equal pixels count whoever is on them.

    Args:
        table: rows with ``file``, ``split``, ``class`` and, where known, ``subject``, as
            `datasets.find_images`, `datasets.combine` and `splits.split_table` give them.
        progress: show a progress bar.
    """
    table = table.reset_index(drop=True)
    if "subject" not in table:
        table["subject"] = ""
    seen = [
        _look_at(Path(file))
        for file in progress_bar(table["file"], "Auditing", unit=" images", disable=not progress)
    ]
    images = table.join(pd.DataFrame([row for row, _ in seen]))
    hashes = [code for _, code in seen]
    images["identical"] = _number_groups(pd.factorize(images["pixels"])[0], images)
    near, alike = _near_groups(images, hashes)
    images["near"] = _number_groups(near, images)
    duplicates = _duplicates(images)
    summary = _summary(images, duplicates, alike)
    return AuditReport(images, duplicates, summary, count_classes(table))


def images_also_in_train(report: AuditReport, split: str) -> set[str]:
    """Files of a split, "validation" or "test", of which an image with the same pixels is in train.

    Raises:
        ValueError: the data set has no such split, or no train.
    """
    images = report.images
    absent = sorted({split, "train"} - set(images["split"]))
    if absent or split == "train":
        raise ValueError(
            f"Expected a split other than train, beside train. Received: {split!r} of images "
            f"whose splits are {', '.join(images['split'].unique())}."
        )
    return _also_in_train(images, split, "identical")


def near_pairs(hashes: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """All pairs of hashes that differ in at most ``distance`` bits, block by block.

    Blocks of one matrix product: 31,000 hashes of 256 bits take some seconds and 130 MB; time grows
    with the square of their number.

    Args:
        hashes: bool, (number, bits).
        distance: greatest number of differing bits.

    Yields:
        int, (pairs, 2): row numbers, the smaller first.
    """
    count, bits = hashes.shape
    signs = np.where(hashes, np.float32(1), np.float32(-1))  # product = bits − 2 · distance
    step = max(1, 2**24 // max(count, 1))
    for start in range(0, count, step):
        alike = signs[start : start + step] @ signs[start:].T >= bits - 2 * distance
        found = np.argwhere(alike)
        yield found[found[:, 0] < found[:, 1]] + start


def _look_at(file: Path) -> tuple[dict, np.ndarray | None]:
    """An image's row, and its hash as bool (256,) unless it is blank or unreadable."""
    row = {"sha256": "", "pixels": "", "blank": False, "problem": ""}
    try:
        data = file.read_bytes()
        row["sha256"] = digest(data, digits=64)
        image = load_image(data)
        if image.mode == "P":
            image = image.convert("RGB")
        code = imagehash.dhash(image, HASH_SIDE).hash.ravel()
        extremes = np.reshape(image.getextrema(), (-1, 2))  # least and greatest of each band
        shape = f"{image.mode}{image.size}".encode()
        pixels = digest(shape, image.tobytes(), digits=64)
    except Exception as error:  # nothing that one file holds may end an audit
        return row | {"problem": str(error) or type(error).__name__}, None
    blank = bool((extremes[:, 0] == extremes[:, 1]).all())
    return row | {"pixels": pixels, "blank": blank}, None if blank else code


def _near_groups(images: pd.DataFrame, hashes: list) -> tuple[np.ndarray, int]:
    """A label per image, equal where the pixels are the same or nearly, and not by nature so.

    The number is that of pairs whose hashes are near, but which known people explain.
    """
    content = pd.factorize(images["pixels"])[0]
    _, first = np.unique(content, return_index=True)  # row of each content's first image
    hashed = np.array([hashes[row] is not None for row in first])
    kept = np.flatnonzero(hashed)
    codes = np.array([hashes[row] for row in first[hashed]], bool).reshape(len(kept), HASH_SIDE**2)
    group = np.arange(len(first))
    # Joined block by block: of thousands of like renderings all pairs would not fit in memory.
    subjects, splits = (_values_of(images[name], content) for name in ("subject", "split"))
    alike = 0
    for pairs in near_pairs(codes, NEAR_DISTANCE):
        left, right = kept[pairs].T
        suspect = (subjects[left] == "") | (subjects[right] == "")
        across = (splits[left] != splits[right]) | np.char.count(splits[left], "\n").astype(bool)
        suspect |= (subjects[left] == subjects[right]) & across
        alike += int((~suspect).sum())
        left, right = group[left[suspect]], group[right[suspect]]
        graph = coo_array((np.ones(len(left), bool), (left, right)), shape=(len(first),) * 2)
        group = connected_components(graph, directed=False)[1][group]
    return group[content], alike


def _values_of(values: pd.Series, content: np.ndarray) -> np.ndarray:
    """The values that images of one content have, one a line, by the content's number."""
    pairs = pd.DataFrame({"value": values, "content": content}).drop_duplicates()
    several = pairs["content"].duplicated(keep=False)
    joined = pairs[~several].set_index("content")["value"]
    if several.any():
        known = pairs[several].groupby("content")["value"]
        more = known.agg(lambda of: "" if "" in set(of) else "\n".join(sorted(of)))
        joined = pd.concat([joined, more])
    return joined.sort_index().to_numpy(str)


def _number_groups(labels: np.ndarray, images: pd.DataFrame) -> np.ndarray:
    """Number the labels that occur twice or more from 0; -1 for the rest and unreadable."""
    labels = pd.Series(labels).where(images["pixels"] != "", -1)
    shared = labels.duplicated(keep=False) & (labels != -1)
    numbers = np.full(len(labels), -1)
    numbers[shared] = pd.factorize(labels[shared])[0]
    return numbers


def _duplicates(images: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for kind in ("identical", "near"):
        part = images[images[kind] >= 0].assign(kind=kind, group=images[kind])
        if kind == "near":  # a group of identical images alone is listed as such already
            part = part[part.groupby("group")["pixels"].transform("nunique") > 1]
        groups = part.groupby("group")
        part = part.assign(
            images=groups["file"].transform("size"),
            across_splits=groups["split"].transform("nunique") > 1,
            conflicting=groups["class"].transform("nunique") > 1,
        )
        parts.append(part.sort_values(["group", "file"]))
    columns = ["kind", "group", "file", "split", "class"]
    columns += ["images", "across_splits", "conflicting"]
    return pd.concat(parts)[columns].reset_index(drop=True)


def _summary(images: pd.DataFrame, duplicates: pd.DataFrame, alike: int) -> pd.DataFrame:
    same_bytes = images["sha256"].duplicated(keep=False) & (images["sha256"] != "")
    figures = {
        "images": len(images),
        "unreadable images": (images["problem"] != "").sum(),
        "blank images": images["blank"].sum(),
        "byte-identical: groups": images.loc[same_bytes, "sha256"].nunique(),
        "byte-identical: images in them": same_bytes.sum(),
    }
    for kind, name in (("identical", "pixel-identical"), ("near", "near-identical")):
        rows = duplicates[duplicates["kind"] == kind]
        groups = rows.drop_duplicates("group")
        figures |= {
            f"{name}: groups": len(groups),
            f"{name}: images in them": len(rows),
            f"{name}: groups across splits": groups["across_splits"].sum(),
            f"{name}: groups with conflicting labels": groups["conflicting"].sum(),
        }
        for split in [part for part in SPLITS[1:] if {part, "train"} <= {*images["split"]}]:
            shared = len(_also_in_train(images, split, kind))
            figures[f"{name}: {split} images also in train"] = shared
    if (images["subject"] != "").any():
        subjects = images[images["identical"] >= 0].groupby("identical")["subject"].nunique()
        figures["pixel-identical: groups under several people's names"] = (subjects > 1).sum()
        figures["look-alikes of known people, not counted: pairs"] = alike
    rows = [(figure, int(count)) for figure, count in figures.items()]
    return pd.DataFrame(rows, columns=["figure", "count"])


def _also_in_train(images: pd.DataFrame, split: str, kind: str) -> set[str]:
    in_train = set(images.loc[images["split"] == "train", kind]) - {-1}
    chosen = (images["split"] == split) & images[kind].isin(in_train)
    return set(images.loc[chosen, "file"])
