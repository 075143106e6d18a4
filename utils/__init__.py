"""Facial expression recognition: the code that the notebooks share, in seven rooms."""

import os
from importlib.util import find_spec
from pathlib import Path


def _check_environment() -> None:
    """Say what to activate where the project's packages are not there, before a room is opened."""
    if find_spec("numpy") and find_spec("lazy_loader"):
        return
    project = Path(__file__).resolve().parent.parent
    if (project / ".venv").is_dir():
        advice = (
            f"Activate its environment. In a terminal in {project}:\n"
            "  Linux, macOS: source .venv/bin/activate\n"
            "  Windows:      .venv\\Scripts\\activate\n"
            "In a notebook: choose the kernel of .venv."
        )
    else:
        advice = (
            f"Install them first: in {project}, `make setup` makes an environment, or "
            "`python -m pip install -r requirements.txt` fills the one that is active."
        )
    # With a name, `python -m utils` prints the sentence alone, without a traceback.
    raise ImportError(f"This Python has none of the project's packages. {advice}", name=__name__)


def what_to_install(error: ModuleNotFoundError) -> str:
    """One sentence for an environment that holds less than what was asked of it needs."""
    missing = error.name or str(error)
    packages = "-r requirements.txt -c constraints.txt"
    if missing == os.environ.get("KERAS_BACKEND"):
        packages = missing
    return (
        f"This needs {missing}, which is not installed here. In {Path(__file__).parent.parent}: "
        f"python -m pip install {packages}"
    )


_check_environment()
