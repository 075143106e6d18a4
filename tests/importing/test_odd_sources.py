"""Sources as people have them: locked, linked, littered, with odd names and depths of pixels."""

import io
import os
import tarfile

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from tests.importing.locked_zip import write_locked_zip
from utils.datasets.table import find_images
from utils.importing.importer import import_dataset
from utils.vision.images import open_image, read_image


def image(seed: int, kind: str = "PNG", **settings) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (16, 16), np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).convert("RGB").save(file, kind, **settings)
    return file.getvalue()


def write(folder, files):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def run(source, destination, **settings):
    return import_dataset(source, destination, progress=False, **settings)


def reasons(report) -> dict:
    return dict(report.rejected.to_numpy().tolist())


FILES = {f"{name}/{number}.png": image(10 * seed + number)
         for seed, name in enumerate(("happy", "sad")) for number in range(3)}  # fmt: skip


def test_a_locked_zip_says_so_and_opens_with_its_password(tmp_path):
    source = write_locked_zip(tmp_path / "locked.zip", FILES, "Fer2013")
    with pytest.raises(ValueError, match=r"is encrypted: 6 of its 6 files.*--password"):
        run(source, tmp_path / "out")
    with pytest.raises(ValueError, match=r"password does not open .*locked\.zip"):
        run(source, tmp_path / "out", password="fer2013")
    assert run(source, tmp_path / "out", password="Fer2013").counts.loc["total", "total"] == 6
    assert "Fer2013" not in (tmp_path / "out" / "import.json").read_text()
    for path in (tmp_path / "out").glob("*/*/*.png"):
        assert path.read_bytes() == FILES[f"{path.parent.name}/{path.name}"]


def test_a_zip_locked_by_aes_says_what_to_do(tmp_path):
    source = write_locked_zip(tmp_path / "locked.zip", FILES, "secret", method=99)
    for password in (None, "secret"):
        with pytest.raises(ValueError, match=r"encrypted with AES.*7-Zip"):
            run(source, tmp_path / "out", password=password)


def test_ferg_as_it_is_handed_out_is_known_behind_its_password(tmp_path):
    words = {"anger": "angry", "joy": "happy"}
    files = {f"FERG_DB_256/{who}/{who}_{word}/{who}_{word}_{n}.png": image(n + len(who + word))
             for who in ("aia", "ray") for word in words for n in (1, 20)}  # fmt: skip
    folder = tmp_path / "download"
    folder.mkdir()
    write_locked_zip(folder / "FERG_DB_256.zip", files, "ferg")
    for source, name in ((folder / "FERG_DB_256.zip", "zip"), (folder, "folder")):
        report = run(source, tmp_path / name, password="ferg")
        assert report.dataset == "FERG-DB" and set(report.counts.index) == {
            "angry",
            "happy",
            "total",
        }


def test_links_are_followed_but_never_in_a_circle(tmp_path):
    data = write(tmp_path / "data", FILES)
    write(tmp_path / "store", {"fear/1.png": image(91), "fear/2.png": image(92)})
    os.symlink("../store/fear", data / "fear")
    os.symlink("..", data / "happy" / "round")
    os.symlink("lost.png", data / "sad" / "gone.png")
    os.symlink("itself", data / "itself")
    table = find_images(data)
    assert table["class"].value_counts().to_dict() == {"happy": 3, "sad": 3, "fear": 2}
    report = run(data, tmp_path / "out", validation_share=0)
    assert report.counts["total"].to_dict() == {"fear": 2, "happy": 3, "sad": 3, "total": 8}
    assert reasons(report) == {
        "happy/round": "a link in a circle",
        "itself": "a link in a circle",
        "sad/gone.png": "a link that leads nowhere",
    }


@pytest.mark.parametrize("folder", [".ipynb_checkpoints", "__MACOSX", ".git"])
def test_hidden_folders_are_no_classes(tmp_path, folder, capsys):
    data = write(tmp_path / "data", {f"train/{path}": data for path, data in FILES.items()})
    write(data, {f"train/{folder}/1.png": image(90), "train/happy/Thumbs.db": b"thumbs"})
    assert set(find_images(data)["class"]) == {"happy", "sad"}
    assert "left out 2 hidden or a system's" in capsys.readouterr().out
    report = run(data, tmp_path / "out")
    assert list(report.counts.index) == ["happy", "sad", "total"]
    assert set(reasons(report).values()) == {"system file"}


@pytest.mark.parametrize(
    ("name", "split"),
    [("val", "validation"), ("Valid", "validation"), ("dev", "validation"), ("TRAINING", "train"),
     ("testing", "test"), ("test_set", "test"), ("validation data", "validation")],
)  # fmt: skip
def test_splits_under_their_usual_names(tmp_path, name, split):
    other = "train" if split != "train" else "test"
    data = write(tmp_path / "data", {f"{part}/{path}": image(len(part) * 100 + seed)
                 for part in (name, other) for seed, path in enumerate(FILES)})  # fmt: skip
    expected = {split: 6, other: 6}
    assert find_images(data)["split"].value_counts().to_dict() == expected
    report = run(data, tmp_path / "out", validation_share=0)
    assert report.counts.loc["total"].drop("total").to_dict() == expected


def test_all_that_the_table_leaves_out_is_told_with_a_reason(tmp_path, capsys):
    data = write(tmp_path / "data", {f"train/{path}": data for path, data in FILES.items()})
    write(data, {"train/happy/notes.txt": b"no image", "train/loose.png": image(90),
                 "extra/sad/1.png": image(91), "train/cats/more/2.png": image(92),
                 "manifest.csv": b"file,subject,domain\n"})  # fmt: skip
    assert len(find_images(data)) == 6
    told = capsys.readouterr().out
    for part in ("1 no image (train/happy/notes.txt)", "1 not in a class folder (train/loose.png)",
                 "1 outside the split folders (extra/sad/1.png)",
                 "1 deeper than a class folder (train/cats/more/2.png)"):  # fmt: skip
        assert part in told
    assert "manifest" not in told


def test_images_are_told_by_content_and_keep_what_keras_reads(tmp_path):
    pillow_heif.register_heif_opener()
    files = {"happy/a.jfif": image(1, "JPEG"), "happy/b": image(2, "PNG"), "happy/c.HEIC":
             image(3, "HEIF"), "sad/d.dat": image(4, "AVIF"), "sad/e.001": image(5, "JPEG"),
             "sad/f.jpg": b"<html>not found</html>", "sad/g.PNG": image(6, "JPEG")}  # fmt: skip
    data = write(tmp_path / "data", files)
    report = run(data, tmp_path / "out", validation_share=0)
    written = {path.relative_to(tmp_path / "out" / "train").as_posix(): path
               for path in (tmp_path / "out" / "train").glob("*/*")}  # fmt: skip
    assert set(written) == {"happy/a.jpg", "happy/b.png", "happy/c.png", "sad/d.dat.png",
                            "sad/e.001.jpg", "sad/g.PNG"}  # fmt: skip
    assert written["happy/a.jpg"].read_bytes() == files["happy/a.jfif"]
    assert written["happy/b.png"].read_bytes() == files["happy/b"]
    assert (read_image(written["happy/c.png"]) == open_image(files["happy/c.HEIC"])).all()
    assert reasons(report)["sad/f.jpg"].startswith("unreadable image: no image")
    assert len(find_images(data)) == 7  # by content or by name; the audit counts what is none


def test_deep_and_turned_images_become_pngs_that_look_the_same(tmp_path):
    twelve = np.random.default_rng(0).integers(0, 4096, (16, 16), np.uint16)
    turned = Image.Exif()
    turned[0x0112] = 6
    files = {"happy/grey.tif": _tiff(twelve), "happy/float.tif": _tiff(twelve / np.float32(4095)),
             "sad/turned.tif": image(3, "TIFF", exif=turned)}  # fmt: skip
    run(write(tmp_path / "data", files), tmp_path / "out", validation_share=0)
    for path, data in files.items():
        written = (tmp_path / "out" / "train" / path).with_suffix(".png")
        assert (read_image(written) == open_image(data)).all()


def _tiff(values) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF")
    return file.getvalue()


def test_a_known_set_beside_other_folders_is_pointed_out(tmp_path):
    known = {f"faces/CK+48/{label}/S{n:03}_001_{n:08}.png": image(100 * seed + n)
             for seed, label in enumerate(("anger", "happy")) for n in range(10, 24)}  # fmt: skip
    others = {f"shots/{name}/{n}.png": image(1000 + 100 * seed + n)
              for seed, name in enumerate(("happy", "sad")) for n in range(20)}  # fmt: skip
    data = write(tmp_path / "repository", known | others)
    report = run(data, tmp_path / "out")
    assert "28 of 68 images are named as in CK+48: --format ck48" in str(report)
    assert run(data, tmp_path / "ck", form="ck48").dataset == "CK+48"
    report = run(write(tmp_path / "plain", FILES), tmp_path / "other")
    assert "--format" not in str(report)


def test_images_without_a_suffix_are_found_in_a_tar(tmp_path):
    path = tmp_path / "faces.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in FILES.items():
            info = tarfile.TarInfo(name.removesuffix(".png"))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert run(path, tmp_path / "out").counts.loc["total", "total"] == 6
