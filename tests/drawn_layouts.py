"""Small data sets in the layouts of the real ones, with drawn characters for people.

Each function gives the files of one data set as its laboratory hands them out, path →
bytes, for `write_folder` or `write_zip`: the real folders, names, formats and sizes. A
character follows from the name of its subject alone, and what it does from the name of the
image, so the same name is always the same person. The sets of people are grey, as most of
the real images are; FERG-DB has its colours and its alpha channel.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from utils.drawn.face_painting import EXPRESSIONS, ActionUnits
from utils.drawn.random_face import draw_face, random_action_units, random_character
from utils.importing.face_databases import CK_CODES, IMPA_CODES, JAFFE_CODES

CK_PEOPLE = ("S005", "S010", "S011", "S014", "S022", "S026")
CK_STRENGTHS = (0.0, 0.4, 0.9, 0.95, 1.0)  # of the frames of a sequence, neutral to peak
JAFFE_PEOPLE = ("KA", "KL", "KM", "KR")
IMPA_PEOPLE = ("s001", "s002", "s003", "s004")
FERG_CHARACTERS = ("aia", "bonnie", "jules", "malcolm", "mery", "ray")
FERG_CLASSES = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")

_CONTEMPT = ActionUnits(lip_corner_up=0.4, eye_opening=0.8)  # its one-sidedness cannot be drawn


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder; a path that ends in "/" is an empty folder."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).mkdir() if path.endswith("/") else (folder / path).write_bytes(data)
    return folder


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """Write files into a zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def ck_plus_images(people: Sequence[str] = CK_PEOPLE) -> dict[str, bytes]:
    """``cohn-kanade-images``: 640×490 PNGs; everybody has three sequences of five frames.

    The first person shows contempt besides, which is no class of this project.
    """
    files = {}
    for person, number, label in _ck_sequences(people):
        sequence = f"{person}_{number:03}"
        peak = _CONTEMPT if label == "contempt" else random_action_units(label, _chance(sequence))
        for frame, strength in enumerate(CK_STRENGTHS, start=1):
            units = EXPRESSIONS["neutral"].towards(peak, strength)
            image = _grey_portrait(person, units, sequence, 640, 490)
            name = f"{person}/{number:03}/{sequence}_{frame:08}.png"
            files[f"cohn-kanade-images/{name}"] = _encode(image, ".png")
    return files | {"cohn-kanade-images/.DS_Store": b"x"}


def ck_plus_labels(people: Sequence[str] = CK_PEOPLE) -> dict[str, bytes]:
    """``Emotion``: the code of each sequence, beside the name of its last frame."""
    return {
        f"Emotion/{person}/{number:03}/{person}_{number:03}_{len(CK_STRENGTHS):08}_emotion.txt": (
            f"   {CK_CODES.index(label)}.0000000e+00\n".encode()
        )
        for person, number, label in _ck_sequences(people)
    }


def jaffe(people: Sequence[str] = JAFFE_PEOPLE) -> dict[str, bytes]:
    """JAFFE: one flat folder of 256×256 TIFFs, one image of each expression."""
    poses = [(person, code) for person in people for code in JAFFE_CODES]
    files = {"README_FIRST.txt": b"read me\n", "._.DS_Store": b"x"}
    for serial, (person, code) in enumerate(poses, start=1):
        name = f"{person}.{code}1.{serial}"
        files[f"{name}.tiff"] = _encode(_posed(person, JAFFE_CODES[code], name, 256, 256), ".tiff")
    return {f"jaffe/{name}": data for name, data in files.items()}


def impa(people: Sequence[str] = IMPA_PEOPLE) -> dict[str, bytes]:
    """IMPA-FACE3D: 640×480 BMPs, the seven expressions and one of the further poses."""
    return {
        f"{person}/bmp/{person}-{code:02}_img.bmp": _encode(
            _posed(person, label, f"{person}-{code:02}", 640, 480), ".bmp"
        )
        for person in people
        for code, label in enumerate((*IMPA_CODES, "neutral"))
    }


def ferg(characters: Sequence[str] = FERG_CHARACTERS) -> dict[str, bytes]:
    """FERG-DB: 256×256 RGBA PNGs without transparent parts, one of each class."""
    files = {}
    for character in characters:
        for label, expression in zip(FERG_CLASSES, EXPRESSIONS, strict=True):
            name = f"{character}_{label}"
            units = random_action_units(expression, _chance(name))
            image = _portrait(character, units, name, 256, 256, zoom=1.0)
            rgba = cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)
            files[f"FERG_DB_256/{character}/{name}/{name}_1.png"] = _encode(rgba, ".png")
    return files


def _ck_sequences(people):
    """Person, number and label of each sequence; nobody shows all, everything is shown twice."""
    expressions = [label for label in CK_CODES if label not in ("neutral", "contempt")]
    for place, person in enumerate(people):
        for number in range(3):
            yield person, number + 1, expressions[(2 * place + number) % len(expressions)]
    yield people[0], 4, "contempt"


def _chance(name: str) -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def _posed(person, label, name, width, height) -> np.ndarray:
    return _grey_portrait(person, random_action_units(label, _chance(name)), name, width, height)


def _grey_portrait(*who_and_how) -> np.ndarray:
    """Grey and with the shoulders, as in the laboratories: uint8, (height, width), 0–255."""
    return cv2.cvtColor(_portrait(*who_and_how, zoom=0.76), cv2.COLOR_BGR2GRAY)


def _portrait(person, units, name, width, height, zoom) -> np.ndarray:
    """Someone before a plain background: uint8, (height, width, 3), BGR, 0–255.

    Args:
        person: name of the subject, from which its character follows.
        units: what its face does.
        name: what pose and light follow from.
        width, height: of the image in pixels; the sides repeat the background.
        zoom: 1 fills the height with the head, less shows more around it.
    """
    chance = _chance(f"{name} pose")
    image = draw_face(
        random_character(_chance(person)),
        units,
        height,
        tilt=chance.uniform(-4, 4),
        turn=chance.uniform(-0.05, 0.05, 2),
        zoom=zoom * chance.uniform(0.95, 1.05),
        light=chance.uniform(-0.15, 0.15, 2),
    )
    beside = width - height
    sides = (0, 0, beside // 2, beside - beside // 2)
    return cv2.copyMakeBorder(image, *sides, cv2.BORDER_REPLICATE)


def _encode(image: np.ndarray, suffix: str) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()
