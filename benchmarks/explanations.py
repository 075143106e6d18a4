"""Do the explanation maps show the pixels that the answer hangs on?

    python -m benchmarks.explanations [--data data/fer2013] [--model models/expressions.keras]

Deletion curves (Petsiuk et al., "RISE", BMVC 2018): the pixels that a map holds for most
important are removed first, and the area under the answer's probability is taken. The
lower, the better the map. What removes them matters, so each curve is drawn twice, with
the face's mean and with its blur in their place. Patch, steps and fill are chosen on
pictures of train, and the choice, which `utils.models.saliency` has as its defaults, is reported
on validation, against

- centre: pixels near the middle first,
- patches: a map of the same patches with falls drawn at random,
- pixels: single pixels at random, a noise that networks stumble over anyway.
"""

import argparse
import time

import numpy as np
from tqdm.auto import tqdm

from benchmarks.measuring import save
from utils import datasets
from utils.config import project_path
from utils.models import saliency
from utils.models.predictor import load
from utils.training.batches import Batches

REMOVED = np.linspace(0, 1, 17)  # shares of the pixels removed, along a curve
CANDIDATES = [  # at most 150 answers a map, so that it stays a matter of a second
    *({"patch": patch, "steps": 11, "fill": "blur"} for patch in (1 / 8, 1 / 6, 1 / 4)),
    *({"patch": patch, "steps": 11, "fill": "mean"} for patch in (1 / 8, 1 / 6)),
    *({"patch": patch, "steps": 8, "fill": "blur"} for patch in (1 / 8, 1 / 6)),
    {"patch": 1 / 12, "steps": 12, "fill": "blur"},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data/fer2013")
    parser.add_argument("--model", default="models/expressions.keras")
    parser.add_argument("--tuning", type=int, default=8, help="training pictures of each class")
    parser.add_argument("--reporting", type=int, default=28, help="validation pictures of each")
    options = parser.parse_args()

    predictor = load(project_path(options.model))
    table = datasets.find_images(project_path(options.data))
    tuning = _faces(datasets.split_of(table, "train"), options.tuning, predictor)
    reporting = _faces(datasets.split_of(table, "validation"), options.reporting, predictor)

    tried = []
    for candidate in tqdm(CANDIDATES, desc="tuning"):
        areas = [
            deletion_areas(predictor, face, saliency.occlusion_map(predictor, face, **candidate))
            for face in tuning
        ]
        tried.append({**candidate, "area": float(np.mean(areas))})
    best = min(range(len(tried)), key=lambda index: tried[index]["area"])
    chosen = CANDIDATES[best]

    random = np.random.default_rng(0)
    areas = np.array(
        [
            [deletion_areas(predictor, face, one) for one in _maps(predictor, face, chosen, random)]
            for face in tqdm(reporting, desc="reporting", unit="face")
        ]
    )  # (faces, maps, removals)
    save(
        "explanations",
        {
            "tuning_faces": len(tuning),
            "tried": tried,
            "chosen": chosen,
            "reporting_faces": len(reporting),
            "area_under_deletion": _summary(areas, random),
            "cost": _cost(predictor, reporting[:20], chosen),
        },
    )


def deletion_areas(predictor, face: np.ndarray, importance: np.ndarray) -> list[float]:
    """Areas under the top class's probability, 0–1, for each of `saliency.FILLS`.

    Args:
        predictor: has ``probabilities(faces)``.
        face: uint8, (size, size, channels).
        importance: (size, size); the highest pixel is removed first.
    """
    order = np.argsort(-importance, axis=None, kind="stable")
    copies = []
    for fill in saliency.FILLS.values():
        cover = fill(face)
        for share in REMOVED:
            removed = np.zeros(importance.shape, bool)
            removed.flat[order[: round(share * order.size)]] = True
            copies.append(np.where(removed[..., None], cover, face))
    answers = saliency.in_batches(predictor, np.stack(copies))
    curves = answers[:, answers[0].argmax()].reshape(len(saliency.FILLS), len(REMOVED))
    return [float(np.trapezoid(curve, REMOVED)) for curve in curves]


def _maps(predictor, face, chosen, random) -> list[np.ndarray]:
    """Importance of a face's pixels: ours, centre, random patches, random pixels."""
    size = len(face)
    across = np.arange(size) - (size - 1) / 2
    return [
        saliency.occlusion_map(predictor, face, **chosen),
        -np.hypot(across, across[:, None]),
        saliency.occlusion_map(_RandomAnswers(random), face, **chosen),
        random.random((size, size)),
    ]


class _RandomAnswers:
    def __init__(self, random):
        self.random = random

    def probabilities(self, faces):
        return self.random.random((len(faces), 2)).astype(np.float32)


def _summary(areas, random) -> dict:
    """Mean areas, and how far each other map lies above ours, with 95 % bootstrap intervals."""
    draws = random.integers(0, len(areas), (2000, len(areas)))
    summary = {}
    for removal, fill in enumerate(saliency.FILLS):
        ours, *others = areas[:, :, removal].T
        summary[f"removed by {fill}"] = {"ours": float(ours.mean())} | {
            name: {
                "area": float(other.mean()),
                "above_ours": float((other - ours).mean()),
                "interval": np.percentile((other - ours)[draws].mean(axis=1), [2.5, 97.5]).tolist(),
                "share_of_faces_above_ours": float((other > ours).mean()),
            }
            for name, other in zip(("centre", "patches", "pixels"), others, strict=True)
        }
    return summary


def _cost(predictor, faces, chosen) -> dict:
    """Median milliseconds of a map and, in turn with it, of one answer."""
    times = []
    for face in (faces[0], *faces):  # the first one warms up
        start = time.perf_counter()
        saliency.occlusion_map(predictor, face, **chosen)
        mapped = time.perf_counter()
        predictor.probabilities(face[None])
        times.append((mapped - start, time.perf_counter() - mapped))
    one_map, one_answer = 1000 * np.median(times[1:], axis=0)
    answers = chosen["steps"] ** 2 + 1
    return {"map_ms": one_map, "answer_ms": one_answer, "answers_a_map": answers}


def _faces(table, each: int, predictor) -> np.ndarray:
    """uint8 (n, size, size, channels): so many pictures of each class."""
    chosen = datasets.balanced_subset(table, each)
    return Batches(chosen, predictor.preprocessing, batch_size=len(chosen))[0][0]


if __name__ == "__main__":
    main()
