"""The commands, as a person calls them."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.single_images import image
from utils import datasets
from utils.cli import main
from utils.config import CLASS_NAMES, PROJECT
from utils.models.model_file import read_preprocessing, save_model
from utils.vision.preprocessing import Preprocessing


def test_help_explains_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for command in ("import", "audit", "draw", "train", "evaluate", "predict", "demo", "doctor"):
        assert f"  {command} " in text


def _options():
    from app.__main__ import _parser as pages
    from utils.cli.parser import _parser as commands

    (choices,) = (action.choices for action in commands()._actions if action.choices)
    for name, parser in {**choices, "app": pages()}.items():
        for action in parser._actions:
            yield pytest.param(parser, action, id=f"{name} {'/'.join(action.option_strings)}")


@pytest.mark.parametrize("parser, action", list(_options()))
def test_every_option_has_a_line_and_a_default(parser, action):
    assert action.help
    if action.option_strings and "-h" not in action.option_strings:
        said = parser._get_formatter()._get_help_string(action)
        assert "%(default)s" in said or "default: " in said


def test_evaluate_writes_every_number(faces, small_network, preprocessing, tmp_path, capsys):
    model = save_model(small_network, preprocessing, tmp_path / "model.keras")
    report = tmp_path / "deep" / "report.json"
    assert main(["evaluate", str(model), str(faces / "test"), "--json", str(report)]) == 0
    written = json.loads(report.read_text())
    assert written.pop("model_digest") == hashlib.sha256(model.read_bytes()).hexdigest()[:16]
    assert set(written) == {
        "classes", "n", "accuracy", "macro_f1", "macro_f1_present", "absent", "log_loss", "ece",
        "per_class", "confusion",
    }  # fmt: skip
    assert written["n"] == sum(map(sum, written["confusion"])) == len(list(faces.glob("test/*/*")))
    right = sum(written["confusion"][i][i] for i in range(7))
    assert written["accuracy"] == pytest.approx(right / written["n"])
    assert set(written["per_class"]["happy"]) == {"precision", "recall", "f1", "support"}
    assert "surprise" in capsys.readouterr().out


def test_evaluate_says_which_classes_are_absent(
    faces, small_network, preprocessing, tmp_path, capsys
):
    model = save_model(small_network, preprocessing, tmp_path / "model.keras", False)
    for name in ("happy", "sad"):
        shutil.copytree(faces / "test" / name, tmp_path / "two" / name)
    assert main(["evaluate", str(model), str(tmp_path / "two")]) == 0
    said = capsys.readouterr().out
    assert "two: angry, disgust, fear, neutral, surprise. Macro-F1 over the classes" in said


def test_class_folders_of_cartoons_are_imported_as_such(faces, tmp_path):
    destination = tmp_path / "cartoons"
    assert main(["import", str(faces / "train"), str(destination), "--domain", "animated"]) == 0
    assert set(datasets.find_images(destination)["domain"]) == {"animated"}


def test_evaluate_asks_for_one_split(faces, small_network, preprocessing, tmp_path, capsys):
    model = save_model(small_network, preprocessing, tmp_path / "model.keras", False)
    assert main(["evaluate", str(model), str(faces)]) == 1
    assert "Name one of them" in capsys.readouterr().err


def test_evaluate_writes_over_nothing_that_it_reads(
    faces, small_network, preprocessing, tmp_path, capsys
):
    model = save_model(small_network, preprocessing, tmp_path / "model.keras", False)
    before = model.read_bytes()
    for report, expected in (
        (model, "is a source and would be overwritten"),
        (next(faces.glob("test/*/*")), "is a source and would be overwritten"),
        (tmp_path, "cannot be written: it is a folder"),
    ):
        assert main(["evaluate", str(model), str(faces / "test"), "--json", str(report)]) == 1
        assert expected in capsys.readouterr().err
    assert model.read_bytes() == before
    assert list(tmp_path.iterdir()) == [model]


def test_errors_are_one_sentence_not_a_traceback(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path / "none.keras"), str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert message.startswith("FileNotFoundError: No model at")
    assert "Traceback" not in message


def test_a_training_goes_on_from_a_model(faces, small_six_layers, tmp_path, capsys):
    first, second = tmp_path / "first.keras", tmp_path / "second.keras"
    preprocessing = Preprocessing(CLASS_NAMES, margin=0.125)  # as drawn faces are cut
    save_model(small_six_layers(preprocessing), preprocessing, first, litert_model=False)
    common = ["train", str(faces), "--epochs", "1", "--network", "six-layer"]
    common += ["--runs", str(tmp_path / "runs")]
    further = [*common, "--start", str(first), "--patience", "3", "--zoom", "0.2"]
    assert main([*further, "--save", str(first)]) == 1
    assert "is a source and would be overwritten" in capsys.readouterr().err
    assert main([*common, "--zoom", "1"]) == 1
    assert "--zoom is a share from 0 to below 1. Received: 1.0" in capsys.readouterr().err
    assert main([*further, "--save", str(tmp_path / "second")]) == 1
    assert "--save names a file that ends in .keras" in capsys.readouterr().err
    assert main([*further, "--save", str(second)]) == 0
    (run,) = (tmp_path / "runs").iterdir()
    settings = json.loads((run / "settings.json").read_text())
    result = json.loads((run / "result.json").read_text())
    assert settings["start"] and settings["patience"] == 3
    assert settings["augmentation"]["zoom"] == 0.2
    assert read_preprocessing(second) == preprocessing
    assert result["measured_on"] == "test"


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ("--epochs 0", "Expected epochs of at least 1. Received: 0"),
        ("--batch-size 0", "Expected a batch of at least one image. Received: 0"),
        ("--learning-rate nan", "Expected learning_rate above 0. Received: nan"),
        ("--weight-decay -1", "Expected weight_decay of at least 0. Received: -1.0"),
        ("--patience 0", "Expected patience of at least 1. Received: 0"),
        ("--per-class 0", "Expected at least one image of each class. Received: 0"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_it_begins(
    faces, tmp_path, capsys, arguments, expected
):
    runs = tmp_path / "runs"
    assert main(["train", str(faces), "--runs", str(runs), *arguments.split()]) == 1
    assert expected in capsys.readouterr().err
    assert not runs.exists()


def test_train_on_three_classes_then_evaluate_on_seven(faces, small_six_layers, tmp_path, capsys):
    runs = tmp_path / "runs"
    arguments = ["train", str(faces), "--classes", "Joy,sad,surprised", "--epochs", "1"]
    arguments += ["--network", "six-layer"]
    assert main([*arguments, "--runs", str(runs)]) == 0
    model = capsys.readouterr().out.split()[-1]
    assert runs in Path(model).parents
    report = tmp_path / "report.json"
    assert main(["evaluate", model, str(faces / "test"), "--json", str(report)]) == 0
    assert "Left out 12 images" in capsys.readouterr().out  # 3 characters × 4 classes
    written = json.loads(report.read_text())
    assert written["classes"] == ["happy", "sad", "surprise"]
    assert written["n"] == 9


def test_import_then_audit(faces, tmp_path, capsys):
    sorted_copy = tmp_path / "sorted"
    assert main(["import", str(faces), str(sorted_copy)]) == 0
    assert "Images in" in capsys.readouterr().out
    assert main(["audit", str(sorted_copy), "--save", str(tmp_path / "audit")]) == 0
    assert "blank images" in capsys.readouterr().out
    assert (tmp_path / "audit" / "summary.csv").is_file()


def test_a_console_of_few_letters_shows_every_name(tmp_path):
    for name in ("喜び", "怒り"):
        image(tmp_path / "ok" / name / "1.png")
    result = subprocess.run(
        [sys.executable, "-m", "utils", "audit", str(tmp_path / "ok")],
        cwd=PROJECT,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
    )
    assert result.returncode == 0, result.stderr
    assert rb"\u559c\u3073" in result.stdout
