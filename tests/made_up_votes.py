"""FER+ files with votes that tests make up, of 35,887 rows as the real one."""

from pathlib import Path

import numpy as np
import pandas as pd

from utils.datasets.votes import ROWS, VOTE_NAMES

_HEADERS = {
    "neutral": "neutral",
    "happy": "happiness",
    "surprise": "surprise",
    "sad": "sadness",
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "contempt": "contempt",
    "unknown": "unknown",
    "no face": "NF",
}


def ten(**votes: int) -> tuple[int, ...]:
    """Votes in the order of `VOTE_NAMES`, such as ``ten(sad=6, neutral=4)``."""
    return tuple(votes.get(name.replace(" ", "_"), 0) for name in VOTE_NAMES)


def write_votes_file(path: Path, given: dict[int, tuple[int, ...]]) -> Path:
    """`fer2013new.csv` with votes for some rows, and ten for "unknown" on all others."""
    votes = np.tile(ten(unknown=10), (ROWS, 1))
    for row, one in given.items():
        votes[row] = one
    table = pd.DataFrame(votes, columns=list(VOTE_NAMES))[list(_HEADERS)].rename(columns=_HEADERS)
    usage = np.repeat(["Training", "PublicTest", "PrivateTest"], [28709, 3589, 3589])
    table.insert(0, "Image name", [f"fer{row:07}.png" for row in range(ROWS)])
    table.insert(0, "Usage", usage)
    path.parent.mkdir(exist_ok=True)
    table.to_csv(path, index=False)
    return path
