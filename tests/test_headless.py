"""Reading sources without a screen: one table of all, whatever some of them are."""

import json
from itertools import islice

import cv2
import numpy as np
import pandas as pd
import pytest

from utils import headless
from utils.__main__ import main
from utils.animated import clip_frames
from utils.config import CLASS_NAMES
from utils.model_file import save_model

COLUMNS = [
    *("source", "frame", "seconds", "track", "x", "y", "width", "height"),
    *CLASS_NAMES,
    *("label", "confidence"),
]


class Even:
    """A predictor that cannot decide."""

    class_names = CLASS_NAMES

    def predict_faces(self, frame, boxes):
        return np.full((len(boxes), 7), 1 / 7, np.float32)


@pytest.fixture(scope="module")
def frames():
    return [frame for _, frame, _ in islice(clip_frames(), 8)]


@pytest.fixture
def clip(frames, tmp_path):
    path = tmp_path / "clip.mp4"
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture
def picture(frames, tmp_path):
    path = tmp_path / "still.png"
    cv2.imwrite(str(path), frames[-1])
    return path


def test_pictures_and_videos_come_into_one_table(clip, picture, tmp_path):
    csv, json_file = tmp_path / "rows.csv", tmp_path / "rows.json"
    table, failures = headless.read_sources(
        [picture, clip], Even(), csv=csv, json_file=json_file, threshold=0.5, progress=False
    )
    assert failures == []
    assert list(table.columns) == COLUMNS
    still = table[table["source"] == str(picture)]
    assert still[["frame", "seconds", "track"]].to_numpy().tolist() == [[0, 0.0, 1]]
    assert table.loc[table["source"] == str(clip), "frame"].max() == 7
    assert set(table["label"]) == {"unsure"}
    np.testing.assert_allclose(table[list(CLASS_NAMES)].sum(axis=1), 1, atol=1e-6)

    written = pd.read_csv(csv)
    assert list(written.columns) == COLUMNS
    records = json.loads(json_file.read_text())
    assert [list(record) for record in records] == [COLUMNS] * len(table)
    for rows in (written, pd.DataFrame(records)):
        assert rows["source"].tolist() == table["source"].tolist()
        np.testing.assert_allclose(rows["x"], table["x"].astype(int))
        np.testing.assert_allclose(rows["seconds"], table["seconds"].astype(float), atol=1e-3)


def test_a_source_that_fails_does_not_stop_the_others(clip, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    empty = tmp_path / "empty.png"
    cv2.imwrite(str(empty), np.full((120, 160, 3), 90, np.uint8))
    said = []
    table, failures = headless.read_sources(
        [tmp_path / "missing.mp4", broken, empty, clip], Even(), progress=False, say=said.append
    )
    assert set(table["source"]) == {str(clip)}
    assert len(failures) == 2 and "missing.mp4" in failures[0] and "broken.jpg" in failures[1]
    assert said == [f"{empty}: no face"]


def test_one_annotated_video_is_of_one_video(clip, picture, tmp_path):
    annotated = tmp_path / "annotated.mp4"
    for sources in ([clip, clip], [picture]):
        with pytest.raises(ValueError, match="is made of one video"):
            headless.read_sources(sources, Even(), video=annotated)
    headless.read_sources([clip], Even(), video=annotated, progress=False)
    assert cv2.VideoCapture(str(annotated)).get(cv2.CAP_PROP_FRAME_COUNT) == 8


def test_the_command(clip, small_network, preprocessing, tmp_path, capsys):
    model = save_model(small_network, preprocessing, tmp_path / "model.keras")
    rows = tmp_path / "new" / "rows.json"
    arguments = ["predict", str(clip), "--model", str(model), "--json", str(rows)]
    assert main(arguments) == 0
    assert list(json.loads(rows.read_text())[0]) == COLUMNS
    assert str(clip) in capsys.readouterr().out
    missing = str(tmp_path / "none.mp4")
    assert main(["predict", missing, *arguments[1:]]) == 1
    assert "none.mp4" in capsys.readouterr().err
