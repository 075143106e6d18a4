"""Single small images for tests of folders."""

import cv2
import numpy as np


def image(path, value=0):
    """Write a grey image of 8 × 8 pixels, all of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((8, 8), value, np.uint8))
