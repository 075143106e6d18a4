"""A saved model, ready to answer: faces in, probabilities out."""

import warnings
from pathlib import Path

import numpy as np

from utils.config import DEFAULT_MODEL
from utils.models import litert
from utils.models.metadata import ModelFileError, check_shapes, read_metadata, read_preprocessing
from utils.models.opinion import Opinion, face_shares, read_opinion
from utils.progress import progress_bar
from utils.vision.boxes import Box
from utils.vision.preprocessing import Preprocessing, prepare_faces


class Predictor:
    """Applies a network together with its preprocessing, to all faces of a frame at once.

    Attributes:
        model: a Keras network, or a `utils.models.litert.LiteRTNetwork`.
        preprocessing: what its metadata says of faces and classes.
        opinion: what it knows of faces at all, if its file tells; see `face_shares`.
    """

    def __init__(self, model, preprocessing: Preprocessing, opinion: Opinion | None = None):
        self.model = model
        self.opinion = opinion
        self.preprocessing = preprocessing
        if isinstance(model, litert.LiteRTNetwork):
            self._answer = model
        else:
            from utils.models.backend import compiled  # Keras, only for a network that needs it

            self._answer = compiled(model)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.preprocessing.class_names

    def probabilities(self, faces: np.ndarray) -> np.ndarray:
        """Class probabilities of prepared faces.

        Args:
            faces: uint8, (n, size, size, channels) as the metadata says, 0–255; n may be 0.

        Returns:
            float32, (n, classes); each row sums to 1, in the order of `class_names`.

        Raises:
            ValueError: another shape or type, such as images scaled to 0–1.
        """
        self._check(faces)
        if not len(faces):
            return np.empty((0, len(self.class_names)), np.float32)
        return self._answer(faces)

    def with_features(self, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities of faces, at least one, and the trunk's features.

        Returns:
            float32, (n, classes) and (n, features).
        """
        self._check(faces)
        return self.model.with_features(faces)

    def _check(self, faces: np.ndarray) -> None:
        expected = self.preprocessing.input_shape
        if faces.dtype != np.uint8 or faces.shape[1:] != expected:
            raise ValueError(
                f"Expected uint8 faces of shape (n, {', '.join(map(str, expected))}), 0–255, as "
                "utils.vision.preprocessing.prepare makes them. "
                f"Received: {faces.dtype} of shape {faces.shape}."
            )

    def predict_faces(self, frame: np.ndarray, boxes: list[Box]) -> np.ndarray:
        """Class probabilities of the boxed faces of a frame: float32, (faces, classes).

        Args:
            frame: uint8, (height, width) grey or (height, width, 3) BGR, 0–255.
            boxes: (left, top, width, height) of each face in pixels of the frame.
        """
        return self.probabilities(prepare_faces(frame, boxes, self.preprocessing))

    def face_shares(self, frame: np.ndarray, boxes: list[Box]) -> np.ndarray | None:
        """How sure it is of a face in each box: float (boxes,), 0–1; None: it has no opinion."""
        return face_shares(self, frame, boxes)

    def predict_batches(self, images, progress: bool = True) -> np.ndarray:
        """Class probabilities, float32 (n, classes), of a whole table of images, in its order.

        Args:
            images: a `utils.training.batches.Batches`, neither shuffled nor augmented.
            progress: show a bar.
        """
        batches = progress_bar(
            range(len(images)), desc="predicting", unit="batch", disable=not progress
        )
        return np.concatenate([self.probabilities(images[index][0]) for index in batches])


def load(path: str | Path = DEFAULT_MODEL) -> Predictor:
    """The predictor of a saved model, by default of the released one.

    Where the file holds a LiteRT model, LiteRT runs that, and Keras is not imported.

    Raises:
        FileNotFoundError: no such file.
        ModelFileError: see `litert.read_litert_model` and `model_file.load_model`.
    """
    litert_model = litert.read_litert_model(path)
    if litert_model is not None and litert.installed():
        preprocessing = read_preprocessing(path)
        features = read_metadata(path).get(litert.FEATURES, 0)
        try:
            if not isinstance(features, int):
                raise ModelFileError(f"Expected a number of features. Received: {features!r}")
            network = litert.LiteRTNetwork(litert_model, features)
            check_shapes(network.input_shape, network.output_shape, preprocessing)
            network.check_answer()
        except ModelFileError as error:
            raise ModelFileError(f"{path} is refused. {error}") from error
        return Predictor(network, preprocessing, read_opinion(path, features))
    if litert_model is not None:
        warnings.warn(
            f"{path} holds a LiteRT model, but LiteRT is not installed, so Keras runs the network: "
            "the same answers, later. `python -m pip install -r requirements.txt` installs it.",
            stacklevel=2,
        )
    from utils.models.model_file import load_model

    return Predictor(*load_model(path))
