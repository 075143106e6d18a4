"""Votes on the command line: imported, learned, and used as a measure."""

import json

import pandas as pd
import pytest

from tests.made_up_votes import ten, write_votes_file
from utils import datasets
from utils.cli import main
from utils.datasets.joined_votes import write_votes
from utils.datasets.votes import archive_rows
from utils.models.model_file import save_model


@pytest.fixture
def voted(faces, tmp_path):
    """Drawn faces that pass for rows of fer2013.csv, and the file of their votes."""
    import shutil

    folder = tmp_path / "voted"
    shutil.copytree(faces, folder)
    manifest = pd.read_csv(folder / "manifest.csv", keep_default_na=False)
    manifest["source"] = [f"fer2013.csv#{row}" for row in range(len(manifest))]
    manifest.to_csv(folder / "manifest.csv", index=False)
    given = {row: ten(**{name: 8}, contempt=2) for row, name in enumerate(manifest["class"])}
    file = write_votes_file(tmp_path / "fer2013new.csv", given)
    write_votes(folder, file)
    return folder, file


def test_train_on_votes_and_corrections(voted, small_six_layers, tmp_path, capsys):
    folder, _ = voted
    corrections = tmp_path / "corrections.csv"
    table = datasets.find_images(folder)
    first = table[table["split"] == "train"].head(1)
    datasets.save_corrections(first.assign(**{"class": "sad"}), corrections)
    arguments = ["train", str(folder), "--epochs", "1", "--network", "six-layer"]
    arguments += ["--runs", str(tmp_path / "runs")]
    assert main([*arguments, "--targets", "half"]) == 1
    assert "Received: 'half'" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    assert main([*arguments, "--targets", "0.5", "--corrections", str(corrections)]) == 0
    said = capsys.readouterr().out
    assert "agreement with the mixture of label and votes" in said
    assert "Agreement with the data set's labels" in said
    assert "Agreement with people's clear majority" in said and "ccuracy" not in said
    (settings,) = (tmp_path / "runs").glob("*/settings.json")
    assert json.loads(settings.read_text())["targets"]["votes"] == 0.5


def test_evaluate_against_people(voted, faces, small_network, preprocessing, tmp_path, capsys):
    folder, file = voted
    model = str(save_model(small_network, preprocessing, tmp_path / "model.keras"))
    reports = [tmp_path / "own.json", tmp_path / "file.json", tmp_path / "none.json"]
    test = str(folder / "test")
    assert main(["evaluate", model, test, "--json", str(reports[0])]) == 0
    assert main(["evaluate", model, test, "--votes", str(file), "--json", str(reports[1])]) == 0
    assert "Agreement with people's clear majority" in capsys.readouterr().out
    assert main(["evaluate", model, str(faces / "test"), "--json", str(reports[2])]) == 0
    own, other, none = (json.loads(report.read_text()) for report in reports)
    assert own == other
    assert own["majority_n"] == own["vote_n"] == own["n"] == 21
    # Eight of ten people say what was drawn, so the majority is the label.
    assert own["majority_accuracy"] == pytest.approx(own["accuracy"])
    assert own["people_agreeing"] == pytest.approx(own["accuracy"])  # of the seven classes' votes
    assert {key for key in own if key not in none} == {
        "majority_n", "majority_accuracy", "majority_per_class", "majority8_n",
        "majority8_accuracy", "vote_n", "vote_log_loss", "vote_kl", "people_agreeing", "vote_ece",
    }  # fmt: skip


def test_evaluate_refuses_votes_of_other_images(faces, small_network, preprocessing, tmp_path,
                                                capsys):  # fmt: skip
    model = str(save_model(small_network, preprocessing, tmp_path / "model.keras"))
    file = write_votes_file(tmp_path / "fer2013new.csv", {})
    before = file.read_bytes()
    assert main(["evaluate", model, str(faces / "test"), "--votes", str(file)]) == 1
    assert "None of the images has votes" in capsys.readouterr().err
    arguments = ["--votes", str(file), "--json", str(file)]
    assert main(["evaluate", model, str(faces / "test"), *arguments]) == 1
    assert "is a source and would be overwritten" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_import_with_votes(tmp_path, capsys):
    from tests.single_images import image

    names = [
        next(key for key in archive_rows().index if key.startswith(f"{label}/Training_"))
        for label in ("angry", "happy")
    ]
    for number, name in enumerate(names):
        image(tmp_path / "archive" / name, number)
    file = write_votes_file(tmp_path / "fer2013new.csv", {})
    arguments = ["import", str(tmp_path / "archive"), str(tmp_path / "fer")]
    assert main([*arguments, "--votes", str(file)]) == 0
    assert "for 2 images (votes.csv), which are all." in capsys.readouterr().out
