"""Photographs whose faces are known: what is found, missed, false, and what is left aside."""

import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from benchmarks import photographs
from utils.vision.opencv import cv2

HEADER = "file,x,y,width,height,ignore\n"


def faces(*rows):
    return pd.DataFrame(rows, columns=["x", "y", "width", "height", "ignore"])


def judged(boxes, *rows, shift=(0, 0)):
    row, marks = photographs._judge(boxes, faces(*rows), np.array(shift), (400, 600))
    return row, [kind for kind, _ in marks]


def test_a_box_finds_a_face_by_its_centre_and_size():
    face = (100, 100, 80, 100, 0)  # its larger side is 100: centres may be 45 apart
    assert judged([(105, 115, 80, 80)], face)[1] == ["found"]
    assert judged([(144, 110, 80, 80)], face)[1] == ["found"]
    assert judged([(146, 110, 80, 80)], face)[1] == ["missed", "false"]
    assert judged([(40, 40, 200, 220)], face)[1] == ["missed", "false"]  # too large
    assert judged([(105, 115, 80, 80)], face, shift=(60, 0))[1] == ["missed", "false"]


def test_boxes_and_faces_are_paired_one_to_one():
    two = (100, 100, 50, 50, 0), (130, 100, 50, 50, 0)
    row, kinds = judged([(115, 100, 50, 50)], *two)
    assert sorted(kinds) == ["found", "missed"] and row["kind"] == "group"
    row, kinds = judged([(115, 100, 50, 50), (132, 100, 50, 50)], *two)
    assert kinds == ["found", "found"] and row["false"] == 0
    assert judged([(100, 100, 50, 50), (102, 100, 50, 50)], two[0])[1] == ["found", "false"]


def test_an_ignored_face_neither_helps_nor_harms():
    row, kinds = judged([(300, 100, 50, 50)], (100, 100, 50, 50, 0), (300, 100, 50, 50, 1))
    assert kinds == ["missed"] and row["false"] == 0 and row["kind"] == "single"
    assert row["faces"] == 1 and row["found"] == 0


def test_of_groups_only_faces_of_24_pixels_count():
    row, _ = judged([], (10, 10, 20, 23, 0), (100, 100, 20, 24, 0))
    assert row["faces"] == 1


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_photographs_are_read_from_a_folder_or_a_zip(tmp_path, form):
    picture = cv2.imencode(".png", np.full((60, 80), 90, np.uint8))[1].tobytes()
    files = {
        "set/boxes.csv": (HEADER + "photos/a.png,1,2,30,40,0\n").encode(),
        "set/photos/a.png": picture,
        "set/photos/b.png": picture,
    }
    for name, data in files.items():
        (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / name).write_bytes(data)
    source = tmp_path / "all"
    if form == "zip":
        source = tmp_path / "all.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    read = dict(photographs.read_photographs(source))
    assert [len(boxes) for _, boxes in read.values()] == [1, 0]
    assert all(image.shape == (60, 80, 3) for image, _ in read.values())
    measured = photographs.measure(source, names=["haar_1.3_5"], sheet=tmp_path)["haar_1.3_5"]
    assert measured["single_found"] == 0 and measured["group_found"] is None
    assert measured["false_boxes"] == 0 and measured["cpu_ms_median"] >= 0
    assert (tmp_path / "haar_1.3_5.jpg").is_file()


def test_what_is_no_such_set_is_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Expected one boxes.csv.*Received: 0"):
        list(photographs.read_photographs(tmp_path))
    (tmp_path / "boxes.csv").write_text("file,x,y\na.png,1,2\n")
    with pytest.raises(ValueError, match="lacks the columns height, width"):
        list(photographs.read_photographs(tmp_path))
    (tmp_path / "boxes.csv").write_text(HEADER + "a.png,1,2,3,4,0\n")
    with pytest.raises(FileNotFoundError, match=r"lacks 1 pictures, such as a.png"):
        list(photographs.read_photographs(tmp_path))


def test_a_peer_is_asked_in_a_process_of_its_own(tmp_path, monkeypatch):
    package = tmp_path / "fer"  # stands in for the package: finds the left upper quarter
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "fer.py").write_text(
        "class FER:\n"
        "    def find_faces(self, picture):\n"
        "        height, width = picture.shape[:2]\n"
        "        return [(0, 0, width / 2, height / 2)]\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    find = photographs.peer("fer", sys.executable)
    boxes, milliseconds, _ = find(np.zeros((60, 80, 3), np.uint8))
    assert boxes == [[0, 0, 40, 30]] and milliseconds >= 0
    assert find(np.zeros((20, 40, 3), np.uint8))[0] == [[0, 0, 20, 10]]


def test_a_peer_that_does_not_run_says_how_to_try_it():
    find = photographs.peer("mediapipe", sys.executable)
    with pytest.raises(SystemExit, match=r"mediapipe does not run in .* Try: .*peers\.py"):
        find(np.zeros((8, 8, 3), np.uint8))
