"""All images of a release in one small file, so that a machine with a GPU needs nothing else.

    python -m benchmarks.release.pack ARCHIVE VOTES [PACK]

ARCHIVE is FER-2013 as Kaggle hands it out, VOTES FER+'s `fer2013new.csv`. PrivateTest is left
out. Drawn faces are added, of as many characters as a data set of photographs would have.
"""

import argparse
import hashlib
import io
import lzma
import os
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from utils.config import CACHE, CLASS_NAMES

PACK = CACHE / "release" / "images.npz.xz"
PARTS = ("train", "held-out", "validation")
"""What is learned from; a twentieth of Training, to choose by; PublicTest, to report."""
CHARACTERS, EACH = 300, 2  # drawn people, and images of each expression of each
SIDE = 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("archive", help="FER-2013's archive")
    parser.add_argument("votes", help="FER+'s fer2013new.csv")
    parser.add_argument("pack", nargs="?", default=PACK, type=Path, help=f"default: {PACK}")
    options = parser.parse_args()
    rows = fer2013(options.archive, options.votes) + drawn()
    contents, labels, votes, parts = zip(*rows, strict=True)
    save(options.pack, contents, labels, votes, parts)
    print(f"{len(rows):,} images in {options.pack}, {options.pack.stat().st_size / 1e6:.1f} MB")


def fer2013(archive: str, votes_file: str) -> list[tuple]:
    """(JPEG, class index, ten votes, part index) of Training and PublicTest, in that order."""
    from utils.datasets.votes import VOTE_NAMES, archive_rows, read_votes

    table = read_votes(votes_file)
    rows = archive_rows()
    votes = table[list(VOTE_NAMES)].to_numpy(np.uint8)
    found = []
    with zipfile.ZipFile(archive) as source:
        names = [name for name in source.namelist() if name.endswith(".jpg")]
        names = sorted(name for name in names if "PrivateTest" not in name)
        for name in tqdm(names, "reading", unit="image"):
            content = source.read(name)
            key = "/".join(name.split("/")[-2:])
            row = rows.get(key)
            usage = key.split("/")[1].split("_")[0]
            if row is not None and table["usage"].iat[row] != usage:
                raise ValueError(f"{name} is {table['usage'].iat[row]} in {votes_file}.")
            given = votes[row] if row is not None else np.zeros(len(VOTE_NAMES), np.uint8)
            label = CLASS_NAMES.index(key.split("/")[0])
            found.append((content, label, given, _part(usage, content)))
    return found


def drawn(characters: int = CHARACTERS) -> list[tuple]:
    """(JPEG, class index, ten votes, part index) of drawn people, framed as FER-2013's faces.

    They are of the random stream that draws the train part of data sets, so nobody of a
    validation or test part, and nobody of the clip, is among them.
    """
    from utils.drawn.random_face import random_character, random_image

    side = round(SIDE * 1.25)  # a drawing is 1.25 times the box that a cascade finds in it
    cut = (side - SIDE) // 2
    found = []
    for number in tqdm(range(characters), "drawing", unit="character"):
        character = random_character(np.random.default_rng((0, 0, number)))
        for label, name in enumerate(CLASS_NAMES):
            for count in range(EACH):
                random = np.random.default_rng((1, number, label, count))
                image = random_image(character, name, side, random)
                grey = Image.fromarray(image[cut : cut + SIDE, cut : cut + SIDE, ::-1]).convert("L")
                content = io.BytesIO()
                grey.save(content, "JPEG", quality=90)
                votes = np.zeros(10, np.uint8)
                votes[label] = 10
                found.append((content.getvalue(), label, votes, PARTS.index("train")))
    return found


def save(path: Path, contents, labels, votes, parts) -> None:
    """Write a pack in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with lzma.open(partial, "wb", preset=6) as file:  # as one stream: the headers are all alike
        np.savez(
            file,
            jpegs=np.frombuffer(b"".join(contents), np.uint8),
            ends=np.cumsum([len(one) for one in contents]),
            labels=np.array(labels, np.uint8),
            votes=np.array(votes, np.uint8),
            parts=np.array(parts, np.uint8),
        )
    os.replace(partial, path)


def load(path: Path) -> dict[str, np.ndarray]:
    """The pack: "images", uint8 (n, 48, 48), 0–255 grey; "labels"; "votes"; "parts"."""
    with lzma.open(path) as file:
        pack = dict(np.load(io.BytesIO(file.read())))
    content, ends = pack.pop("jpegs").tobytes(), pack.pop("ends")
    pack["images"] = np.stack(
        [
            np.asarray(Image.open(io.BytesIO(content[start:end])).convert("L"))
            for start, end in zip([0, *ends[:-1]], ends, strict=True)
        ]
    )
    return pack


def first_drawn(packed: dict) -> int:
    """Where the drawn faces begin; they come last."""
    return len(packed["labels"]) - CHARACTERS * len(CLASS_NAMES) * EACH


def _part(usage: str, content: bytes) -> int:
    """Identical images go to one part."""
    if usage == "PublicTest":
        return PARTS.index("validation")
    held_out = hashlib.sha256(content).digest()[0] % 20 == 0
    return PARTS.index("held-out" if held_out else "train")


if __name__ == "__main__":
    main()
