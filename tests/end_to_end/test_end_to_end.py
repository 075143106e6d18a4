"""The other data sets, as downloaded, to a live reading: import, split, train, edit, read."""

import json
from collections import Counter
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest

from tests import drawn_layouts
from tests.executed import pictures_shown, text_of
from utils import datasets
from utils.cli import main
from utils.cli.notebooks import TRANSFER, execute
from utils.config import CLASS_NAMES, MODELS
from utils.datasets import splits
from utils.drawn.clip import draw_clip
from utils.models.backend import keras
from utils.models.model_file import load_model, read_preprocessing
from utils.vision.images import read_image

NAMES = {"ck+": "CK+", "jaffe": "JAFFE", "impa": "IMPA-FACE3D", "ferg": "FERG-DB"}


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """The folders of the four data sets, cropped to the face at 350 × 350, by their names."""
    downloads = tmp_path_factory.mktemp("downloads")
    drawn_layouts.write_zip(
        downloads / "ck+" / "cohn-kanade-images.zip", drawn_layouts.ck_plus_images()
    )
    drawn_layouts.write_zip(
        downloads / "ck+" / "Emotion_labels.zip", drawn_layouts.ck_plus_labels()
    )
    sources = {
        "ck+": downloads / "ck+",
        "jaffe": drawn_layouts.write_zip(downloads / "jaffe.zip", drawn_layouts.jaffe()),
        "impa": drawn_layouts.write_folder(downloads / "faces", drawn_layouts.impa()),
        "ferg": drawn_layouts.write_zip(downloads / "FERG_DB_256.zip", drawn_layouts.ferg()),
    }
    data = tmp_path_factory.mktemp("data")
    for name, source in sources.items():
        command = ["import", str(source), str(data / name), "--faces", "--peak-frames", "1"]
        assert main(command) == 0
    return {name: data / name for name in sources}


@pytest.fixture(scope="module")
def bottleneck(imported, tmp_path_factory):
    """The transfer notebook on VGG16, small: at 350 × 350 its head takes minutes."""
    return run_training(
        tmp_path_factory.mktemp("bottleneck"),
        DATA=[str(imported["jaffe"]), str(imported["ferg"])],
        CLASSES=["happy", "surprise"],
        TRUNK="vgg16",
        WEIGHTS=None,
        UNFREEZE_FROM="block5_conv3",
        IMAGE_SIZE=64,
        BATCH_SIZE=8,
        EPOCHS=2,
    )


@pytest.fixture(scope="module")
def fine_tuned(imported, tmp_path_factory):
    """The transfer notebook on all four data sets, going on from a released model."""
    trunk = load_model(MODELS / "expressions.keras")[0].get_layer("trunk")
    convolutions = [one.name for one in trunk.layers if isinstance(one, keras.layers.Conv2D)]
    return run_training(
        tmp_path_factory.mktemp("fine_tuned"),
        DATA=[str(folder) for folder in imported.values()],
        UNFREEZE_FROM=convolutions[-1],
        BATCH_SIZE=16,
        EPOCHS=20,
    )


def run_training(folder, **parameters):
    """The transfer notebook's executed cells, numbers, model file and runs."""
    model, runs = folder / "model.keras", folder / "runs"
    parameters |= {"DRAWN": "", "MODEL": str(model), "RUNS": str(runs)}
    lesson = nbformat.read(TRANSFER, as_version=4)
    (imports, *_), (folds,) = (
        [one for one in lesson.cells if one.cell_type == "code" and words in one.source]
        for words in ("from utils import", "count=5, seed=SEED")
    )
    # Few folds, heads that learn from them once, and no more steps than the epochs named, do to
    # see that all of it runs.
    folds.source = "fitting = training.Settings(epochs=1)\n" + folds.source.replace("=5", "=2")
    imports.source += "\nfrom utils.training import head as room\nroom.LEAST_STEPS = 1"
    nbformat.write(lesson, folder / TRANSFER.name)
    file = execute(folder / TRANSFER.name, folder / "transfer.ipynb", parameters)
    numbers = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
    return SimpleNamespace(file=file, model=model, runs=runs, numbers=numbers)


def logs_of(run) -> dict[str, pd.DataFrame]:
    return {path.parent.name: pd.read_csv(path) for path in run.runs.glob("*/log.csv")}


def test_everything_is_imported_and_every_face_found(imported):
    tables = {name: datasets.find_images(folder) for name, folder in imported.items()}
    subjects = {name: set(table["subject"]) for name, table in tables.items()}
    assert subjects == {
        "ck+": set(drawn_layouts.CK_PEOPLE),
        "jaffe": set(drawn_layouts.JAFFE_PEOPLE),
        "impa": set(drawn_layouts.IMPA_PEOPLE),
        "ferg": set(drawn_layouts.FERG_CHARACTERS),
    }
    for name in ("jaffe", "impa", "ferg"):
        assert Counter(tables[name]["class"]) == dict.fromkeys(CLASS_NAMES, len(subjects[name]))
    # Each of six people has three sequences: two frames are taken, and one more of contempt.
    assert Counter(tables["ck+"]["class"])["neutral"] == 3 * 6 + 1
    assert len(tables["ck+"]) == 2 * 3 * 6 + 1
    for name, folder in imported.items():
        channels = (3,) if name == "ferg" else ()
        shapes = {read_image(file).shape for file in tables[name]["file"]}
        assert shapes == {(350, 350, *channels)}
        assert set(tables[name]["domain"]) == {"animated" if name == "ferg" else "people"}
        assert not (folder / "without_face.csv").exists()


def test_nobody_stands_in_two_parts_of_the_four_together(imported):
    table = datasets.combine(imported.values())
    assert set(table["dataset"]) == set(NAMES.values())
    parted = splits.grouped_split(table, seed=0)
    assert (parted.groupby("subject")["split"].nunique() == 1).all()
    assert (parted.groupby("dataset")["split"].nunique() == 3).all()
    assert (datasets.count_classes(parted).loc[list(CLASS_NAMES)] > 0).all(axis=None)
    with pytest.raises(ValueError, match="stand in more than one part"):
        splits.check_subjects_apart(splits.random_split(table, seed=0))


def test_bottleneck_judges_people_and_characters_apart(bottleneck):
    numbers = bottleneck.numbers
    assert numbers["classes"] == ["happy", "surprise"]
    assert numbers["n"] == 4  # one of four people and one of six characters
    apart = numbers["accuracy_apart"]
    assert set(apart) == {"animated", "people"}
    assert sum(apart.values()) / 2 == pytest.approx(numbers["accuracy"])  # two pictures each
    # Three matrices of either.
    assert pictures_shown(bottleneck.file, "rows_by_domain(finished.table)") == 6
    for log in logs_of(bottleneck).values():
        mean = log[["val_accuracy_animated", "val_accuracy_people"]].mean(axis=1)
        assert log["val_accuracy"].tolist() == pytest.approx(mean.tolist())


def test_both_ways_of_splitting_are_named(bottleneck):
    ways = pd.DataFrame(bottleneck.numbers["accuracy_by_split"])
    assert Counter(ways["domain"]) == {"animated": 2, "people": 2}
    assert set(ways["way"]) == {"by person", "at random"}
    assert pictures_shown(bottleneck.file, "plots.ways_compared") == 1


def test_bottleneck_saves_a_whole_model(bottleneck):
    model, described = load_model(bottleneck.model)
    assert described.input_shape == (64, 64, 1)
    assert described.class_names == ("happy", "surprise")
    assert "block5_conv3" in [layer.name for layer in model.get_layer("trunk").layers]


def test_fine_tuning_learns_and_judges_apart(fine_tuned):
    numbers = fine_tuned.numbers
    assert numbers["accuracy"] > 2 / 7  # twice chance, on people and characters never seen
    assert set(numbers["accuracy_apart"]) == {"animated", "people"}
    assert len(numbers["accuracy_by_split"]) == 4
    assert pictures_shown(fine_tuned.file, "rows_by_domain(finished.table)") == 6
    assert pictures_shown(fine_tuned.file, "train_head(head") == 1  # its curves
    assert "by fine-tuning" in text_of(fine_tuned.file, "unfreeze_from(trunk")
    trunks = [
        load_model(file)[0].get_layer("trunk").get_weights()
        for file in (MODELS / "expressions.keras", fine_tuned.model)
    ]
    changed = [not (old == new).all() for old, new in zip(*trunks, strict=True)]
    assert any(changed)
    assert not all(changed)


def test_a_clip_is_read_with_the_model_that_came_out(fine_tuned, tmp_path):
    timeline, file = draw_clip(tmp_path / "clip.mp4"), tmp_path / "faces.csv"
    command = ["predict", str(tmp_path / "clip.mp4"), "--csv", str(file)]
    assert main([*command, "--model", str(fine_tuned.model)]) == 0
    table = pd.read_csv(file)
    assert table["track"].nunique() == 1
    assert table["frame"].nunique() > 100
    classes = list(read_preprocessing(fine_tuned.model).class_names)
    assert table[classes].sum(axis=1).to_numpy() == pytest.approx(1, abs=0.01)
    # So little training leaves it unsure; what it takes for likeliest is right all the same.
    middle = ((timeline["start"] + timeline["end"]) / 2).rename("seconds").to_frame()
    shown = pd.merge_asof(middle, table, on="seconds")[classes].idxmax(axis=1)
    assert (shown == timeline["label"]).sum() >= 4
