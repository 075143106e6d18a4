"""Cropping whole data sets to the face: people by the detector, drawings at the centre.

This is what the live reading does with a frame, done once to every image of a set that
shows more than the face.
"""

import numpy as np

from utils.vision.boxes import central_square
from utils.vision.detectors import make_detector
from utils.vision.images import open_image
from utils.vision.opencv import cv2
from utils.vision.preprocessing import crop

WITHOUT_FACE = ("centre", "omit")
LEAST_SHARE = 0.2  # of the shorter side: in the laboratories' images a face fills more


class FaceCropper:
    """Crops images to their face, all to one size.

    Args:
        size: side of the cropped images, in pixels.
        domain: "people" are cropped to the largest face that the detector finds, without a margin;
            everything else to its central square.
        without_face: one of `WITHOUT_FACE`: what to do with people whose face is not found.
        detector: "haar" or "yunet": what finds it.
    """

    def __init__(
        self,
        size: int,
        domain: str = "people",
        without_face: str = "centre",
        detector: str = "haar",
    ):
        self.size = size
        self.without_face = without_face
        self.target = "face" if domain == "people" else "central square"
        self._detector = make_detector(detector, LEAST_SHARE) if domain == "people" else None

    def crop(self, data: bytes) -> tuple[bytes, bool]:
        """One image file's bytes, cropped.

        Returns:
            A PNG file of ``size`` × ``size`` pixels, grey if the image has no colour; and False if
            a face was looked for in vain and the central square was taken.

        Raises:
            ValueError: not a complete image, or one without a face if these are to be left out.
        """
        image = without_equal_channels(open_image(data))
        boxes = self._detector.detect(image, thorough=True) if self._detector else []
        found = bool(boxes) or self._detector is None
        if not found and self.without_face == "omit":
            raise ValueError("no face found")
        face = crop(image, boxes[0] if boxes else central_square(image.shape))
        shrinks = min(face.shape[:2]) > self.size
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        face = cv2.resize(face, (self.size, self.size), interpolation=interpolation)
        return cv2.imencode(".png", face)[1].tobytes(), found


def without_equal_channels(image: np.ndarray) -> np.ndarray:
    """Grey, where all three channels are equal, as in several laboratories' scans."""
    if image.ndim == 3 and (image == image[:, :, :1]).all():
        return np.ascontiguousarray(image[:, :, 0])
    return image
