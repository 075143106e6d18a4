"""A saved model, ready to answer: faces in, probabilities out."""

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from utils.backend import keras, xla_pays
from utils.model_file import load_model
from utils.preprocessing import Box, Preprocessing, prepare_faces
from utils.streaming import Pictures


class Predictor:
    """Applies a network together with its contract.

    All faces of a frame go through the network in one compiled call.

    Attributes:
        model: the Keras network.
        preprocessing: its contract.

    Example:
        >>> predictor = load("models/fer2013.keras")  # doctest: +SKIP
        >>> predictor.predict_faces(frame, [(10, 20, 96, 96)])  # doctest: +SKIP
    """

    def __init__(self, model: keras.Model, preprocessing: Preprocessing):
        self.model = model
        self.preprocessing = preprocessing
        self.model.jit_compile = xla_pays()

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.preprocessing.class_names

    def probabilities(self, faces: np.ndarray) -> np.ndarray:
        """Class probabilities of prepared faces.

        Args:
            faces: uint8, (n, size, size, channels) as the contract says, 0–255; n
                may be 0.

        Returns:
            float32, (n, classes); each row sums to 1, in the order of `class_names`.

        Raises:
            ValueError: another shape or type, such as pictures scaled to 0–1.
        """
        expected = self.preprocessing.input_shape
        if faces.dtype != np.uint8 or faces.shape[1:] != expected:
            raise ValueError(
                f"Expected uint8 faces of shape (n, {', '.join(map(str, expected))}), 0–255, as "
                "utils.preprocessing.prepare makes them. "
                f"Received: {faces.dtype} of shape {faces.shape}."
            )
        if not len(faces):
            return np.empty((0, len(self.class_names)), np.float32)
        # A compiled call is traced anew for every batch size; rounding the size up
        # to a power of two leaves only a handful of them.
        padded = np.zeros((1 << (len(faces) - 1).bit_length(), *expected), np.uint8)
        padded[: len(faces)] = faces
        return np.asarray(self.model.predict_on_batch(padded), np.float32)[: len(faces)]

    def predict_faces(self, frame: np.ndarray, boxes: list[Box]) -> np.ndarray:
        """Class probabilities of the boxed faces of a frame.

        Args:
            frame: uint8, (height, width) grey or (height, width, 3) BGR, 0–255.
            boxes: (left, top, width, height) of each face in pixels of the frame.

        Returns:
            float32, (faces, classes).
        """
        return self.probabilities(prepare_faces(frame, boxes, self.preprocessing))

    def predict_pictures(self, pictures: Pictures, progress: bool = True) -> np.ndarray:
        """Class probabilities of a whole table of pictures, in its order.

        Args:
            pictures: neither shuffled nor augmented.
            progress: show a bar.

        Returns:
            float32, (n, classes).
        """
        batches = tqdm(range(len(pictures)), desc="predicting", unit="batch", disable=not progress)
        return np.concatenate([self.probabilities(pictures[index][0]) for index in batches])


def load(path: str | Path) -> Predictor:
    """The predictor of a saved model.

    Raises:
        FileNotFoundError, utils.model_file.ModelFileError: see `utils.model_file.load_model`.
    """
    return Predictor(*load_model(path))
