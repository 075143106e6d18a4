"""The notebooks: executed as `make demo` executes them, within their limits, and as committed."""

import ast

import nbformat
import pandas as pd
import papermill
import pytest
from nbclient import NotebookClient

from tests.executed import pictures_shown, text_of
from utils.cli.notebooks import REAL_TIME, TRAINING, TRANSFER, execute, run_demo
from utils.drawn.clip import clip_timeline
from utils.models.model_file import load_model, read_preprocessing
from utils.training.runs import describe_head
from utils.vision.opencv import cv2

MOST_CELLS = {
    TRAINING: 20 + 3,
    TRANSFER: 24,
    REAL_TIME: 14 + 4,
}  # three look at the labels, four teach it one face
# A trunk that trains in a second, and heads that learn from every image once.
SMALL = """
from functools import partial
from utils.models import backbones, networks
from utils.training import head as room
backbones.NEW["residual"] = partial(networks.convolutional_trunk, widths=(8, 8))
room.LEAST_STEPS = 1"""
ALL = pytest.mark.parametrize("notebook", MOST_CELLS, ids=lambda path: path.stem)


def code_of(notebook):
    cells = nbformat.read(notebook, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """`make demo`, with three images of each drawn face, not ten, and each part timed twice."""
    folder, shorter = tmp_path_factory.mktemp("demo"), tmp_path_factory.mktemp("shorter")
    with pytest.MonkeyPatch.context() as patch:
        for name, notebook, words, others in (
            ("TRAINING", TRAINING, "seed=SEED)", "seed=SEED, images_per_expression=3)"),
            ("REAL_TIME", REAL_TIME, "min(30, 1 + int(1 / first))", "1"),
        ):
            lesson = nbformat.read(notebook, as_version=4)
            cell = next(one for one in lesson.cells if words in one.source)
            cell.source = cell.source.replace(words, others, 1)
            nbformat.write(lesson, shorter / notebook.name)
            patch.setattr(f"utils.cli.notebooks.{name}", shorter / notebook.name)
        return folder, run_demo(folder)


def test_held_out_characters_are_recognised(demo):
    _, numbers = demo
    assert numbers["split"] == "test"
    assert numbers["accuracy"] >= 0.95
    assert min(row["recall"] for row in numbers["per_class"].values()) > 0.8


def test_demo_leaves_what_it_prints(demo):
    folder, numbers = demo
    assert read_preprocessing(folder / "animated.keras").class_names == tuple(numbers["classes"])
    assert f"{numbers['accuracy']:.1%}" in (folder / "summary.txt").read_text()
    clip = cv2.VideoCapture(str(folder / "annotated.mp4"))
    frames = int(clip.get(cv2.CAP_PROP_FRAME_COUNT))
    table = pd.read_csv(folder / "faces.csv")
    assert frames > 100
    assert table["frame"].max() < frames
    for name in (TRAINING.name, REAL_TIME.name):
        assert (folder / name).is_file()


def test_clip_is_labelled_as_drawn(demo):
    folder, _ = demo
    table = pd.read_csv(folder / "faces.csv")
    assert table["track"].nunique() == 1
    timeline = clip_timeline()
    middle = (timeline["start"] + timeline["end"]) / 2
    shown = pd.merge_asof(middle.rename("seconds").to_frame(), table, on="seconds")
    assert (shown["label"] == timeline["label"]).sum() >= 6  # of seven
    live = folder / REAL_TIME.name
    assert "of 7 expressions named as drawn" in text_of(live, "expressions named as drawn")
    assert pictures_shown(live, "plots.risk_coverage") == 1


@ALL
def test_misspelled_parameter_is_refused(notebook, tmp_path):
    with pytest.raises(ValueError, match=r"no parameter EPOCH\. It has: "):
        execute(notebook, tmp_path / "out.ipynb", {"EPOCH": 3})
    assert not (tmp_path / "out.ipynb").exists()


@ALL
def test_a_notebook_keeps_its_limits(notebook):
    code = code_of(notebook)
    assert len(code) <= MOST_CELLS[notebook]
    assert max(len(cell.source.splitlines()) for cell in code) <= 20
    imports = [
        line for cell in code for line in cell.source.splitlines() if line.startswith("from utils")
    ]
    assert len(imports) == 1, imports
    assert len(papermill.inspect_notebook(str(notebook))) <= 12


@ALL
def test_settings_are_literals_in_one_cell_and_all_are_used(notebook):
    code = code_of(notebook)
    (settings,) = (cell for cell in code if "parameters" in cell.metadata.get("tags", []))
    names = set()
    for line in ast.parse(settings.source).body:
        assert isinstance(line, ast.Assign)
        ast.literal_eval(line.value)
        names.add(line.targets[0].id)
    others = "\n".join(cell.source for cell in code if cell is not settings)
    used = {node.id for node in ast.walk(ast.parse(others)) if isinstance(node, ast.Name)}
    assert names <= used | {"DATA"}, names - used  # whose folders `check_parameters` gives


@ALL
def test_every_cell_is_led_in_by_words(notebook):
    """One figure may follow another; never three cells in a row without a word."""
    kinds = [cell.cell_type for cell in nbformat.read(notebook, as_version=4).cells]
    assert kinds[0] == "markdown"
    assert all("markdown" in kinds[i : i + 3] for i in range(len(kinds) - 2))
    words = "".join(
        cell.source
        for cell in nbformat.read(notebook, as_version=4).cells
        if cell.cell_type == "markdown"
    )
    assert words.count("**Try**") >= 4 and words.count("](https://") >= 4


@ALL
def test_notebook_is_committed_as_executed(notebook):
    code = code_of(notebook)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert notebook.stat().st_size < 3_000_000
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 3
    texts = [output.get("data", {}).get("text/plain", "") for output in outputs]
    bars = [text for text in texts if "%|" in text]
    assert all("100%|" in text for text in bars), bars  # finished, where no widget is rendered


def test_training_notebook_is_committed_as_executed_on_fer2013():
    # All of its images, the training part and PublicTest.
    assert "32298" in TRAINING.read_text(encoding="utf-8")


def test_the_head_just_edited_is_shown_compared_and_saved(faces, tmp_path):
    """*Run All*, an edit of either head, *Run Selected Cell and All Below*; from no weights."""
    settings = {
        "DATA": str(faces),
        "METHOD": "whole",
        "EPOCHS": 1,
        "BATCH_SIZE": 64,
        "MODEL": str(tmp_path / "mine.keras"),
        "RUNS": str(tmp_path / "runs"),
    }
    notebook = nbformat.read(TRAINING, as_version=4)
    cells = notebook.cells
    (place,) = (at for at, one in enumerate(cells) if "parameters" in one.metadata.get("tags", []))
    cells[place].source += "".join(f"\n{name} = {value!r}" for name, value in settings.items())
    cells[place].source += SMALL
    heads = [at for at, one in enumerate(cells) if "head = keras.Sequential(" in one.source]
    client = NotebookClient(notebook, timeout=None, kernel_name="python3")
    with client.setup_kernel():

        def run_from(first: int) -> str:
            """The head that is saved, after the cells from the first on have run."""
            for at, cell in enumerate(cells):
                if at >= first and cell.cell_type == "code":
                    client.execute_cell(cell, at)
            return describe_head(load_model(tmp_path / "mine.keras")[0].get_layer("head"))

        assert "dense 512 relu" in run_from(0)
        for head, old, new in zip(heads, ("Dense(128,", "Dense(512,"), (96, 80), strict=True):
            cells[head].source = cells[head].source.replace(old, f"Dense({new},")
            saved = run_from(head)
            assert f"dense {new}" in saved
            (compared,) = (one for one in cells if "list_runs(" in one.source)
            pictures = [one for one in compared.outputs if "image/png" in one.get("data", {})]
            assert len(pictures) == 3
            assert saved in compared.outputs[-1].data["text/html"].replace("\n", "")
