import os

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from utils.vision.image_kinds import FORMATS, image_kind, images_in, is_image_file


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", ["face", "face.jfif", "FACE.JPE", "face.txt", "face.jpg"])
def test_an_image_is_told_by_content_whatever_its_name(tmp_path, kind, name):
    if kind == "HEIF":
        pillow_heif.register_heif_opener()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / name, kind)
    assert is_image_file(tmp_path / name)
    assert image_kind((tmp_path / name).read_bytes()[:64]) == kind
    assert images_in(tmp_path) == [tmp_path / name]


@pytest.mark.parametrize(
    "content",
    [b"", b"BM", b"BMW is a maker of cars and of more than that.", b"<html></html>", b"II*",
     b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", b"RIFF\0\0\0\0AVI LIST", b"GIF88a...."],
)  # fmt: skip
def test_what_is_no_image(tmp_path, content):
    assert image_kind(content) is None
    (tmp_path / "face.dat").write_bytes(content)
    assert not is_image_file(tmp_path / "face.dat")


def test_a_folder_lists_what_is_or_is_called_an_image(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "b", "PNG")
    Image.new("L", (8, 8)).save(tmp_path / ".hidden.png")
    (tmp_path / "a.JPG").write_text("no image, and whoever opens it says so")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.jpg").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")  # opening it would wait for ever
    assert [file.name for file in images_in(tmp_path)] == ["a.JPG", "b"]
