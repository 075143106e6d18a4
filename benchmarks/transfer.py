"""People and animated characters by trunk, size and way of splitting, on real data sets.

    python -m benchmarks.transfer [--ck data/ck48] [--jaffe data/jaffe] [--weights FILE]

CK+48 and JAFFE as imported with `--faces` (350 × 350; CK+48's are 48-pixel images enlarged), and
drawn characters. On the features of each frozen trunk one dense layer is solved for each of ten
folds, by person and at random; the penalty and the temperature are chosen inside the folds. The
trunk, its last map and the mirrored views were picked after looking at folds of the same people,
so the figures flatter the recipe a little. Intervals resample people. MobileNetV2 takes ImageNet's
weights (`--weights imagenet`, or a file; its channel means are used); VGG16 is measured for its
cost by `benchmarks.transfer_memory`. Each row runs in a process of its own, of which time and peak
memory are told. Writes `results/transfer.json`.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import in_a_process, peak_megabytes, save
from utils.config import project_path

ROWS = (
    ("own", 48, "people"),
    ("own", 48, "together"),
    ("mobilenetv2", 96, "people"),
    ("mobilenetv2", 350, "people"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ck", default="data/ck48")
    parser.add_argument("--jaffe", default="data/jaffe")
    parser.add_argument("--weights", default="imagenet", help="of MobileNetV2")
    parser.add_argument("--characters", type=int, default=20, help="drawn; ten images a class")
    parser.add_argument("--row", help="one row: trunk, size, images")
    options = parser.parse_args()
    if options.row:
        trunk, size, images = options.row.split(",")
        print(json.dumps(row(options, trunk, int(size), images == "together")))
        return
    given = ("--ck", options.ck, "--jaffe", options.jaffe, "--weights", options.weights)
    rows = {
        f"{trunk}, {size}, {images}": in_a_process(
            "benchmarks.transfer", *given, "--characters", str(options.characters),
            "--row", f"{trunk},{size},{images}",
        )
        for trunk, size, images in ROWS
    }  # fmt: skip
    keep(rows)


def keep(rows: dict[str, dict]) -> None:
    """Write the rows, and above them what the README tells."""
    best = rows["own, 48, together"]
    save(
        "transfer",
        {
            "people_by_person": best["people by person"],
            "people_at_random": best["people at random"],
            "jaffe_by_person": best["jaffe by person"],
            "animated_by_character": best["animated by person"],
            "ece": best["ece by person"],
            "without_drawn_characters": rows["own, 48, people"]["people by person"],
            "rows": rows,
        },
        model="models/expressions.keras",
    )


def row(options, name: str, size: int, together: bool) -> dict:
    """One trunk at one size: what people and characters reach both ways, minutes and memory."""
    import numpy as np

    from utils import datasets, drawn, models, training, vision

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        folders = [project_path(options.ck), project_path(options.jaffe)]
        if together:
            folders.append(Path(folder, "animated"))
            drawn.draw_dataset(
                folders[-1], size=size, characters={"train": options.characters},
                images_per_expression=10, progress=False,
            )  # fmt: skip
        table = datasets.combine(folders)
        preprocessing = vision.Preprocessing(datasets.class_order(table), size=size)
        images = training.Batches(table, preprocessing, 32)
        weights = None if name == "own" else options.weights
        trunk = models.make_trunk(name, preprocessing, weights)
        how = {"pool": name != "own", "mirror": size < 200, "cache": folder}
        fit = training.linear_head(trunk, images, **how)
        features = time.perf_counter() - start
        answers = training.cross_validate(images, fit)
        subjects, found = table["subject"].to_numpy(), {"images": len(table)}
        groups = datasets.rows_by_domain(table)
        groups["jaffe"] = np.flatnonzero(table["dataset"] == "JAFFE")
        for way, probabilities in answers.items():
            right = probabilities.argmax(axis=1) == images.labels
            words = {"grouped": "by person", "random": "at random"}[way]
            for group, chosen in groups.items():
                interval = training.interval_by_subject(right[chosen], subjects[chosen])
                found[f"{group} {words}"] = _value(right[chosen].mean(), *interval)
            people = groups["people"]
            found[f"ece {words}"] = _ece(
                probabilities[people], images.labels[people], subjects[people]
            )
    return found | {
        "minutes": (time.perf_counter() - start) / 60,
        "minutes_until_features": features / 60,
        "peak_mb": peak_megabytes(),
    }


def _ece(probabilities, labels, subjects) -> dict:
    """The gap between confidence and accuracy, and its interval by resampling people."""
    import numpy as np

    from utils.training.evaluation import expected_calibration_error

    rows = [np.flatnonzero(subjects == one) for one in sorted(set(subjects))]
    random, again = np.random.default_rng(0), []
    for _ in range(500):
        chosen = np.concatenate([rows[one] for one in random.integers(len(rows), size=len(rows))])
        again.append(expected_calibration_error(labels[chosen], probabilities[chosen]))
    value = expected_calibration_error(labels, probabilities)
    return _value(value, *np.percentile(again, [2.5, 97.5]))


def _value(value: float, low: float, high: float) -> dict:
    return {"value": float(value), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
