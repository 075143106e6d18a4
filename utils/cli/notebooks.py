"""Running notebooks without a browser, as functions with parameters."""

import json
import time
from pathlib import Path

import papermill

from utils import config
from utils.files import write_text

TRAINING = config.PROJECT / "notebooks" / "FacialExpressionRecognition.ipynb"
TRANSFER = config.PROJECT / "notebooks" / "Transfer_Learning.ipynb"
REAL_TIME = config.PROJECT / "notebooks" / "Real_Time_Prediction.ipynb"
DEMO_EPOCHS = 8
DEMO_BATCH_SIZE = 32  # few images: smaller batches, for more steps


def execute(notebook: str | Path, output: str | Path, parameters: dict | None = None) -> Path:
    """Run a notebook from top to bottom and keep the executed copy, also when a cell fails.

    Args:
        notebook: not changed.
        output: where the executed copy goes.
        parameters: replace those of the notebook's cell tagged "parameters".

    Raises:
        ValueError: a parameter that the notebook does not have, which papermill would accept.
        papermill.PapermillExecutionError: a cell failed.
    """
    parameters = parameters or {}
    known = papermill.inspect_notebook(str(notebook))
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise ValueError(
            f"{Path(notebook).name} has no parameter {', '.join(unknown)}. "
            f"It has: {', '.join(known)}."
        )
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    papermill.execute_notebook(
        str(notebook),
        str(output),
        parameters,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],  # of the kernel, which warns of how it is reached
    )
    return Path(output)


def run_demo(folder: str | Path) -> dict:
    """Train a head for drawn faces, read the matrices, and label a clip, in their notebooks.

    Args:
        folder: gets the executed notebooks, the model, the annotated clip, its table and
            `summary.txt`.

    Returns:
        The numbers of the training notebook.
    """
    folder = Path(folder).resolve()
    start = time.perf_counter()
    trained = execute(
        TRAINING,
        folder / TRAINING.name,
        {
            "SOURCE": "drawn",
            "DATA": str(folder / "animated"),
            "METHOD": "bottleneck",
            "EPOCHS": DEMO_EPOCHS,
            "BATCH_SIZE": DEMO_BATCH_SIZE,
            "MODEL": str(folder / "animated.keras"),
            "RUNS": str(folder / "runs"),
        },
    )
    labelled = execute(
        REAL_TIME,
        folder / REAL_TIME.name,
        {
            "MODEL": str(folder / "animated.keras"),
            "VALIDATION": str(folder / "animated" / "validation"),
            "OUTPUT": str(folder),
            "CAMERA": None,
        },
    )
    numbers = json.loads((folder / "animated.json").read_text(encoding="utf-8"))
    accuracy = numbers["intervals"]["accuracy"]
    summary = f"""\
Accuracy on drawn characters that the network never saw: {accuracy["value"]:.1%}
(95 % interval {accuracy["low"]:.1%} to {accuracy["high"]:.1%}, {numbers["n"]} images), \
in {time.perf_counter() - start:.0f} seconds for everything.

training notebook, executed   {trained}
real-time notebook, executed  {labelled}
model                         {folder / "animated.keras"}
annotated clip                {folder / "annotated.mp4"}
its table                     {folder / "faces.csv"}
all numbers                   {folder / "animated.json"}
"""
    write_text(folder / "summary.txt", summary)
    print(summary)
    return numbers
