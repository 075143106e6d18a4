"""Faces found in photographs whose faces are known, false boxes, and the time it takes.

`benchmarks.detection` calls this for a folder or zip with pictures and a ``boxes.csv``: columns
file, x, y, width, height (pixels of the upright picture) and ignore (1: a face that neither
helps nor harms whoever finds it). Pictures without a row show no face.

A box has found a face if their centres lie within 0.45 of the face's larger side of each other,
and their sizes (square roots of the areas) are within a factor of 2.3. Boxes and faces are
paired one to one. "single" are pictures with one face, "group" those with more, of which faces
of at least 24 pixels count. Live, a picture is shown as 60 frames of a slow pan at 30 a second,
and the boxes of the last frame count. Times are of the processor, with one thread for OpenCV.

The second opinion learned from one half of the pictures (`learned_from`), and passes and thresholds
were chosen on it; "other_half" tells of those that nothing was chosen on.
"""

import json
import subprocess
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from scipy.optimize import linear_sum_assignment
from tqdm.auto import tqdm

from utils.config import DEFAULT_MODEL, IMAGE_SUFFIXES, PROJECT
from utils.live.analyzer import FaceAnalyzer
from utils.live.stills import find_faces
from utils.models.predictor import load
from utils.vision.boxes import Box
from utils.vision.haar import FaceDetector
from utils.vision.images import open_image, to_grey
from utils.vision.opencv import cv2
from utils.vision.yunet import YuNetDetector

SEED = 0  # of the two halves
TOLD = "single_found", "group_found", "false_boxes"
LEAST = 24  # pixels of the larger side of a face that counts
CENTRES, SIZES = 0.45, 2.3
FRAMES, RATE, PAN = 60, 30, 0.4  # pan: pixels a frame, right and down
BY_SHARE = "found_by_share_of_shorter_side"
SHARES = (0, 0.06, 0.1, 0.2, 0.4, 10)  # of the picture's shorter side: larger side of a face

Finder = Callable[[np.ndarray], tuple[list[Box], float, np.ndarray]]
"""A BGR picture in; boxes, processor milliseconds, and the faces' shift (x, y) in pixels out."""


def measure(
    photos: str | Path,
    yunet: str | None = None,
    names=None,
    sheet=None,
    model=DEFAULT_MODEL,
    peers=(),
) -> dict:
    """Every finder's figures over all pictures.

    Args:
        photos: folder or zip with ``boxes.csv``.
        yunet: YuNet's model file, to measure it as well.
        names: only these finders.
        model: whose second opinion is asked, where it has one.
        sheet: a folder for contact sheets of found, missed and false boxes, one a finder.
        peers: (name, Python) of other packages' finders; see `benchmarks.peers`.
    """
    pictures = dict(read_photographs(photos))
    cv2.setNumThreads(1)
    found = {}
    compared = finders(yunet, model) | {name: peer(name, python) for name, python in peers}
    for name, find in compared.items():
        if names and name not in names:
            continue
        rows, marked = [], []
        for file, (picture, faces) in tqdm(pictures.items(), name):
            boxes, milliseconds, shift = find(picture)
            row, marks = _judge(boxes, faces, shift, picture.shape)
            rows.append({"file": file, "milliseconds": milliseconds, **row})
            marked.append((file, picture, marks, shift))
        found[name] = _figures(rows)
        others = _figures([row for row in rows if row["file"] not in learned_from(pictures)])
        found[name]["other_half"] = {key: others[key] for key in TOLD}
        if sheet:
            _draw_sheet(marked, Path(sheet, f"{name}.jpg"))
    return found


def learned_from(pictures) -> set[str]:
    """The names of the half of some pictures that the second opinion learns from."""
    order = np.random.default_rng(SEED).permutation(len(pictures))
    return {sorted(pictures)[number] for number in order[: len(pictures) // 2]}


def read_photographs(photos: str | Path) -> Iterator[tuple[str, tuple[np.ndarray, pd.DataFrame]]]:
    """Each picture by its name: uint8 (height, width, 3) BGR, and its rows of ``boxes.csv``.

    Raises:
        FileNotFoundError: there is no ``boxes.csv``, or a picture that it names is missing.
        ValueError: ``boxes.csv`` lacks a column.
    """
    names, read = _entries(Path(photos))
    lists = [name for name in names if Path(name).name == "boxes.csv"]
    if len(lists) != 1:
        raise FileNotFoundError(
            f"Expected one boxes.csv (file,x,y,width,height,ignore) in {photos}. "
            f"Received: {len(lists)}."
        )
    boxes = pd.read_csv(read(lists[0]))
    if missing := {"file", "x", "y", "width", "height"} - set(boxes.columns):
        raise ValueError(f"boxes.csv in {photos} lacks the columns {', '.join(sorted(missing))}.")
    if "ignore" not in boxes:
        boxes["ignore"] = 0
    root = lists[0].removesuffix("boxes.csv")
    pictures = [name for name in names if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    if absent := set(boxes["file"]) - {name.removeprefix(root) for name in pictures}:
        raise FileNotFoundError(f"{photos} lacks {len(absent)} pictures, such as {min(absent)}.")
    for name in pictures:
        picture = open_image(read(name).read())
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture
        yield name, (picture, boxes[boxes["file"] == name.removeprefix(root)])


def _entries(path: Path):
    """The files in a folder or zip, and a function that opens one of them."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return [file.relative_to(path).as_posix() for file in files], lambda n: open(path / n, "rb")
    archive = zipfile.ZipFile(path)
    return sorted(n for n in archive.namelist() if not n.endswith("/")), archive.open


def finders(yunet: str | None = None, model=DEFAULT_MODEL) -> dict[str, Finder]:
    """What is compared, by name."""
    predictor, detector = load(model), FaceDetector()
    compared = {
        "still": _timed(lambda picture: find_faces(picture, predictor, detector)),
        "live": lambda picture: pan(picture, FaceAnalyzer(predictor, detector)),
        "haar_1.3_5": _timed(_cascade(1.3, 5)),
        "haar_1.1_5": _timed(_cascade(1.1, 5)),
    }
    if yunet:
        network = YuNetDetector(yunet)
        compared["yunet"] = _timed(lambda picture: find_faces(picture, predictor, network))
    return compared


def _cascade(step: float, neighbours: int) -> Callable[[np.ndarray], list[Box]]:
    """The cascade as tutorials call it."""
    cascade = cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_frontalface_default.xml")
    return lambda picture: list(cascade.detectMultiScale(to_grey(picture), step, neighbours))


def _timed(find: Callable[[np.ndarray], list[Box]]) -> Finder:
    def run(picture):
        start = time.process_time()
        boxes = find(picture)
        return boxes, 1000 * (time.process_time() - start), np.zeros(2)

    return run


def peer(name: str, python: str) -> Finder:
    """A finder of another package, in a process of a Python that has it."""
    # No resolving of links: an environment's python is one, and would lose its packages.
    python = Path(python).expanduser().absolute()
    command = [python, "-P", PROJECT / "benchmarks" / "peers.py", name]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )

    def run(picture):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "picture.png")
            file.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
            with suppress(BrokenPipeError):  # it has ended, as its empty answer tells
                print(file, file=process.stdin, flush=True)
            answer = process.stdout.readline()
        if not answer:
            raise SystemExit(f"{name} does not run in {python}. Try: {' '.join(map(str, command))}")
        found = json.loads(answer)
        return found["boxes"], found["milliseconds"], np.zeros(2)

    return run


def pan(picture: np.ndarray, analyzer: FaceAnalyzer) -> tuple[list[Box], float, np.ndarray]:
    """A picture as a slow pan: what is tracked at its end, and milliseconds a frame."""
    size, boxes, spent = picture.shape[1::-1], [], 0.0
    for number in range(FRAMES):
        shift = np.full(2, PAN * number)
        move = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
        frame = cv2.warpAffine(picture, move, size, borderMode=cv2.BORDER_REPLICATE)
        start = time.process_time()
        boxes = [face.box for face in analyzer.read(frame, number / RATE)]
        spent += time.process_time() - start
    return boxes, 1000 * spent / FRAMES, shift


def pair(boxes, faces: np.ndarray) -> list[tuple[int, int]]:
    """Boxes and faces that belong together, one to one, as (box, face) numbers.

    Args:
        boxes, faces: rows of (left, top, width, height) in pixels.
    """
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    faces = np.asarray(faces, float).reshape(-1, 4)
    centres = [each[:, :2] + each[:, 2:] / 2 for each in (boxes, faces)]
    apart = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=2)
    apart = apart / faces[:, 2:].max(axis=1)[None] if len(faces) else apart
    sizes = [np.sqrt(each[:, 2] * each[:, 3]) for each in (boxes, faces)]
    growth = np.abs(np.log(sizes[0][:, None] / sizes[1][None]))
    fits = (apart <= CENTRES) & (growth <= np.log(SIZES))
    pairs = linear_sum_assignment(np.where(fits, apart, 1e3))
    return [(box, face) for box, face in zip(*pairs, strict=True) if fits[box, face]]


def _judge(boxes, faces: pd.DataFrame, shift, shape) -> tuple[dict, list]:
    """One picture's counts, and (kind, box) of all that was found, missed or false."""
    places = faces[["x", "y", "width", "height"]].to_numpy(float)
    places = places + np.append(shift, (0, 0))
    counted = faces["ignore"].to_numpy(int) == 0
    # Faces that count are paired first: one that is ignored takes no box away from them.
    chosen = np.flatnonzero(counted)
    hits = [(box, chosen[face]) for box, face in pair(boxes, places[chosen])]
    left = [number for number in range(len(boxes)) if number not in {box for box, _ in hits}]
    ignored = pair([boxes[number] for number in left], places[~counted])
    false = [number for row, number in enumerate(left) if row not in {box for box, _ in ignored}]
    seen = {face for _, face in hits}
    sides = places[:, 2:].max(axis=1)
    kind = "single" if counted.sum() == 1 else "group"
    wanted = [face for face in chosen if kind == "single" or sides[face] >= LEAST]
    shares = sides / min(shape[:2])
    row = {
        "kind": kind,
        "faces": len(wanted),
        "found": len(seen & set(wanted)),
        "false": len(false),
        "shares": [(float(shares[face]), face in seen) for face in chosen],
        "sides": [(float(sides[face]), face in seen) for face in wanted],
    }
    marks = [("found" if face in seen else "missed", places[face]) for face in chosen]
    return row, marks + [("false", boxes[number]) for number in false]


def _figures(rows: list[dict]) -> dict:
    def share(kind, least=0):
        seen = [hit for row in rows if row["kind"] == kind for s, hit in row["sides"] if s >= least]
        return round(float(np.mean(seen)), 4) if seen else None

    times = [row["milliseconds"] for row in rows]
    sizes = Counter(), Counter()
    for share_of_picture, hit in (pair for row in rows for pair in row["shares"]):
        band = next(i for i in range(len(SHARES) - 1) if share_of_picture < SHARES[i + 1])
        sizes[0][band] += 1
        sizes[1][band] += hit
    return {
        "single_found": share("single"),
        "group_found": share("group"),
        "group_found_40_px": share("group", 40),
        "false_boxes": sum(row["false"] for row in rows),
        "cpu_ms_median": round(float(np.median(times)), 2),
        "cpu_ms_mean": round(float(np.mean(times)), 2),
        "single_faces": sum(row["faces"] for row in rows if row["kind"] == "single"),
        "group_faces": sum(row["faces"] for row in rows if row["kind"] == "group"),
        BY_SHARE: {
            f"from {SHARES[band]}": f"{sizes[1][band]} of {sizes[0][band]}"
            for band in sorted(sizes[0])
        },
    }


def figure(found: dict) -> Figure:
    """What each finder finds, single and by size, its false boxes and its time."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), facecolor="white")
    colours = {
        **{"still": "#0072b2", "live": "#56b4e9", "yunet": "#009e73"},
        **{"haar_1.1_5": "#cc79a7", "mediapipe": "#d55e00", "fer": "#e69f00"},
    }
    names = [name for name in found if isinstance(found[name], dict)]
    for row, name in enumerate(names):
        one, colour = found[name], colours.get(name, "#888888")
        shares = one["single_found"], one["group_found"]
        bars = left.barh([row, row + 0.4], shares, height=0.36, color=colour)
        left.bar_label(bars, [f"{share:.1%}" for share in shares], label_type="center", fontsize=8)
        said = f"{one['false_boxes']} false, {one['cpu_ms_median']:.0f} ms"
        left.text(1.02, row + 0.2, said, va="center", fontsize=9)
        hits = {key: text.split(" of ") for key, text in one[BY_SHARE].items()}
        seen = [int(hit) / int(count) for hit, count in hits.values()]
        right.plot([*hits], seen, "o-", color=colour, label=name)
    left.set(yticks=np.arange(len(names)) + 0.2, yticklabels=names, xlim=(0, 1.45), xticks=[])
    left.invert_yaxis()
    left.spines[["top", "right", "bottom"]].set_visible(False)
    left.set_title("Found: alone (above), in groups (below)", fontsize=11)
    right.set_title("Found by size, as a share of the shorter side", fontsize=11)
    right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    right.grid(alpha=0.3)
    right.legend(fontsize=8)
    figure.tight_layout()
    plt.close(figure)
    return figure


_COLOURS = {"found": (60, 180, 60), "missed": (0, 190, 255), "false": (40, 40, 230)}  # BGR


def _draw_sheet(marked: list, file: Path, across: int = 6, side: int = 320) -> None:
    """All pictures in which there is a mark: green found, yellow missed, red false."""
    cells = []
    for _, picture, marks, shift in marked:
        if not marks:
            continue
        shown = cv2.warpAffine(
            picture,
            np.float32([[1, 0, shift[0]], [0, 1, shift[1]]]),
            picture.shape[1::-1],
            borderMode=cv2.BORDER_REPLICATE,
        )
        scale = side / max(picture.shape[:2])
        shown = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for kind, box in marks:
            left, top, width, height = (round(float(value) * scale) for value in box)
            cv2.rectangle(shown, (left, top, width, height), _COLOURS[kind], 1)
        cell = np.full((side, side, 3), 255, np.uint8)
        cell[: shown.shape[0], : shown.shape[1]] = shown[:side, :side]
        cells.append(cell)
    cells += [np.full((side, side, 3), 255, np.uint8)] * (-len(cells) % across)
    rows = [np.hstack(cells[start : start + across]) for start in range(0, len(cells), across)]
    file.parent.mkdir(parents=True, exist_ok=True)
    if rows:
        file.write_bytes(cv2.imencode(".jpg", np.vstack(rows))[1].tobytes())
