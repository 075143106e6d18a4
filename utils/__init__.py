"""Facial expression recognition: the code that both notebooks share, in seven rooms."""

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


_check_environment()
