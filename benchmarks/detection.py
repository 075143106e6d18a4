"""How many faces are found, at how many false boxes and what cost.

    python -m benchmarks.detection [--faces 700] [--data FOLDER] [--video FILE] [--yunet FILE]
    python -m benchmarks.detection PHOTOS [--json FILE] [--yunet FILE] [--sheet FOLDER]
        [--peer NAME PYTHON …]

PHOTOS, a folder or zip of pictures with boxes.csv, is measured by `benchmarks.photographs`.
Without it:

Faces: a seeded sample of FER-2013's validation part, enlarged to 192 pixels in a replicated
border of half their side. False boxes: the sample pictures without a face that come with
scikit-image and scikit-learn. The fallback passes of `vision.haar` were chosen on neither, but on
pictures of train and on desktop wallpapers; its first pass (alt2, 3 neighbours) and `scan`
are older and were tried on some of both.
Time: of the processor, with one thread, on frames of a video; without one, on the clip
that `utils.drawn.dataset` draws.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from multiprocessing import Pool
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from tqdm.auto import tqdm

from benchmarks import photographs
from benchmarks.measuring import save
from utils import datasets
from utils.config import RESULTS, project_path
from utils.drawn.clip import clip_frames
from utils.live.video_file import VideoFile
from utils.vision.boxes import Box, intersection_over_union
from utils.vision.haar import FaceDetector
from utils.vision.images import read_image, to_grey
from utils.vision.opencv import cv2
from utils.vision.yunet import YuNetDetector

FACE, BORDER = 192, 96  # pixels
FACE_FREE = {  # not there: people, a coin's head, and what needs a download
    "skimage/data": (
        *("brick.png", "cell.png", "chelsea.png", "chessboard_GRAY.png", "clock_motion.png"),
        *("coffee.png", "color.png", "grass.png", "gravel.png", "horse.png", "ihc.png"),
        *("hubble_deep_field.jpg", "logo.png", "microaneurysms.png", "moon.png"),
        *("motorcycle_left.png", "page.png", "phantom.png", "retina.jpg", "rocket.jpg"),
        "text.png",
    ),
    "sklearn/datasets/images": ("china.jpg", "flower.jpg"),
}
RESOLUTIONS = ((640, 480), (1280, 720))
FRAMES = 30
RIVAL = "default, 1.3, 5"  # what costs are compared with
OURS = ("scan", "detect", "detect, thorough", "thorough, no face", "refind", "YuNet")


Finder = Callable[[np.ndarray], list[Box]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", nargs="?", help="folder or zip with boxes.csv (default: none)")
    parser.add_argument("--json", metavar="FILE", help="where the figures of PHOTOS go")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of PHOTOS, only these finders")
    parser.add_argument(
        "--sheet",
        metavar="FOLDER",
        default=project_path(".cache/detection"),
        help="where contact sheets of PHOTOS go (default: .cache/detection)",
    )
    parser.add_argument("--model", default="models/expressions.keras", help="for PHOTOS")
    parser.add_argument("--data", default="data/fer2013")
    parser.add_argument("--faces", type=int, default=700, help="how many pictures to search")
    parser.add_argument("--video", help="a file with faces; the drawn clip by default")
    parser.add_argument("--yunet", help="YuNet's model file, to measure it as well")
    parser.add_argument(
        "--peer",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "PYTHON"),
        help="mediapipe or fer, and a Python that has it, for PHOTOS; see benchmarks/peers.py",
    )
    options = parser.parse_args()
    if options.photos:
        measured = photographs.measure(
            options.photos,
            options.yunet,
            options.only,
            options.sheet,
            project_path(options.model),
            options.peer,
        )
        file = save("photographs", measured, options.json)
        photographs.figure(measured).savefig(file.with_suffix(".png"), dpi=100)
        return

    table = datasets.split_of(datasets.find_images(project_path(options.data)), "validation")
    table = table.sample(min(options.faces, len(table)), random_state=0)
    pictures, missing = face_free_pictures()
    results = {name: {} for name in finders(options.yunet)}
    with Pool(initializer=_prepare, initargs=(options.yunet,)) as pool:
        found = tqdm(pool.imap(_search_face, table["file"], 16), "faces", len(table))
        overlaps = {name: np.array(column) for name, column in _columns(found).items()}
        searched = pool.imap(_search_background, pictures.values())
        false_boxes = _columns(tqdm(searched, "face-free", len(pictures)))
    for name, result in results.items():
        result["found_any_box"] = float(np.mean(overlaps[name] >= 0))
        result["found"] = share = float(np.mean(overlaps[name] >= 0.5))
        # Half the width of the 95 % interval, by the normal approximation.
        result["found_plus_minus"] = 1.96 * (share * (1 - share) / len(table)) ** 0.5
        result["false_boxes"] = int(sum(upright for upright, _ in false_boxes[name]))
        result["false_boxes_in_four_turns"] = int(sum(turned for _, turned in false_boxes[name]))
    times = {
        f"{width}×{height}": frame_times(options.video, (width, height), options.yunet)
        for width, height in RESOLUTIONS
    }
    figure = trade_off(results, times, len(table), len(pictures))
    figure.savefig(RESULTS / "detection.png", dpi=120)
    save(
        "detection",
        {
            "faces": len(table),
            "found_means": "a box with an intersection over union of at least 0.5 with the face",
            "face_free_pictures": list(pictures),
            "face_free_pictures_missing": missing,
            "contenders": results,
            "video": Path(options.video).name if options.video else "drawn clip",
            "milliseconds_a_frame": times,
        },
    )


def finders(yunet: str | None = None) -> dict[str, Finder]:
    """What is compared, by name; each takes a grey frame."""
    detector = FaceDetector()
    compared = {
        "default, 1.1, 5": _cascade("default", 1.1, 5),
        RIVAL: _cascade("default", 1.3, 5),
        "alt2, 1.1, 3": _cascade("alt2", 1.1, 3),
        "scan": detector.scan,
        "detect": detector.detect,
        "detect, thorough": lambda grey: detector.detect(grey, thorough=True),
    }
    if yunet:
        compared["YuNet"] = YuNetDetector(yunet).detect
    return compared


def _cascade(name: str, step: float, neighbours: int) -> Finder:
    """A cascade as tutorials call it."""
    file = f"{cv2.data.haarcascades}haarcascade_frontalface_{name}.xml"
    cascade = cv2.CascadeClassifier(file)
    return lambda grey: [tuple(box) for box in cascade.detectMultiScale(grey, step, neighbours)]


def face_free_pictures() -> tuple[dict[str, np.ndarray], list[str]]:
    """Grey sample pictures of installed packages by name, and the names of missing ones."""
    pictures, missing = {}, []
    for folder, files in FACE_FREE.items():
        package, _, inside = folder.partition("/")
        spec = importlib.util.find_spec(package)
        for name in files:
            path = Path(spec.origin).parent / inside / name if spec else None
            if path and path.is_file():
                pictures[name] = to_grey(read_image(path))
            else:
                missing.append(name)
    return pictures, missing


def _prepare(yunet: str | None) -> None:
    global _FINDERS  # one set of cascades for each worker
    cv2.setNumThreads(1)
    _FINDERS = finders(yunet)


def _search_face(file: str) -> dict[str, float]:
    """For each finder, the best box's overlap with the pasted face; -1 without a box."""
    face = cv2.resize(to_grey(read_image(file)), (FACE, FACE))
    frame = cv2.copyMakeBorder(face, *[BORDER] * 4, cv2.BORDER_REPLICATE)
    place = (BORDER, BORDER, FACE, FACE)
    return {
        name: max((intersection_over_union(box, place) for box in find(frame)), default=-1)
        for name, find in _FINDERS.items()
    }


def _search_background(picture: np.ndarray) -> dict[str, tuple[int, int]]:
    """For each finder, boxes in a picture as it is, and in all its four quarter turns."""
    turns = [np.ascontiguousarray(np.rot90(picture, turn)) for turn in range(4)]
    counts = {name: [len(find(turn)) for turn in turns] for name, find in _FINDERS.items()}
    return {name: (count[0], sum(count)) for name, count in counts.items()}


def _columns(rows) -> dict[str, list]:
    rows = list(rows)
    return {name: [row[name] for row in rows] for name in rows[0]}


def frame_times(video: str | None, size: tuple[int, int], yunet: str | None) -> dict:
    """Median processor milliseconds a grey frame, one thread, and as a ratio to `RIVAL`."""
    cv2.setNumThreads(1)
    frames = _frames(video, size)
    compared = finders(yunet)
    detector = FaceDetector()
    # Where there is a face, thorough costs as much as detect; upside down there is none.
    del compared["detect, thorough"]
    compared["thorough, no face"] = lambda grey: detector.detect(grey[::-1], thorough=True)
    times = {name: [] for name in (*compared, "refind")}
    known = None
    for frame in tqdm(frames, f"{size[0]}×{size[1]}"):
        known = next(iter(detector.detect(frame)), known)
        if known is not None:
            compared["refind"] = partial(detector.refind, box=known)
        for name, find in compared.items():
            start = time.process_time()
            find(frame)
            times[name].append(1000 * (time.process_time() - start))
    if known is None:
        raise SystemExit(f"No face in {len(frames)} frames of {video}. Name another video.")
    medians = {name: float(np.median(each)) for name, each in times.items()}
    return {
        name: {"milliseconds": round(median, 2), "ratio": round(median / medians[RIVAL], 3)}
        for name, median in medians.items()
    }


def _frames(video: str | None, size: tuple[int, int]) -> list[np.ndarray]:
    if video is None:
        shown = clip_frames(size=size, frames_per_second=2.5)
        return [to_grey(frame) for _, frame, _ in islice(shown, FRAMES)]
    with VideoFile(video) as source:
        return [to_grey(cv2.resize(frame, size)) for _, frame in islice(source, 0, 10 * FRAMES, 10)]


def trade_off(results: dict, times: dict, faces: int, pictures: int) -> Figure:
    """Faces found against false boxes, and what a frame costs."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), facecolor="white")
    for name, result in results.items():
        across, colour = result["false_boxes_in_four_turns"], _colour(name)
        heights = result["found"], result["found_any_box"]
        left.plot([across] * 2, heights, color=colour, linewidth=1, zorder=1)
        left.scatter([across] * 2, heights, s=50, color=[colour, "white"], edgecolor=colour)
        left.annotate(name, (across, heights[0]), (9, -3), textcoords="offset points", fontsize=9)
    most = max(result["false_boxes_in_four_turns"] for result in results.values())
    left.set_xlim(-0.08 * most, 1.45 * most)
    left.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    left.set_title(
        "Faces found, and false boxes\n● overlap of at least 0.5   ○ any box", fontsize=11
    )
    left.set_xlabel(f"false boxes in {pictures} pictures without a face, in four turns each")
    left.set_ylabel(f"found of {faces:,} faces of FER-2013")
    left.grid(alpha=0.3)

    names = list(next(iter(times.values())))
    for row, each in enumerate(times.values()):
        milliseconds = [each[name]["milliseconds"] for name in names]
        bars = right.barh(
            np.arange(len(names)) + 0.4 * row,
            milliseconds,
            height=0.38,
            color=[_colour(name) for name in names],
            alpha=1 - 0.45 * row,
        )
        labels = [f"{each[name]['ratio']:.2g}" for name in names]
        right.bar_label(bars, labels, padding=3, fontsize=8)
    right.set_yticks(np.arange(len(names)) + 0.2, names)
    right.invert_yaxis()
    right.margins(x=0.12)
    title = f"Cost of a frame: {', below '.join(times)}\nnumbers: times that of {RIVAL}"
    right.set_title(title, fontsize=11)
    right.set_xlabel("processor milliseconds, one thread")
    figure.tight_layout()
    plt.close(figure)
    return figure


def _colour(name: str) -> str:
    return "#0072b2" if name in OURS else "#888888"


if __name__ == "__main__":
    main()
