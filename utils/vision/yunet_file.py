"""YuNet's model file: where it lies, where it comes from, and whether it is one.

It does not come with OpenCV. ``make yunet`` (`fetch_yunet`) brings the file of OpenCV's model
zoo into ``models/``; one that was brought there by hand is found as well.
"""

import urllib.request
from pathlib import Path

from utils.config import MODELS, PROJECT
from utils.files import digest, replacing

MODEL_FILE = "face_detection_yunet_2023mar.onnx"
MODEL_FILE_2026 = "face_detection_yunet_2026may.onnx"
PAGE = "https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet"
SOURCE = f"https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/{MODEL_FILE}"
KNOWN = {  # SHA-256 of the zoo's files
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4": MODEL_FILE,
    "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0": MODEL_FILE_2026,
}
WHERE = (
    f"Run `make yunet`, or get {MODEL_FILE} (MIT licence, 0.2 MB) from {PAGE} and put it into "
    f"{MODELS.relative_to(PROJECT)}/ or give its path."
)
_MOST = 10_000_000  # bytes of a download; the file has 0.2 million
_SECONDS = 60  # without an answer


def find_yunet(folder: str | Path = MODELS) -> Path:
    """The YuNet file in a folder: ``*yunet*.onnx``, the last one by name.

    Raises:
        FileNotFoundError: there is none; the message says where to get it.
    """
    files = sorted(file for file in Path(folder).glob("*.onnx") if "yunet" in file.name.lower())
    if not files:
        raise FileNotFoundError(f"There is no YuNet model in {folder}. {WHERE}")
    return files[-1]


def fetch_yunet(source: str | Path = SOURCE, folder: str | Path = MODELS) -> Path:
    """Bring one of the zoo's files into a folder, if it is truly one of them; its path.

    Args:
        source: an address (https), or a file that lies on this machine.
        folder: where it goes; a file of the same name is replaced in one step.

    Raises:
        OSError: the address cannot be reached, or there is no such file.
        ValueError: it is another file; the text says what came. Nothing is written.
    """
    if str(source).startswith(("https://", "http://")):
        try:
            with urllib.request.urlopen(str(source), timeout=_SECONDS) as answer:
                data = answer.read(_MOST)
        except OSError as error:
            raise OSError(f"{source} cannot be reached ({error}). {WHERE}") from error
    else:
        path = Path(source).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {path}. {WHERE}")
        data = path.read_bytes()
    name = KNOWN.get(digest(data, digits=64))
    if name is None:
        what = why_not_yunet(data) or (
            f"a file of {len(data):,} bytes with the SHA-256 {digest(data, digits=64)}"
        )
        expected = " or ".join(KNOWN)
        raise ValueError(
            f"{source} is refused: it is {what}. Expected one with the SHA-256 {expected}. {WHERE}"
        )
    target = Path(folder, name)
    with replacing(target) as temporary:
        temporary.write_bytes(data)
    return target


def why_not_yunet(data: bytes) -> str | None:
    """What a file is that people take for the model by mistake; None if it is neither.

    >>> why_not_yunet(b"<!DOCTYPE html><html>")
    "a web page, not the file: use the page's download button"
    """
    start = bytes(data[:512]).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "a web page, not the file: use the page's download button"
    if start.startswith(b"version https://git-lfs"):
        return "only Git LFS's pointer to the file: use the page's download button"
    if not start:
        return "empty"
    return None
