import errno
import hashlib
import io
import multiprocessing
import os
import signal
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from utils.config import CLASS_NAMES
from utils.importing import archives, importer, writing
from utils.importing.importer import import_dataset
from utils.vision.images import load_image


def image(seed: int, form: str = "PNG", side: int = 12) -> bytes:
    """A small grey image, different for each seed."""
    values = np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, form)
    return file.getvalue()


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_tar(path: Path, files: dict[str, bytes], mode: str) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def imported_files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.glob("*/*/*")}


def read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False)


def run(source, destination, **settings):
    return import_dataset(source, destination, progress=False, **settings)


# The popular archive: test/ mixes PublicTest and PrivateTest images.
OFFICIAL = {
    "train/angry/Training_3908.jpg": image(1, "JPEG"),
    "train/angry/Training_10118481.jpg": image(2, "JPEG"),
    "train/happy/Training_2.jpg": image(3, "JPEG"),
    "test/angry/PublicTest_10150476.jpg": image(4, "JPEG"),
    "test/happy/PrivateTest_1054527.jpg": image(5, "JPEG"),
}
SORTED = {
    "train/angry/Training_3908.jpg": image(1, "JPEG"),
    "train/angry/Training_10118481.jpg": image(2, "JPEG"),
    "train/happy/Training_2.jpg": image(3, "JPEG"),
    "validation/angry/PublicTest_10150476.jpg": image(4, "JPEG"),
    "test/happy/PrivateTest_1054527.jpg": image(5, "JPEG"),
}


@pytest.mark.parametrize("root", ["", "./", "archive/fer2013/"])
@pytest.mark.parametrize("form", ["folder", ".zip", ".tar", ".tar.gz", ".tar.xz"])
def test_official_names_tell_the_split_in_every_form_of_source(tmp_path, form, root):
    files = {root + path: data for path, data in OFFICIAL.items()}
    source = tmp_path / f"download{form}"
    if form == "folder":
        write_folder(source, files)
    elif form == ".zip":
        write_zip(source, files)
    else:
        write_tar(source, files, "w" if form == ".tar" else f"w:{form.rpartition('.')[2]}")

    report = run(source, tmp_path / "data" / "fer2013")

    assert imported_files(tmp_path / "data" / "fer2013") == SORTED
    assert report.counts.loc["angry"].to_dict() == {
        "train": 2, "validation": 1, "test": 0, "total": 3
    }  # fmt: skip
    assert report.counts.loc["total", "total"] == 5
    assert report.expected.loc["angry", "train"] == 3995  # published, so a difference is shown
    assert "angry in train -3993" in str(report)
    assert report.rejected.empty


def test_manifest_describes_every_image(tmp_path):
    run(write_zip(tmp_path / "fer.zip", OFFICIAL), tmp_path / "out", domain="drawings")
    manifest = read_csv(tmp_path / "out" / "manifest.csv")
    assert list(manifest) == ["file", "class", "subject", "domain", "source", "sha256"]
    assert set(manifest["file"]) == set(SORTED)
    row = manifest.set_index("file").loc["test/happy/PrivateTest_1054527.jpg"]
    assert row["class"] == "happy" and row["subject"] == "" and row["domain"] == "drawings"
    assert row["source"] == "test/happy/PrivateTest_1054527.jpg"
    assert row["sha256"] == hashlib.sha256(image(5, "JPEG")).hexdigest()
    assert (tmp_path / "out" / "rejected.csv").read_text() == "source,reason\n"


def test_class_folders_in_any_case_and_with_synonyms(tmp_path):
    words = ["Anger", "DISGUST", "fearful", "Joy", "neutral", "Sadness", "Surprised"]
    files = {
        f"{split}/{word}/{number}.png": image(10 * number + seed)
        for seed, word in enumerate(words)
        for number, split in enumerate(("Training", "VALID"))
    }
    report = run(write_folder(tmp_path / "source", files), tmp_path / "out")
    assert list(report.counts.index) == [*CLASS_NAMES, "total"]
    assert list(report.counts.columns) == ["train", "validation", "total"]
    assert report.expected is None
    assert any("No test part" in note for note in report.notes)


def test_a_subset_of_the_classes_and_own_names(tmp_path):
    files = {f"{name}/{n}.png": image(100 * i + n)
             for i, name in enumerate(("Anger", "joy", "Bored")) for n in range(10)}  # fmt: skip
    source = write_folder(tmp_path / "source", files)

    everything = run(source, tmp_path / "all")
    assert list(everything.counts.index) == ["angry", "happy", "Bored", "total"]

    assert not any("known expression" in note for note in everything.notes)

    some = run(source, tmp_path / "some", class_names=["angry", "bored"])
    assert list(some.counts.index) == ["angry", "bored", "total"]
    assert list(some.rejected["reason"].unique()) == ["of classes not wanted: joy"]
    with pytest.raises(ValueError, match="sad"):
        run(source, tmp_path / "none", class_names=["angry", "sad"])
    assert not (tmp_path / "none").exists()


def test_folders_that_may_not_be_classes_are_remarked_on(tmp_path):
    files = {f"CK/{person}/{n}.png": image(person + n) for person in (5, 50) for n in range(10)}
    report = run(write_folder(tmp_path / "source", files), tmp_path / "out")
    assert any("No class is a known expression" in note for note in report.notes)


def csv_of(rows, header="emotion,pixels,Usage", order=(0, 1, 2)) -> str:
    lines = [",".join(str(row[place]) for place in order) for row in rows]
    return "\n".join([header, *lines]) + "\n"


def pixels_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 48), np.uint8)


def as_text(values: np.ndarray) -> str:
    return " ".join(map(str, values.ravel()))


USAGES = ["Training", "Training", "PublicTest", "PrivateTest"]
CSV_ROWS = [(code, as_text(pixels_of(code)), usage)
            for code, usage in zip((0, 3, 0, 6), USAGES, strict=True)]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fer2013.csv", csv_of(CSV_ROWS)),
        ("icml_face_data.csv", csv_of(CSV_ROWS, "emotion, Usage, pixels", (0, 2, 1))),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_csv_keeps_the_usage_and_the_pixels(tmp_path, name, text, wrapped):
    if wrapped:
        other = {"test.csv": b"pixels\n0 0\n", "readme.txt": b"hello"}
        source = write_zip(tmp_path / "c.zip", {f"fer/{name}": text.encode(), **other})
    else:
        source = tmp_path / name
        source.write_text(text)
    report = run(source, tmp_path / "out")
    files = imported_files(tmp_path / "out")
    assert set(files) == {
        "train/angry/Training_00000.png",
        "train/happy/Training_00001.png",
        "validation/angry/PublicTest_00002.png",
        "test/neutral/PrivateTest_00003.png",
    }
    data = np.frombuffer(files["test/neutral/PrivateTest_00003.png"], np.uint8)
    np.testing.assert_array_equal(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), pixels_of(6))
    assert set(report.rejected["source"]) == ({"test.csv", "readme.txt"} if wrapped else set())


def test_bad_rows_are_left_out_and_the_rest_kept(tmp_path):
    short, large = as_text(pixels_of(9))[:-40], as_text(pixels_of(9)).rpartition(" ")[0] + " 256"
    good = as_text(pixels_of(1))
    bad = [
        (7, good, "Training"),
        (0, short, "Training"),
        (0, large, "Training"),
        (0, good, "Elsewhere"),
        ("", good, "Training"),
    ]
    (tmp_path / "fer2013.csv").write_text(csv_of(CSV_ROWS + bad) + "0,1 2 3\n")
    report = run(tmp_path / "fer2013.csv", tmp_path / "out")
    assert report.counts.loc["total", "total"] == 4
    assert list(report.rejected["reason"].str.split(":").str[0]) == [
        "bad emotion code", "wrong pixel count", "bad pixels", "unknown usage",
        "bad emotion code", "bad row",
    ]  # fmt: skip
    assert report.rejected["source"][1] == "fer2013.csv#5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Usage,Image name,neutral\nTraining,fer0000000.png,10\n", "image name"),
        ("emotion,pixels\n0,1 2 3\n3,1 2 3\n", "wrong pixel count: 3, expected 2304"),
        ("", "Found wrong.csv: no columns"),
        ("emotion;pixels\n0;1 2 3\n", r"emotion;pixels \(save it as CSV with commas, in UTF-8\)"),
        (",".join(f"p{n}" for n in range(99)), "p10, p11 and 87 more"),
    ],
)
def test_a_wrong_csv_is_an_error(tmp_path, text, message):
    (tmp_path / "wrong.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "wrong.csv", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.csv"]


def test_the_competitions_train_csv_is_a_train_part(tmp_path):
    rows = [(code, as_text(pixels_of(10 * code + n))) for code in (0, 3) for n in range(10)]
    (tmp_path / "train.csv").write_text(csv_of(rows, "emotion,pixels", (0, 1)))
    report = run(tmp_path / "train.csv", tmp_path / "out")
    assert report.counts.loc["angry"].to_dict() == {"train": 9, "validation": 1, "total": 10}
    assert any("No validation part in the source: 2 images" in note for note in report.notes)


def plain_source(folder: Path, parts: dict[str, int]) -> Path:
    """Two classes; the first five images of each class come twice."""
    files = {}
    for part, count in parts.items():
        for label, offset in (("sad", 0), ("happy", 1000)):
            for number in range(count):
                seed = offset + (number if number >= 5 else number // 5) + len(part) * 5000
                files[f"{part}/{label}/{number}.png"] = image(seed)
    return write_folder(folder, files)


def test_validation_is_cut_from_train_without_parting_identical_images(tmp_path):
    source = plain_source(tmp_path / "source", {"train": 44, "test": 6})
    report = run(source, tmp_path / "out", validation_share=0.25)
    # 44 images a class, of which five are one and the same: 40 different ones.
    sizes = report.counts.loc[["happy", "sad"]]
    assert (sizes["test"] == 6).all()
    assert sizes["validation"].isin([10, 14]).all()
    manifest = read_csv(tmp_path / "out" / "manifest.csv")
    split = manifest["file"].str.split("/").str[0]
    cut = manifest[split != "test"].assign(split=split)
    assert (cut.groupby("sha256")["split"].nunique() == 1).all()
    assert any("No validation part in the source" in note for note in report.notes)

    again = run(source, tmp_path / "again", validation_share=0.25)
    assert imported_files(again.destination) == imported_files(report.destination)
    other = run(source, tmp_path / "other", validation_share=0.25, seed=1)
    assert imported_files(other.destination).keys() != imported_files(report.destination).keys()


def test_without_any_split_validation_and_test_are_cut(tmp_path):
    files = {f"{label}/{n}.png": image(1000 * i + n)
             for i, label in enumerate(("sad", "happy")) for n in range(30)}  # fmt: skip
    report = run(write_folder(tmp_path / "source", files), tmp_path / "out")
    for label in ("sad", "happy"):
        assert report.counts.loc[label].to_dict() == {
            "train": 24, "validation": 3, "test": 3, "total": 30
        }  # fmt: skip
    assert len(imported_files(tmp_path / "out")) == 60

    whole = run(tmp_path / "source", tmp_path / "whole", validation_share=0)
    assert list(whole.counts.columns) == ["train", "total"]


def test_a_nested_copy_is_imported_once_and_a_taken_name_is_changed(tmp_path):
    files = {
        "images/images/train/sad/1.png": image(1),
        "images/images/validation/happy/1.png": image(3),
        "images/train/sad/1.png": image(1),
        "images/train/happy/1.png": image(2),
        "images/validation/happy/1.png": image(3),
        "images/validation/Joy/1.png": image(4),
    }
    report = run(write_zip(tmp_path / "images.zip", files), tmp_path / "out")
    assert sorted(imported_files(tmp_path / "out")) == [
        "train/happy/1.png", "train/sad/1.png", "validation/happy/1-2.png", "validation/happy/1.png"
    ]  # fmt: skip
    assert dict(report.rejected.values) == {
        "images/images/train/sad/1.png": "second copy: of images/train/sad/1.png",
        "images/images/validation/happy/1.png": "second copy: of images/validation/happy/1.png",
    }


def test_what_is_no_image_of_a_class_is_left_out_with_a_reason(tmp_path):
    whole = image(8, "JPEG", 48)
    files = OFFICIAL | {
        "train/angry/Training_10371709.jpg0.jpg": image(6),
        "train/angry/._Training_2.jpg": b"finder",
        "train/angry/.DS_Store": b"finder",
        "train/happy/Thumbs.db": b"explorer",
        "train/happy/Training_99.jpg": whole[: len(whole) // 2],
        "train/happy/Training_98.jpg": b"",
        "train/cover.png": image(7),
        "README.md": b"read me",
        "samples/angry/1.png": image(9),
    }
    report = run(write_zip(tmp_path / "fer.zip", files), tmp_path / "out")
    assert imported_files(tmp_path / "out") == SORTED
    reasons = dict(report.rejected.values)
    assert {path: reason.split(":")[0] for path, reason in reasons.items()} == {
        "train/angry/Training_10371709.jpg0.jpg": "augmentation leftover",
        "train/angry/._Training_2.jpg": "system file",
        "train/angry/.DS_Store": "system file",
        "train/happy/Thumbs.db": "system file",
        "train/happy/Training_99.jpg": "unreadable image",
        "train/happy/Training_98.jpg": "unreadable image",
        "train/cover.png": "not in a class folder",
        "README.md": "not an image",
        "samples/angry/1.png": "outside the split folders",
    }
    assert "2 unreadable image" in str(report)


@pytest.mark.parametrize("path", ["../angry/x.jpg", "/tmp/angry/x.jpg", "a/../../angry/x.jpg",
                                  "C:/angry/x.jpg", "..\\angry\\x.jpg"])  # fmt: skip
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_path_that_would_leave_the_destination_is_refused(tmp_path, kind, path):
    if kind == "tar" and "\\" in path:
        pytest.skip("a backslash is an ordinary letter in a tar")
    files = {path: image(1), **OFFICIAL}
    source = tmp_path / f"evil.{kind}"
    write_zip(source, files) if kind == "zip" else write_tar(source, files, "w")
    report = run(source, tmp_path / "inner" / "out")
    assert list(report.rejected["reason"]) == ["unsafe path"]
    assert sorted(path.name for path in tmp_path.rglob("*") if path.name == "x.jpg") == []
    assert imported_files(tmp_path / "inner" / "out") == SORTED


def test_links_and_encrypted_members_are_left_out(tmp_path):
    source = write_zip(tmp_path / "fer.zip", OFFICIAL)
    with zipfile.ZipFile(source, "a") as archive:
        link = zipfile.ZipInfo("train/angry/link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("train/angry/secret.jpg", image(20))
        archive.getinfo("train/angry/secret.jpg").flag_bits |= 1
    report = run(source, tmp_path / "out")
    assert dict(report.rejected.values) == {
        "train/angry/link.jpg": "link",
        "train/angry/secret.jpg": "encrypted",
    }

    source = write_tar(tmp_path / "fer.tar", OFFICIAL, "w")
    with tarfile.open(source, "a") as archive:
        for name, kind in (("soft", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE)):
            link = tarfile.TarInfo(f"train/angry/{name}.jpg")
            link.type, link.linkname = kind, "/etc/passwd"
            archive.addfile(link)
    report = run(source, tmp_path / "out2")
    assert list(report.rejected["reason"]) == ["link", "link"]


def test_a_image_that_unpacks_to_something_enormous_is_left_out(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data)
        )  # fmt: skip

    header = struct.pack(">IIBBBBB", 10_000, 8_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0"))
    with pytest.raises(ValueError, match="too large: 10000×8000"):
        load_image(bomb)

    source = tmp_path / "bomb.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in OFFICIAL.items():
            archive.writestr(path, data)
        archive.writestr("train/angry/zeros.png", bytes(archives.MAX_IMAGE_BYTES + 1))
    assert list(run(source, tmp_path / "out").rejected["reason"]) == ["too large: 67108865 bytes"]


def test_images_keras_cannot_read_become_png_with_the_same_pixels(tmp_path):
    files = {
        "train/sad/a.tiff": image(1, "TIFF"),
        "train/sad/disguised.jpg": image(2, "TIFF"),
        "train/happy/b.bmp": image(3, "BMP"),
        "train/happy/C.PNG": image(4, "PNG"),
        "val/sad/e.png": image(5),
        "val/happy/f.png": image(6),
    }
    report = run(write_folder(tmp_path / "source", files), tmp_path / "out")
    out = imported_files(tmp_path / "out")
    for new, old in (("a.png", "a.tiff"), ("disguised.png", "disguised.jpg")):
        converted = Image.open(io.BytesIO(out[f"train/sad/{new}"]))
        assert converted.format == "PNG"
        original = Image.open(io.BytesIO(files[f"train/sad/{old}"]))
        np.testing.assert_array_equal(np.asarray(converted), np.asarray(original))
    assert out["train/happy/b.bmp"] == files["train/happy/b.bmp"]
    assert out["train/happy/C.PNG"] == files["train/happy/C.PNG"]
    assert "2 images were converted to PNG, which Keras reads." in report.notes


def stamps(folder: Path) -> dict:
    return {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


def test_importing_twice_changes_nothing_and_anything_else_is_refused(tmp_path):
    source, out = write_zip(tmp_path / "fer.zip", OFFICIAL), tmp_path / "out"
    first = run(source, out)
    before = stamps(tmp_path)
    second = run(source, out)
    assert stamps(tmp_path) == before
    pd.testing.assert_frame_equal(first.counts, second.counts)
    assert str(first) == str(second)

    with pytest.raises(FileExistsError, match="another import"):
        run(source, out, class_names=["angry", "happy"])
    with pytest.raises(FileExistsError, match="another import"):
        run(write_zip(tmp_path / "b.zip", OFFICIAL | {"train/sad/1.png": image(9)}), out)
    assert stamps(out) == {path: at for path, at in before.items() if path.is_relative_to(out)}
    (out / "train/happy/Training_2.jpg").unlink()
    with pytest.raises(FileExistsError, match="changed since"):
        run(source, out)

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(FileExistsError, match="files of its own"):
        run(source, tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep me"


def test_the_source_is_left_as_it_was(tmp_path):
    source = write_folder(tmp_path / "source", OFFICIAL)
    before = stamps(source)
    run(source, tmp_path / "out")
    assert stamps(source) == before
    with pytest.raises(ValueError, match="inside the source"):
        run(source, source / "out")


def import_and_die(source, out, module, function, call):
    """Import in this process, which is killed at a call of one of the importer's functions."""
    calls, original = iter(range(call)), getattr(module, function)

    def deadly(*arguments, **keywords):
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **keywords)

    setattr(module, function, deadly)
    run(source, out)


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("module", "function", "call"),
    [(writing, "load_image", 0), (writing, "load_image", 3), (importer, "_write_tables", 0)],
)
def test_a_killed_import_leaves_nothing_half_done(tmp_path, module, function, call):
    source, out = write_zip(tmp_path / "fer.zip", OFFICIAL), tmp_path / "out"
    process = multiprocessing.get_context("fork").Process(
        target=import_and_die, args=(source, out, module, function, call)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not out.exists()
    assert len(list(tmp_path.iterdir())) == 2  # the source and what was staged

    run(source, out)
    assert imported_files(out) == SORTED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fer.zip", "out"]


def test_a_full_disk_is_said_and_nothing_is_left(tmp_path, monkeypatch):
    source = write_zip(tmp_path / "fer.zip", OFFICIAL)
    write_bytes, written = Path.write_bytes, []

    def write_until_full(path, data):
        written.append(path)
        if len(written) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", write_until_full)
    with pytest.raises(OSError, match="disk is full") as caught:
        run(source, tmp_path / "out")
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in tmp_path.iterdir()] == ["fer.zip"]


def test_sources_that_cannot_be_imported_say_why(tmp_path):
    with pytest.raises(FileNotFoundError, match="No source at"):
        run(tmp_path / "absent.zip", tmp_path / "out")

    whole = write_zip(tmp_path / "whole.zip", OFFICIAL).read_bytes()
    (tmp_path / "part.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="incomplete or damaged"):
        run(tmp_path / "part.zip", tmp_path / "out")

    whole = write_tar(tmp_path / "whole.tar.gz", OFFICIAL, "w:gz").read_bytes()
    (tmp_path / "part.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="damaged"):
        run(tmp_path / "part.tar.gz", tmp_path / "out")

    flat = write_folder(tmp_path / "flat", {"1.tiff": image(1, "TIFF"), "a.zip": whole})
    with pytest.raises(ValueError, match=r"two or more class folders.*1 \.zip"):
        run(flat, tmp_path / "out")

    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no usable file"):
        run(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_class_is_an_error_unless_it_is_not_wanted(tmp_path):
    source = write_folder(tmp_path / "source", OFFICIAL)
    (source / "train" / "disgust").mkdir()
    with pytest.raises(ValueError, match="image of disgust in"):
        run(source, tmp_path / "out")
    assert run(source, tmp_path / "out", class_names=["angry", "happy"]).counts.shape == (3, 4)

    broken = write_zip(tmp_path / "fer.zip", OFFICIAL | {"train/sad/1.jpg": b"not an image"})
    with pytest.raises(ValueError, match="image of sad in"):
        run(broken, tmp_path / "out2")


@pytest.mark.parametrize("name", ["two\nlines", "Person"])
def test_a_name_that_no_model_takes_is_refused(tmp_path, name):
    source = write_folder(tmp_path / "in", {f"{one}/1.png": image(1) for one in ("happy", name)})
    with pytest.raises(ValueError, match="A class cannot be called") as refused:
        run(source, tmp_path / "out")
    assert repr(name) in str(refused.value) and not (tmp_path / "out").exists()


def test_settings_out_of_range_are_refused(tmp_path):
    source = write_zip(tmp_path / "fer.zip", OFFICIAL)
    with pytest.raises(ValueError, match="validation_share"):
        run(source, tmp_path / "out", validation_share=0.5)
    with pytest.raises(ValueError, match="class names"):
        run(source, tmp_path / "out", class_names="happy")
