"""What may befall a face between a data set and a camera, and how to cut it out again.

Each image of a data set can be blurred, dark, noisy, turned, or come as a camera would give it:
enlarged four times, bordered by its own edge, on a grey scene of 640 × 480, found there by the
Haar cascade of `utils.vision.haar.FaceDetector`, and cut out by its box. A box that overlaps the
face's place by less than a half (intersection over union) has not found it.
"""

from collections.abc import Callable

import numpy as np
from tqdm.auto import tqdm

from utils.vision.boxes import Box, intersection_over_union
from utils.vision.haar import FaceDetector
from utils.vision.opencv import cv2
from utils.vision.preprocessing import crop

SCENE = 640, 480  # pixels, width and height
FACE = 192  # side of the enlarged face in the scene, in pixels
BORDER = 96  # pixels on each side that repeat the image's edge, before the scene begins
BACKGROUND = 110  # grey level
FOUND = 0.5  # least intersection over union of a box with the face's place


def changes() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Each condition by its name: uint8 image in and out, sizes in pixels of 48 × 48."""
    random = np.random.default_rng(0)

    def light(gain, offset=0):
        levels = np.clip(np.arange(256) * gain + offset, 0, 255).astype(np.uint8)
        return lambda image: cv2.LUT(image, levels)

    def noise(deviation):
        def add(image):
            noisy = image + random.normal(0, deviation, image.shape)
            return np.clip(noisy, 0, 255).astype(np.uint8)

        return add

    def turn(degrees):
        def warp(image):
            height, width = image.shape[:2]
            matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
            return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)

        return warp

    def compress(quality):
        def through_jpeg(image):
            data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            return cv2.imdecode(data, cv2.IMREAD_ANYCOLOR)

        return through_jpeg

    return {
        "blurred, sigma 1": lambda image: cv2.GaussianBlur(image, (0, 0), 1),
        "blurred, sigma 2": lambda image: cv2.GaussianBlur(image, (0, 0), 2),
        "dark, 40 % of the light": light(0.4),
        "over-exposed, 160 % + 30": light(1.6, 30),
        "noise, deviation 10": noise(10),
        "noise, deviation 25": noise(25),
        "JPEG, quality 30": compress(30),
        "JPEG, quality 10": compress(10),
        "turned by 20° to the left": turn(20),
        "turned by 20° to the right": turn(-20),
        "24 pixels wide": lambda image: cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA),
    }


def haar_crops(images: list[np.ndarray], margin: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Faces as the live path would cut them out of scenes.

    Returns:
        The crops by the boxes that lie on a face; and for every image by how much its box
        overlaps the face's place: float, (images,), 0–1, 0 where there is none.
    """
    detector = FaceDetector()
    crops, best_overlaps = [], np.zeros(len(images))
    for number, image in enumerate(tqdm(images, desc="finding faces", unit="image")):
        whole, place = scene(image)
        overlaps = {box: intersection_over_union(box, place) for box in detector.detect(whole)}
        best = max(overlaps, key=overlaps.get, default=None)
        if best is not None and overlaps[best] > 0:
            best_overlaps[number] = overlaps[best]
            crops.append(crop(whole, best, margin))
    return crops, best_overlaps


def scene(image: np.ndarray) -> tuple[np.ndarray, Box]:
    """A grey scene with the face in its middle, and the face's place."""
    enlarged = cv2.resize(image, (FACE, FACE), interpolation=cv2.INTER_CUBIC)
    bordered = cv2.copyMakeBorder(enlarged, *[BORDER] * 4, cv2.BORDER_REPLICATE)
    whole = np.full((SCENE[1], SCENE[0], *image.shape[2:]), BACKGROUND, np.uint8)
    side = bordered.shape[0]
    left, top = (SCENE[0] - side) // 2, (SCENE[1] - side) // 2
    whole[top : top + side, left : left + side] = bordered
    return whole, (left + BORDER, top + BORDER, FACE, FACE)
