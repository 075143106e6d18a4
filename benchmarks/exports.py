"""A model in every format that it can be exported to: how it answers there, and how quickly.

    python -m benchmarks.exports [--model MODEL] [--faces data/fer2013/validation]

Needs requirements-export.txt. int8 is calibrated with images of the training part beside the
folder of faces, so what judges it has not been seen.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measuring import save
from utils import datasets
from utils.config import DEFAULT_MODEL, project_path
from utils.models.export import FORMATS, answers_of, export_model
from utils.models.metadata import read_preprocessing
from utils.training.batches import Batches

NAMES = {"onnx": "model.onnx", "litert": "model.tflite", "openvino": "model.xml"}
WAYS = [(to, "float32") for to in FORMATS] + [
    ("litert", "float16"),
    ("litert", "int8"),
    ("openvino", "float16"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--faces", default="data/fer2013/validation")
    options = parser.parse_args()
    model, folder = project_path(options.model), project_path(options.faces)
    judged = Batches(datasets.find_images(folder), read_preprocessing(model))
    faces = np.concatenate([judged[index][0] for index in range(len(judged))])
    train = datasets.find_images(folder.parent / "train").sample(500, random_state=0)
    seen = Batches(train, judged.preprocessing, batch_size=500)[0][0]
    forms = {}
    for to, precision in WAYS:
        with tempfile.TemporaryDirectory() as place:
            file = Path(place, NAMES.get(to, "model"))
            made = export_model(model, to, file, seen, precision)
            written = [one for one in Path(place).rglob("*") if one.is_file() and one != made.card]
            right = answers_of(to, file, faces).argmax(axis=1) == judged.labels
            forms[f"{to} {precision}"] = {
                "accuracy": float(right.mean()),
                "largest_difference": made.largest_difference,
                "other_labels": made.other_labels,
                "face_ms": made.face_ms,
                "file_mb": sum(one.stat().st_size for one in written) / 1e6,
            }
    values = {"judged": len(faces), "compared_with_keras": len(seen), "formats": forms}
    save("exports", values, model=options.model)


if __name__ == "__main__":
    main()
