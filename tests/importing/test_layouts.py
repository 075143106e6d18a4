"""Small sources with the file names, the formats and the untidiness of the real ones."""

import io
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.drawn_layouts import write_folder, write_zip
from utils.cli import main
from utils.config import CLASS_NAMES
from utils.drawn.face_painting import EXPRESSIONS
from utils.drawn.random_face import draw_face, random_character
from utils.importing.importer import import_dataset
from utils.vision import detectors


def pixels(seed: int, shape=(12, 12)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def encode(values: np.ndarray, form: str = "PNG") -> bytes:
    """An image file; RGB or RGBA order."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, form)
    return file.getvalue()


def image(seed: int, form: str = "PNG") -> bytes:
    return encode(pixels(seed), form)


def three_channels(seed: int, form: str = "PNG") -> bytes:
    return encode(np.repeat(pixels(seed)[..., None], 3, axis=2), form)


def run(source, destination, **settings):
    return import_dataset(source, destination, progress=False, **settings)


def manifest_of(folder: Path) -> pd.DataFrame:
    """The manifest by file, after a check that the folder holds just what it says."""
    manifest = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    assert list(manifest) == ["file", "class", "subject", "domain", "source", "sha256"]
    files = {path.relative_to(folder).as_posix() for path in folder.glob("*/*/*")}
    assert set(manifest["file"]) == files
    return manifest.set_index("file")


def subjects_of(folder: Path) -> dict[str, str]:
    return manifest_of(folder)["subject"].to_dict()


def reasons_of(report) -> dict[str, str]:
    return {path: reason.split(":")[0] for path, reason in report.rejected.values}


def decoded(path: Path) -> Image.Image:
    with Image.open(path) as file:
        file.load()
        return file


# CK+: two people. Subject 5's sequence 1 has the usual frames, its 2 is contempt, its 3 has
# no label; subject 999 has a colour sequence of three frames only.
CK_LABELS = {"S005_001": (11, 3), "S005_002": (6, 2), "S999_001": (3, 7)}
CK_LENGTHS = {"S005_001": 11, "S005_002": 6, "S005_003": 4, "S999_001": 3}


def ck_images(root: str) -> dict[str, bytes]:
    files = {}
    for number, (sequence, length) in enumerate(CK_LENGTHS.items()):
        make = three_channels if sequence == "S999_001" else image
        for frame in range(1, length + 1):
            folder = sequence.replace("_", "/")
            files[f"{root}{folder}/{sequence}_{frame:08}.png"] = make(100 * number + frame)
    files |= {f"{root}.DS_Store": b"x", f"{root}S005/001/._S005_001_00000011.png": b"x"}
    return files


def ck_labels(root: str) -> dict[str, bytes]:
    files = {f"{root}S005/003/": b""}  # an empty label folder: no label
    for sequence, (frame, code) in CK_LABELS.items():
        name = f"{sequence}_{frame:08}_emotion.txt"
        files[f"{root}{sequence.replace('_', '/')}/{name}"] = f"   {code}.0000000e+00\n".encode()
    return files | {f"{root}.DS_Store": b"x"}


def ck_plus(tmp_path: Path, form: str) -> Path:
    images, labels = ck_images("cohn-kanade-images/"), ck_labels("Emotion/")
    others = {"Landmarks/S005/001/S005_001_00000001_landmarks.txt": b"1 2\n", "ReadMe.txt": b""}
    source = tmp_path / "download"
    if form == "zips":
        write_zip(source / "cohn-kanade-images.zip", images)
        write_zip(source / "Emotion_labels.zip", labels)
        write_zip(source / "Landmarks.zip", others)
        return source
    if form == "nested":
        images |= ck_images("CK+/CK+/cohn-kanade-images/")
        labels |= ck_labels("CK+/CK+/Emotion/")
    files = images | labels | others
    return write_zip(tmp_path / "ck.zip", files) if form == "zip" else write_folder(source, files)


@pytest.mark.parametrize("form", ["folder", "zip", "zips", "nested"])
def test_ck_plus_takes_neutral_from_first_frames_and_expressions_from_the_last(tmp_path, form):
    report = run(ck_plus(tmp_path, form), tmp_path / "out")
    assert subjects_of(tmp_path / "out") == {
        "all/disgust/S005_001_00000009.png": "S005",
        "all/disgust/S005_001_00000010.png": "S005",
        "all/disgust/S005_001_00000011.png": "S005",
        "all/neutral/S005_001_00000001.png": "S005",
        "all/neutral/S005_002_00000001.png": "S005",
        "all/neutral/S999_001_00000001.png": "S999",
        "all/surprise/S999_001_00000002.png": "S999",
        "all/surprise/S999_001_00000003.png": "S999",
    }
    manifest = manifest_of(tmp_path / "out")
    assert set(manifest["domain"]) == {"people"}
    assert all(name.endswith(Path(file).name) for file, name in manifest["source"].items())
    reasons = pd.Series(reasons_of(report)).value_counts()
    assert reasons["no label"] == (8 if form == "nested" else 4)
    assert reasons["of classes not wanted"] == (6 if form == "nested" else 3)
    assert reasons.get("second copy", 0) == (8 if form == "nested" else 0)
    assert "2 subjects" in str(report)
    assert report.dataset == "CK+"


def test_ck_plus_frames_are_copied_byte_by_byte(tmp_path):
    source = ck_plus(tmp_path, "folder")
    run(source, tmp_path / "out")
    for file, original in manifest_of(tmp_path / "out")["source"].items():
        assert (tmp_path / "out" / file).read_bytes() == (source / original).read_bytes()


def test_ck_plus_with_contempt_and_one_peak_frame(tmp_path):
    classes = [*CLASS_NAMES[:2], "surprise", "Contempt"]
    with pytest.raises(ValueError, match="angry"):
        run(ck_plus(tmp_path, "folder"), tmp_path / "out", class_names=classes, peak_frames=1)
    run(tmp_path / "download", tmp_path / "out", class_names=classes[1:], peak_frames=1)
    assert set(subjects_of(tmp_path / "out")) == {
        "all/disgust/S005_001_00000011.png",
        "all/surprise/S999_001_00000003.png",
        "all/Contempt/S005_002_00000006.png",
    }


def test_a_sequence_without_its_first_frame_gives_no_neutral(tmp_path):
    source = ck_plus(tmp_path, "folder")
    for frame in range(1, 9):
        (source / f"cohn-kanade-images/S005/001/S005_001_{frame:08}.png").unlink()
    run(source, tmp_path / "out")
    files = set(subjects_of(tmp_path / "out"))
    assert not any("neutral/S005_001" in file for file in files)
    assert len([file for file in files if file.startswith("all/disgust/S005_001")]) == 3


def test_ck_plus_without_usable_labels_says_what_is_missing(tmp_path):
    source = write_folder(tmp_path / "images", ck_images(""))
    with pytest.raises(ValueError, match=r"Emotion_labels\.zip"):
        run(source, tmp_path / "out")

    write_folder(source, {"E/S005_001_00000011_emotion.txt": b"   9.0000000e+00\n",
                          "E/S005_002_00000006_emotion.txt": b"",
                          "E/S999_001_00000003_emotion.txt": b"   7.0000000e+00\n",
                          "E/S777_001_00000003_emotion.txt": b"   7.0000000e+00\n"})  # fmt: skip
    report = run(source, tmp_path / "out")
    assert set(subjects_of(tmp_path / "out").values()) == {"S999"}
    reasons = reasons_of(report)
    assert reasons["E/S005_001_00000011_emotion.txt"] == "bad label"
    assert reasons["E/S005_002_00000006_emotion.txt"] == "bad label"
    assert reasons["S777_001"] == "no frames"


CK48 = {
    "CK+48/anger/S010_004_00000017.png": image(1),
    "CK+48/anger/S010_004_00000018.png": image(2),
    "CK+48/contempt/S138_008_00000007.png": image(3),
    "CK+48/happy/S010_006_00000013.png": image(4),
    "CK+48/CK+48/anger/S010_004_00000017.png": image(1),
    "CK+48/.DS_Store": b"x",
    "CK+48/anger/Thumbs.db": b"x",
}


def test_ck48_folders_keep_the_people_apart_and_contempt_out(tmp_path):
    report = run(write_zip(tmp_path / "ck.zip", CK48), tmp_path / "out")
    assert subjects_of(tmp_path / "out") == {
        "all/angry/S010_004_00000017.png": "S010",
        "all/angry/S010_004_00000018.png": "S010",
        "all/happy/S010_006_00000013.png": "S010",
    }
    assert reasons_of(report) == {
        "CK+48/.DS_Store": "system file",
        "CK+48/anger/Thumbs.db": "system file",
        "CK+48/contempt/S138_008_00000007.png": "of classes not wanted",
        "CK+48/CK+48/anger/S010_004_00000017.png": "second copy",
    }
    assert "those published for CK+48: angry -133, happy -206." in str(report)
    run(tmp_path / "ck.zip", tmp_path / "eight", class_names=["angry", "happy", "contempt"])
    assert len(subjects_of(tmp_path / "eight")) == 4


def test_ckextended_keeps_its_usage_and_its_warning(tmp_path):
    rows = [(code, " ".join(map(str, pixels(code, (48, 48)).ravel())), usage)
            for code, usage in zip((0, 6, 7, 5), ("Training", "Training", "Training", "PublicTest"),
                                   strict=True)]  # fmt: skip
    text = "emotion,pixels,Usage\n" + "".join(f"{','.join(map(str, row))}\n" for row in rows)
    (tmp_path / "ckextended.csv").write_text(text)
    with pytest.raises(ValueError, match="surprise"):  # a class without a training image
        run(tmp_path / "ckextended.csv", tmp_path / "out", class_names=CLASS_NAMES)
    report = run(tmp_path / "ckextended.csv", tmp_path / "out")
    manifest = manifest_of(tmp_path / "out")
    assert list(manifest.index) == [
        "train/angry/Training_00000.png",
        "train/neutral/Training_00001.png",
        "validation/surprise/PublicTest_00003.png",
    ]
    assert set(manifest["subject"]) == {""}
    assert np.array_equal(decoded(tmp_path / "out" / manifest.index[0]), pixels(0, (48, 48)))
    assert list(reasons_of(report).values()) == ["of classes not wanted"]
    assert "The same people stand in several parts" in str(report)

    renamed = (tmp_path / "ckextended.csv").rename(tmp_path / "data.csv")
    assert list(run(renamed, tmp_path / "as_fer").rejected["reason"].str.split(":").str[0]) == [
        "bad emotion code"
    ]
    forced = run(renamed, tmp_path / "forced", form="ckextended")
    assert forced.dataset == "ckextended"


def test_jaffe_is_read_from_its_file_names(tmp_path):
    files = {
        "jaffe/KA.AN1.39.tiff": image(1, "TIFF"),
        "jaffe/KL.HA1.158.tiff": three_channels(2, "TIFF"),
        "jaffe/KM.NE1.1.tiff.bmp": image(3, "BMP"),
        "jaffe/UY.FE3.143.jpg": image(4, "JPEG"),
        "jaffe/YM.SA2.56.tiff": image(5, "TIFF"),
        "jaffe/YM.SA2.56.tiff.bmp": image(5, "BMP"),
        "jaffe/copy/KA.AN1.39.tiff": image(1, "TIFF"),
        "jaffe/README_FIRST.txt": b"read me",
        "jaffe/README": b"read me",
        "jaffe/._.DS_Store": b"x",
        "jaffe/KA.XX1.40.tiff": image(6, "TIFF"),
    }
    report = run(write_zip(tmp_path / "jaffe.zip", files), tmp_path / "out")
    assert subjects_of(tmp_path / "out") == {
        "all/angry/KA.AN1.39.png": "KA",
        "all/fear/UY.FE3.143.jpg": "UY",
        "all/happy/KL.HA1.158.png": "KL",
        "all/neutral/KM.NE1.1.png": "KM",
        "all/sad/YM.SA2.56.png": "YM",
    }
    out = tmp_path / "out" / "all"
    assert np.array_equal(decoded(out / "angry/KA.AN1.39.png"), pixels(1))
    assert np.array_equal(np.asarray(decoded(out / "happy/KL.HA1.158.png"))[..., 0], pixels(2))
    assert np.array_equal(decoded(out / "neutral/KM.NE1.1.png"), pixels(3))
    assert (out / "fear/UY.FE3.143.jpg").read_bytes() == files["jaffe/UY.FE3.143.jpg"]
    assert all(decoded(path).format == "PNG" for path in out.glob("*/*.png"))
    assert reasons_of(report) == {
        "jaffe/YM.SA2.56.tiff.bmp": "second copy",
        "jaffe/copy/KA.AN1.39.tiff": "second copy",
        "jaffe/README_FIRST.txt": "not an image",
        "jaffe/README": "not an image",
        "jaffe/._.DS_Store": "system file",
        "jaffe/KA.XX1.40.tiff": "not named as in JAFFE",
    }


def test_the_copy_is_taken_where_the_image_itself_is_damaged(tmp_path):
    files = {
        "KA.AN1.39.tiff": image(1, "TIFF")[:100],
        "KA.AN1.39.tiff.bmp": image(1, "BMP"),
        "KA.HA1.29.tiff": image(2, "TIFF"),
    }
    report = run(write_folder(tmp_path / "jaffe", files), tmp_path / "out")
    assert np.array_equal(decoded(tmp_path / "out/all/angry/KA.AN1.39.png"), pixels(1))
    assert reasons_of(report) == {"KA.AN1.39.tiff": "unreadable image"}


def test_all_of_jaffe_has_the_published_counts(tmp_path):
    people = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")
    counts = {"AN": 30, "DI": 29, "FE": 32, "HA": 31, "NE": 30, "SA": 31, "SU": 30}
    codes = [code for code, count in counts.items() for _ in range(count)]
    files = {
        f"{people[n % 10]}.{code}{n % 3 + 1}.{n + 1 + n // 40}.tiff": image(n, "TIFF")
        for n, code in enumerate(codes)  # serials 41, 82, … are missing
    }
    report = run(write_folder(tmp_path / "jaffe", files), tmp_path / "out")
    assert report.counts.loc["total", "total"] == 213
    assert "The counts are those published for JAFFE." in str(report)
    assert "10 subjects" in str(report)


def test_ferg_is_animated_and_loses_its_alpha_channel_only(tmp_path):
    rgba = np.dstack([pixels(1, (12, 12, 3)), np.full((12, 12), 255, np.uint8)])
    files = {
        "FERG_DB_256/aia/aia_anger/aia_anger_1.png": encode(rgba),
        "FERG_DB_256/mery/mery_sadness/mery_sadness_12.png": image(2),
        "FERG_DB_256/ray/ray_joy/ray_joy_7.png": image(3),
        "FERG_DB_256/FERG_DB_256/ray/ray_joy/ray_joy_7.png": image(3),
        "FERG_DB_256/aia/aia_anger/.DS_Store": b"x",
        "FERG_DB_256/readme.txt": b"read me",
    }
    report = run(write_zip(tmp_path / "ferg.zip", files), tmp_path / "out")
    manifest = manifest_of(tmp_path / "out")
    assert manifest["subject"].to_dict() == {
        "all/angry/aia_anger_1.png": "aia",
        "all/happy/ray_joy_7.png": "ray",
        "all/sad/mery_sadness_12.png": "mery",
    }
    assert set(manifest["domain"]) == {"animated"}
    written = decoded(tmp_path / "out/all/angry/aia_anger_1.png")
    assert written.mode == "RGB"
    assert np.array_equal(written, rgba[..., :3])
    assert sorted(reasons_of(report).values()) == ["not an image", "second copy", "system file"]


def test_impa_leaves_other_poses_out_unless_asked(tmp_path):
    files = {f"s{person:03}/bmp/s{person:03}-{code:02}_img.bmp": image(20 * person + code, "BMP")
             for person in (1, 38) for code in range(14)}  # fmt: skip
    files |= {f"s001/jpg/s001-{code:02}_img.jpg": image(code, "JPEG") for code in range(7)}
    source = write_folder(tmp_path / "impa", files)
    report = run(source, tmp_path / "out")
    names = ("neutral", "happy", "sad", "surprise", "angry", "disgust", "fear")
    assert subjects_of(tmp_path / "out") == {
        f"all/{name}/{person}-0{code}_img.png": person
        for person in ("s001", "s038")
        for code, name in enumerate(names)
    }
    assert np.array_equal(decoded(tmp_path / "out/all/happy/s001-01_img.png"), pixels(21))
    counts = pd.Series(reasons_of(report)).value_counts()
    assert counts.to_dict() == {"of classes not wanted": 14, "second copy": 7}
    more = run(source, tmp_path / "more", class_names=["happy", "other"])
    assert more.counts["all"].to_dict() == {"happy": 2, "other": 14, "total": 16}


def test_a_format_can_be_named_where_it_is_not_the_most_frequent(tmp_path, capsys):
    files = {"a/KA.AN1.39.tiff": image(1, "TIFF"), "a/KA.HA1.40.tiff": image(2, "TIFF")}
    files |= {f"own/{name}/{n}.png": image(10 * n + len(name))
              for name in ("happy", "sad") for n in range(3)}  # fmt: skip
    source = write_folder(tmp_path / "mixed", files)
    assert {"happy", "sad", "a"} <= set(run(source, tmp_path / "folders").counts.index)

    assert main(["import", str(source), str(tmp_path / "jaffe"), "--format", "jaffe"]) == 0
    assert set(subjects_of(tmp_path / "jaffe").values()) == {"KA"}
    assert main(["import", str(source), str(tmp_path / "ferg"), "--format", "ferg"]) == 1
    assert "aia/aia_anger/aia_anger_1.png" in capsys.readouterr().err
    assert main(["import", str(source), str(tmp_path / "no"), "--format", "raf"]) == 1
    assert "form must be one of ck+, ck48" in capsys.readouterr().err

    whole = run(write_zip(tmp_path / "ck.zip", CK48), tmp_path / "ck", form="folders")
    assert "contempt" in whole.counts.index  # as plain class folders, nothing is left out


def test_the_same_import_again_changes_nothing_and_the_source_stays(tmp_path):
    source = ck_plus(tmp_path, "zips")

    def stamps():
        return {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))}

    first = run(source, tmp_path / "out", face_size=16)
    before = stamps()
    again = run(source, tmp_path / "out", face_size=16)
    assert stamps() == before
    assert str(again) == str(first)
    with pytest.raises(FileExistsError, match="another import"):
        run(source, tmp_path / "out")
    with pytest.raises(FileExistsError, match="another import"):
        run(source, tmp_path / "out", face_size=16, peak_frames=2)


def drawn_frame(seed: int, left: int) -> np.ndarray:
    """BGR 240×320 with a drawn face of 160 pixels whose left border is at ``left``."""
    frame = np.full((240, 320, 3), 90, np.uint8)
    face = draw_face(random_character(np.random.default_rng(seed)), EXPRESSIONS["neutral"], 160)
    frame[40:200, left : left + 160] = face
    return frame


def png_of(bgr: np.ndarray) -> bytes:
    return cv2.imencode(".png", bgr)[1].tobytes()


def test_people_are_cropped_to_the_face_and_animated_characters_to_the_centre(tmp_path):
    frames = {"AN": drawn_frame(1, 0), "HA": drawn_frame(2, 150)}
    people = {f"KA.{code}1.1.png": png_of(frame) for code, frame in frames.items()}
    people["KA.SA1.2.png"] = png_of(np.full((240, 320, 3), 90, np.uint8))
    source = write_folder(tmp_path / "jaffe", people)

    report = run(source, tmp_path / "out", face_size=100)
    out = tmp_path / "out" / "all"
    for code, name, left in (("AN", "angry", 0), ("HA", "happy", 150)):
        crop = cv2.imread(str(out / name / f"KA.{code}1.1.png"))
        assert crop.shape == (100, 100, 3)
        # The crop is part of the drawn face, enlarged: it stands again in the frame, there.
        found = []
        for side in range(100, 161, 4):
            small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
            match = cv2.matchTemplate(frames[code], small, cv2.TM_CCOEFF_NORMED)
            _, score, _, place = cv2.minMaxLoc(match)
            found.append((score, place, side))
        score, place, side = max(found)
        assert score > 0.95
        assert left <= place[0] and place[0] + side <= left + 160
    assert decoded(out / "sad/KA.SA1.2.png").mode == "L"  # no colour in it
    listed = pd.read_csv(tmp_path / "out" / "without_face.csv")
    assert listed.values.tolist() == [["all/sad/KA.SA1.2.png", "KA.SA1.2.png"]]
    assert "so that their centre was taken: 1 (see without_face.csv)" in str(report)

    omitted = run(source, tmp_path / "omitted", face_size=100, without_face="omit")
    assert reasons_of(omitted) == {"KA.SA1.2.png": "no face found"}
    assert not (tmp_path / "omitted" / "without_face.csv").exists()

    animated = {"aia_anger_1.png": png_of(frames["AN"]), "ray_joy_1.png": png_of(frames["HA"])}
    run(write_folder(tmp_path / "ferg", animated), tmp_path / "drawn", face_size=240)
    centre = cv2.imread(str(tmp_path / "drawn/all/angry/aia_anger_1.png"))
    assert np.array_equal(centre, frames["AN"][:, 40:280])


@pytest.mark.parametrize(
    "settings",
    [{"form": "jafe"}, {"peak_frames": 4}, {"face_size": 0}, {"without_face": "guess"}],
)
def test_unknown_settings_stop_before_any_work(tmp_path, settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))} must be"):
        run(tmp_path / "absent", tmp_path / "out", **settings)


def test_the_chosen_detector_crops_to_the_face(tmp_path, monkeypatch):
    class LowerHalf:
        def __init__(self, model_file=None):
            pass

        def detect(self, image, thorough=False):
            return [(0, image.shape[0] // 2, image.shape[1], image.shape[0] // 2)]

    halves = np.vstack([np.zeros((32, 64)), np.full((32, 64), 200)]).astype(np.uint8)
    monkeypatch.setattr(detectors, "YuNetDetector", LowerHalf)
    source = write_folder(tmp_path / "jaffe", {"KA.AN1.1.png": png_of(halves)})
    run(source, tmp_path / "out", face_size=16, detector="yunet")
    assert cv2.imread(str(tmp_path / "out/all/angry/KA.AN1.1.png"), 0).min() == 200
    with pytest.raises(ValueError, match="haar"):
        run(source, tmp_path / "other", face_size=16, detector="hog")
