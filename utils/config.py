"""Where things lie and what the expressions are called; nothing heavy is imported here.

Every path follows from this file's own place, so a notebook finds the project from any folder.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
MODELS = PROJECT / "models"
RUNS = MODELS / "runs"
DEFAULT_MODEL = MODELS / "expressions.keras"
RESULTS = PROJECT / "results"
CACHE = PROJECT / ".cache"

CLASS_NAMES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
SPLITS = ("train", "validation", "test")
IMAGE_SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png"),
    *(".tif", ".tiff", ".webp"),
)
VIDEO_SUFFIXES = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
    *(".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
)

_SYNONYMS = {
    "angry": ("anger",),
    "disgust": ("disgusted",),
    "fear": ("afraid", "fearful", "scared"),
    "happy": ("happiness", "joy", "joyful"),
    "neutral": ("neutrality", "calm"),
    "sad": ("sadness",),
    "surprise": ("surprised",),
}
_SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": (
        *("validation", "validate", "val", "valid", "dev", "development", "eval", "evaluation"),
        "publictest",
    ),
    "test": ("test", "testing", "privatetest"),
}
_SPLIT_OF = {word: split for split, words in _SPLIT_WORDS.items() for word in words}
_SYSTEM_NAMES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "__pycache__", "@eadir"}
_CANONICAL = {word: name for name, words in _SYNONYMS.items() for word in (name, *words)}


def class_name(label: str) -> str:
    """The project's name for an expression label or class folder.

    Case, surrounding spaces and the usual synonyms are folded. A label that is no known expression
    is stripped, and composed as Unicode can write one word in two ways, but otherwise untouched, so
    a user's own classes keep their names.

    >>> class_name("Anger"), class_name("my class")
    ('angry', 'my class')
    """
    label = unicodedata.normalize("NFC", readable(label)).strip()
    return _CANONICAL.get(label.lower(), label)


def class_place(folders: Sequence[str]) -> int:
    """Which of nested folders names the class: the innermost, or the expression that it is part of.

    >>> class_place(["data", "sad"]), class_place(["sad", "batch2"]), class_place(["sad", "happy"])
    (1, 0, 1)
    """
    expressions = *CLASS_NAMES, "contempt"
    known = [at for at, name in enumerate(folders) if class_name(name).lower() in expressions]
    return known[-1] if known else len(folders) - 1


def readable(name: str) -> str:
    """A file's name as text: bytes that are no UTF-8 are read as old systems wrote them."""
    return re.sub("[\ud800-\udfff]", _old_letter, name)


def _old_letter(escaped: re.Match) -> str:
    return bytes([ord(escaped[0]) & 255]).decode("cp1252", "replace")


def split_name(word: str) -> str:
    """The split that a folder's name or a csv's word means, or "".

    >>> split_name("val"), split_name("Training Set"), split_name("happy")
    ('validation', 'train', '')
    """
    return _SPLIT_OF.get(re.sub(r"[\s_-]|(set|data|images)$", "", word.lower()), "")


def near_split(name: str) -> str:
    """The split that a part of a name means, or "" where none or several do."""
    words = {_SPLIT_OF.get(part, "") for part in re.split(r"[\W\d_]+", name.lower())} - {""}
    return words.pop() if len(words) == 1 else ""


def split_names(folders: Iterable[str]) -> dict[str, str]:
    """The split that each of several folders, which lie side by side, means, or "".

    A word for a split may be a part of the name, but only where two of them name different splits,
    and not where another folder has the split's name: "test_subject" may be anything.

    >>> split_names(["train_class", "val_class"]), split_names(["happy", "test_subject"])
    ({'train_class': 'train', 'val_class': 'validation'}, {'happy': '', 'test_subject': ''})
    """
    exact = {folder: split_name(folder) for folder in folders}
    near = {}
    for folder in exact:
        word = near_split(folder)
        near[folder] = exact[folder] or ("" if word in exact.values() else word)
    return near if len({*near.values()} - {""}) > 1 else exact


def is_system_name(name: str) -> bool:
    """Whether a file or folder is hidden, or one that systems and editors leave behind.

    >>> is_system_name(".ipynb_checkpoints"), is_system_name("Thumbs.db"), is_system_name("sad")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def project_path(path: str | Path) -> Path:
    """A path as a person writes it in a notebook: ``~`` is home, relative means the project."""
    return PROJECT / Path(path).expanduser()


CAMERA_PATIENCE = 120.0  # seconds without an image; a camera or router that starts anew takes one
