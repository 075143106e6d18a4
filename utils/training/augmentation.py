"""Random changes that a face survives with its expression unchanged."""

from dataclasses import dataclass

import numpy as np

from utils.vision.opencv import cv2


@dataclass(frozen=True)
class Augmentation:
    """How far a training image may be changed; every amount is drawn uniformly.

    The geometric changes are one affine warp, so an image is resampled once: four separate layers
    would blur it four times.

    Attributes:
        flip: mirror half of the images left to right.
        rotation: greatest turn to either side, in degrees.
        shift: greatest move along each axis, as a share of the side.
        zoom: greatest enlargement or reduction, as a share of the size.
        brightness: greatest offset, as a share of the full range.
        contrast: greatest change of the distance to mid-grey, as a share.
        erasing: probability that a random rectangle is covered with one grey value (Zhong et al.,
            "Random Erasing Data Augmentation", 2020).
        blur: greatest standard deviation of a Gaussian blur, in pixels.
        noise: greatest standard deviation of Gaussian noise, as a share of the full range. It and
            blur prepare a network for grainy and unsharp cameras.
    """

    flip: bool = True
    rotation: float = 10.0
    shift: float = 0.08
    zoom: float = 0.12
    brightness: float = 0.1
    contrast: float = 0.2
    erasing: float = 0.25
    blur: float = 0.0
    noise: float = 0.0

    def __call__(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """One random variant, of the same form, of a uint8 image (height, width, channels), 0–255.

        The same state of ``random`` gives the same variant.
        """
        height, width, channels = image.shape
        changed = cv2.warpAffine(
            image,
            self._affine(height, width, random),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        gain = 1 + random.uniform(-self.contrast, self.contrast)
        offset = 255 * random.uniform(-self.brightness, self.brightness)
        # A table of 256 answers is exact for uint8 and quicker than arithmetic.
        levels = (np.arange(256) - 127.5) * gain + 127.5 + offset
        changed = cv2.LUT(changed, np.clip(levels, 0, 255).astype(np.uint8))
        if self.blur:
            deviation = random.uniform(0.1, max(self.blur, 0.1))
            changed = cv2.GaussianBlur(changed, (0, 0), deviation)
        changed = changed.reshape(height, width, channels)
        if self.noise:
            grain = random.normal(0, 255 * random.uniform(0, self.noise), changed.shape)
            changed = np.clip(np.rint(changed + grain), 0, 255).astype(np.uint8)
        if random.random() < self.erasing:
            self._erase(changed, random)
        return changed

    def _affine(self, height, width, random) -> np.ndarray:
        """The 2 × 3 matrix that takes a source pixel to its new place."""
        angle = np.deg2rad(random.uniform(-self.rotation, self.rotation))
        scale = 1 + random.uniform(-self.zoom, self.zoom)
        mirror = -1 if self.flip and random.random() < 0.5 else 1
        move = random.uniform(-self.shift, self.shift, 2) * (width, height)
        cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
        turn = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])
        centre = np.array([width - 1, height - 1]) / 2
        return np.column_stack([turn, centre + move - turn @ centre])

    @staticmethod
    def _erase(image, random) -> None:
        height, width, _ = image.shape
        tall = random.integers(height // 8, max(height * 2 // 5, height // 8 + 1))
        wide = random.integers(width // 8, max(width * 2 // 5, width // 8 + 1))
        top = random.integers(0, height - tall + 1)
        left = random.integers(0, width - wide + 1)
        image[top : top + tall, left : left + wide] = random.integers(0, 256)


STRONG = Augmentation(
    rotation=12,
    shift=0.1,
    zoom=0.15,
    brightness=0.15,
    contrast=0.4,
    erasing=0.4,
    blur=1.0,
    noise=0.05,
)
"""For long trainings of a network that is to face a camera."""
