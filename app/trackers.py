"""Following faces where a crowd must not hold the server up."""

from collections.abc import Sequence

from utils.vision.tracking import FaceTracker, Track


class FewFacesTracker(FaceTracker):
    """Follows no more than so many faces: those it knows, then the largest new ones.

    Args:
        most: faces.
    """

    def __init__(self, most: int):
        super().__init__()
        self.most = most

    def update(self, boxes: Sequence[Sequence[float]], seconds: float) -> None:
        super().update(boxes[: self.most], seconds)  # the analyzer puts known faces first

    def visible(self, seconds: float) -> list[Track]:
        return super().visible(seconds)[: self.most]  # a face that was lost may linger
