"""What is wrong with the data set, in figures: the audit of all its pictures.

    python -m benchmarks.faults [--data data/fer2013]

Writes `results/faults.json`.
"""

import argparse

from benchmarks.measuring import save
from utils import datasets
from utils.config import project_path
from utils.datasets import audit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data/fer2013")
    options = parser.parse_args()
    table = datasets.find_images(project_path(options.data))
    found = audit.audit_images(table).summary.set_index("figure")["count"].astype(int)
    save(
        "faults",
        {
            # Called as the card and earlier results call them.
            "audit": found.rename(lambda figure: figure.replace("images", "pictures")).to_dict(),
            "training_pictures": datasets.count_classes(table)["train"].astype(int).to_dict(),
        },
    )


if __name__ == "__main__":
    main()
