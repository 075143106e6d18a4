"""Which detector: one name for notebooks, commands and pages."""

from utils.vision.haar import FaceDetector
from utils.vision.yunet import YuNetDetector

DETECTORS = ("haar", "yunet")


def make_detector(name="haar", least_share: float | None = None):
    """The detector of that name; whatever is a detector already is given back.

    Args:
        name: "haar", "yunet", or an object with ``detect``, ``scan`` and ``refind``.
        least_share: of Haar alone, see `FaceDetector`; its own by default.

    Raises:
        ValueError: another name.
        FileNotFoundError: "yunet", and its file is not there; the message says how to get it.
    """
    if not isinstance(name, str):
        return name
    if name == "haar":
        return FaceDetector() if least_share is None else FaceDetector(least_share)
    if name == "yunet":
        return YuNetDetector()
    raise ValueError(f'A detector is "haar" or "yunet". Received: "{name}"')
