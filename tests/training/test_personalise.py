import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from utils.config import CLASS_NAMES
from utils.datasets.takes import find_takes
from utils.files import digest
from utils.models.metadata import add_metadata, read_metadata
from utils.models.model_file import load_model, save_model
from utils.models.networks import mirrored
from utils.models.predictor import load
from utils.training.personal_head import Seen, few_shot, neutral_baseline, see
from utils.training.personalise import leave_takes_out, personal_model, personalise
from utils.vision.images import read_image
from utils.vision.preprocessing import prepare

COLUMNS = ["file", "class", "subject", "domain", "source", "sha256"]


def record(folder, table, takes, subject="Ada", rename=None):
    """Copy drawn faces into takes, one character a take."""
    rows = []
    for take, character in takes.items():
        for file, name in table.loc[table["subject"] == character, ["file", "class"]].to_numpy():
            name = (rename or {}).get(name, name)
            place = folder / take / name
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place / "1.png")
            rows.append([f"{take}/{name}/1.png", name, subject, "people", "drawn", ""])
    old = pd.read_csv(folder / "manifest.csv") if (folder / "manifest.csv").is_file() else None
    pd.concat([old, pd.DataFrame(rows, columns=COLUMNS)]).to_csv(
        folder / "manifest.csv", index=False
    )
    return folder


@pytest.fixture
def characters(table):
    return sorted(set(table["subject"]))


@pytest.fixture
def faces_of(table, preprocessing):
    def read(character):
        rows = table[table["subject"] == character]
        images = np.stack([prepare(read_image(file), preprocessing) for file in rows["file"]])
        return images, np.array([CLASS_NAMES.index(name) for name in rows["class"]])

    return read


@pytest.mark.parametrize("mirror", [False, True])
def test_built_in_change_answers_as_it_did_in_numbers(small_network, faces_of, characters, mirror):
    network = mirrored(small_network) if mirror else small_network
    images, labels = faces_of(characters[0])
    others = faces_of(characters[1])[0]
    change = few_shot(see(network, images), labels, len(CLASS_NAMES))
    built = personal_model(network, change).predict(others, verbose=0)
    assert np.allclose(built, change.answers(see(network, others)), atol=1e-4)


def test_few_shot_head_learns_what_it_is_shown(small_network, faces_of, characters):
    images, labels = faces_of(characters[0])
    seen = see(small_network, images)
    before = seen.mean(seen.answers).argmax(axis=1)
    after = few_shot(seen, labels, len(CLASS_NAMES)).answers(seen).argmax(axis=1)
    assert (before == labels).mean() < (after == labels).mean()
    assert (after == labels).all()


def test_faces_unlike_the_person_keep_their_answers():
    maps = np.eye(4, dtype=np.float32)[None]  # four faces, each unlike the others
    answers = np.full((1, 4, 2), 0.5, np.float32)
    answers[0, 3] = 0.9, 0.1
    seen = Seen(maps, answers, mirror=False)
    change = few_shot(seen.rows([0, 1]), np.array([0, 1]), 2)
    told = change.answers(seen)
    assert told[0, 0] > 0.8 and told[1, 1] > 0.8
    assert np.allclose(told[3], [0.9, 0.1], atol=0.02)


def test_neutral_baseline_turns_a_sad_rest_into_neutral():
    names = ("happy", "neutral", "sad")
    rest = Seen(np.ones((1, 1, 1), np.float32), np.array([[[0.05, 0.4, 0.55]]]), mirror=False)
    change = neutral_baseline(rest, names)
    assert change.answers(rest)[0].argmax() == names.index("neutral")
    # Of the odds between two classes, the square root of the wanted correction is taken.
    odds = change.answers(rest)[0, 1] / change.answers(rest)[0, 2]
    assert np.isclose(odds, (0.4 / 0.55) * np.sqrt((0.5 / 0.4) / (0.25 / 0.55)))


def test_a_take_is_judged_by_the_other_takes_alone():
    maps = np.stack([np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]])
    seen = Seen(maps, np.full((1, 4, 2), 0.5, np.float32), mirror=False)
    labels = np.array([0, 1, 1, 0])  # the second take contradicts the first
    _, after, judged = leave_takes_out(seen, labels, list("aabb"), ("x", "y"), "few-shot")
    assert judged.all()
    assert list(after.argmax(axis=1)) == [1, 0, 0, 1]


def test_personalised_model_is_an_ordinary_one(
    tmp_path, small_network, preprocessing, table, characters
):
    old = save_model(mirrored(small_network), preprocessing, tmp_path / "old.keras")
    features = small_network.get_layer("trunk").output_shape[-1]
    opinion = {"weights": [0.5] * (2 * features), "bias": 0.25}
    add_metadata(old, {"opinion": opinion})
    was = digest(old)
    takes = {"one": characters[0], "two": characters[1]}
    (tmp_path / "mine").mkdir()
    folder = record(tmp_path / "mine", table, takes, rename={"fear": "tired"})
    result = personalise(folder, tmp_path / "new.keras", old)

    assert digest(old) == was
    assert (result.way, result.judged) == ("few-shot", 14)
    said = str(replace(result, keep=False))
    assert "from the other takes alone: of 14 images" in said
    assert said.endswith(f"saved all the same, for you to try or delete: {result.file}")
    assert result.before["classes"] == [*CLASS_NAMES, "tired"]
    metadata = read_metadata(result.file)
    assert metadata["personal"]["subject"] == "Ada"
    assert metadata["personal"]["made_from"] == {"file": "old.keras", "digest": was}
    assert metadata["opinion"] == opinion
    fast = load(result.file)
    assert fast.opinion is not None and fast.class_names == (*CLASS_NAMES, "tired")
    learned = np.stack(
        [prepare(read_image(file), preprocessing) for file in result.learned["file"]]
    )
    answers = fast.probabilities(learned)
    names = np.array(fast.class_names)[answers.argmax(axis=1)]
    assert (names == result.learned["class"]).mean() > 0.9
    assert np.allclose(answers, load_model(result.file)[0].predict(learned, verbose=0), atol=0.02)


def test_rest_alone_gives_a_neutral_baseline(
    tmp_path, small_network, preprocessing, table, characters
):
    old = save_model(small_network, preprocessing, tmp_path / "old.keras", litert_model=False)
    (tmp_path / "mine").mkdir()
    rest = table[table["class"] == "neutral"]
    folder = record(tmp_path / "mine", rest, {"one": characters[0]})
    result = personalise(folder, tmp_path / "new.keras", old)
    assert (result.way, result.keep, result.judged) == ("neutral", None, 0)
    assert str(result).startswith("neutral: learned from 1 image of 1 take\n")
    assert "second take" in str(result) and str(result).endswith(f"Saved: {result.file}")
    assert load_model(result.file)[1].class_names == CLASS_NAMES


def test_takes_of_several_people_want_a_name(tmp_path, table, characters):
    folder = tmp_path / "mine"
    folder.mkdir()
    record(folder, table, {"one": characters[0]}, "Ada")
    record(folder, table, {"two": characters[1]}, "Bob")
    with pytest.raises(ValueError, match="'Ada', 'Bob'"):
        find_takes(folder)
    assert set(find_takes(folder, "Bob")["take"]) == {"two"}
    with pytest.raises(ValueError, match="nobody called 'Eve'"):
        find_takes(folder, "Eve")


def test_no_takes_are_told_with_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m utils record"):
        find_takes(tmp_path / "none")
    with pytest.raises(ValueError, match="TAKE/CLASS/IMAGE"):
        find_takes(tmp_path)


def test_one_class_is_too_little_for_a_few_shot_head(
    tmp_path, small_network, preprocessing, table, characters
):
    old = save_model(small_network, preprocessing, tmp_path / "old.keras", litert_model=False)
    (tmp_path / "mine").mkdir()
    folder = record(tmp_path / "mine", table[table["class"] == "happy"], {"one": characters[0]})
    with pytest.raises(ValueError, match="two or more"):
        personalise(folder, tmp_path / "new.keras", old)
    assert not (tmp_path / "new.keras").exists()
