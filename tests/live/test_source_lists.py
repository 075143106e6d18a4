"""What is behind folders, patterns and lists, and how it is cut."""

import cv2
import numpy as np
import pytest

from utils.live.source_lists import cut, list_sources
from utils.vision.video_writer import Mp4Writer


@pytest.fixture
def folder(tmp_path):
    """Three images, one of them hidden in a folder, a video without a suffix, and notes."""
    for name in ("b.png", "a.jpg", "deeper/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8), np.uint8))
    (tmp_path / ".hidden").mkdir()
    cv2.imwrite(str(tmp_path / ".hidden/d.png"), np.zeros((8, 8), np.uint8))
    writer = Mp4Writer(tmp_path / "clip.mp4", (64, 48), 25.0)
    for number in range(3):
        writer.write(number / 25, np.full((48, 64, 3), 50 * number, np.uint8))
    writer.close()
    (tmp_path / "clip.mp4").rename(tmp_path / "recording")
    (tmp_path / "notes.csv").write_text("no image")
    return tmp_path


def names(sources, folder):
    return [source.path.removeprefix(f"{folder}/") for source in sources]


def test_folders_patterns_and_lists_lead_to_files(folder, monkeypatch):
    monkeypatch.chdir(folder)
    said = []
    found = list_sources([folder], say=said.append)
    assert names(found, folder) == ["a.jpg", "b.png", "recording", "deeper/c.png"]
    assert [source.still for source in found] == [True, True, False, True]
    assert said == [f"{folder}: 1 files are left out that are no images and no videos."]

    assert names(list_sources(["**/*.png"]), folder) == ["b.png", "deeper/c.png"]
    (folder / "list.txt").write_text("# mine\n\nb.png\nd*r\nb.png\n")
    assert names(list_sources(["list.txt", "a.jpg"]), folder) == ["b.png", "deeper/c.png", "a.jpg"]


def test_what_cannot_be_listed_is_told(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    (folder / "loop.txt").write_text("loop.txt\n")
    for sources, error, words in (
        (["*.mp4"], FileNotFoundError, "There is no"),
        (["missing.jpg"], FileNotFoundError, "There is no missing.jpg"),
        (["empty"], FileNotFoundError, "no images and no videos"),
        (["0"], ValueError, "has no end"),
        (["rtsp://user:secret@camera/1"], ValueError, "Received: rtsp://camera/1"),
        (["loop.txt"], ValueError, "names no other list"),
    ):
        with pytest.raises(error, match=words):
            list_sources(sources)


def test_videos_are_pieces_of_their_own_and_stills_go_together(folder):
    found = list_sources([folder], say=str)
    assert [names(piece.sources, folder) for piece in cut(found, of=80)] == [
        ["a.jpg", "b.png"],
        ["recording"],
        ["deeper/c.png"],
    ]
    whole, rest = list(cut(found, of=80)), list(cut(found[2:], of=80))
    assert rest == whole[1:]  # going on makes the same pieces
    assert sorted(piece.name for piece in whole) == [piece.name for piece in whole]
    assert {len(piece.sources) for piece in cut([found[0]] * 10_000, of=10_000)} == {100}
