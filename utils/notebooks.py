"""Running notebooks without a browser, as functions with parameters."""

import time
from pathlib import Path

import papermill

from utils import config
from utils.files import write_json

TRAINING = config.PROJECT / "notebooks" / "FacialExpressionRecognition.ipynb"
REAL_TIME = config.PROJECT / "notebooks" / "Real_Time_Prediction.ipynb"


def execute(notebook: str | Path, output: str | Path, parameters: dict | None = None) -> Path:
    """Run a notebook from top to bottom and keep the executed copy.

    Args:
        notebook: not changed.
        output: where the executed copy goes, also when a cell fails.
        parameters: replace those of the notebook's cell tagged "parameters".

    Raises:
        ValueError: a parameter that the notebook does not have. (papermill itself
            would accept a misspelled one and change nothing.)
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
        str(notebook), str(output), parameters, kernel_name="python3", progress_bar=True
    )
    return Path(output)
