"""Whatever a person may hand over: right pixels, or a clear refusal."""

import io
import struct
import warnings
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from utils.vision import image_kinds, images
from utils.vision.images import MAX_ASPECT, ImageError, open_image, read_image
from utils.vision.opencv import cv2

# Red, green, blue and white quarters: turns, mirrors and swapped channels all show.
RGB = np.zeros((32, 48, 3), np.uint8)
RGB[:16, :24], RGB[:16, 24:] = (255, 0, 0), (0, 255, 0)
RGB[16:, :24], RGB[16:, 24:] = (0, 0, 255), 255
BGR = np.ascontiguousarray(RGB[..., ::-1])
NOISE = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
GREY = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (32, 1))


def encode(image, kind, **settings):
    data = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(data, kind, **settings)
    return data.getvalue()


def png_header(width, height, data=b"0"):
    def chunk(name, content):
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_lossless_files_keep_their_pixels_in_bgr(kind):
    assert (open_image(encode(RGB, kind)) == BGR).all()
    grey = open_image(encode(GREY, kind))
    assert (grey.T == GREY.T).all()  # a GIF has a palette, so three equal channels


@pytest.mark.parametrize(
    ("image", "settings"),
    [
        (RGB, {"format": "PNG"}),
        (RGB, {"format": "JPEG", "quality": 70}),
        (RGB, {"format": "JPEG", "progressive": True}),
        (RGB, {"format": "WEBP", "quality": 70}),
        (GREY, {"format": "JPEG", "quality": 70}),
        (GREY, {"format": "PNG"}),
        (GREY.astype(np.uint16) * 257, {"format": "PNG"}),
        (Image.fromarray(RGB).convert("P"), {"format": "GIF"}),
    ],
)
def test_both_readers_give_the_same_pixels(tmp_path, image, settings):
    kind = settings["format"]
    data = encode(image, kind, **{key: settings[key] for key in settings if key != "format"})
    path = tmp_path / f"image.{kind.lower()}"
    path.write_bytes(data)
    expected = read_image(path)
    for source in (path, str(path), data, bytearray(data)):
        opened = open_image(source)
        assert opened.dtype == np.uint8 and opened.shape == expected.shape
        assert (opened == expected).all()


def test_arrays_and_pil_images():
    assert open_image(BGR) is BGR
    assert (open_image(RGB, colour_order="rgb") == BGR).all()
    assert open_image(GREY, colour_order="rgb") is GREY
    assert (open_image(Image.fromarray(RGB), colour_order="rgb") == BGR).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_phones_images_are_turned_upright(kind, orientation):
    # What a camera held in that way stores, so that the tag undoes it.
    stored = {
        1: RGB, 2: RGB[:, ::-1], 3: RGB[::-1, ::-1], 4: RGB[::-1], 5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB), 7: RGB[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(RGB, -1),
    }[orientation]  # fmt: skip
    tag = Image.Exif()
    tag[0x0112] = orientation
    data = encode(np.ascontiguousarray(stored), kind, exif=tag)
    opened = open_image(data)
    assert opened.shape == BGR.shape
    assert np.abs(opened[4::8, 4::8].astype(int) - BGR[4::8, 4::8]).max() < 30
    image = Image.open(io.BytesIO(data))
    size = image.size
    assert (open_image(image) == opened).all()
    assert image.size == size  # the caller's image is left as it was


def test_transparent_parts_become_white():
    half = np.dstack([RGB, np.full((32, 48), 255, np.uint8)])
    half[:16, :, 3] = 0  # what is red and green underneath is not to be seen
    half[16:, 24:] = 0, 0, 0, 128
    for kind in ("PNG", "WEBP", "TIFF"):
        opened = open_image(encode(half, kind, **({"lossless": True} if kind == "WEBP" else {})))
        assert (opened[:16] == 255).all()
        assert (opened[16:, :24] == BGR[16:, :24]).all()
        assert np.abs(opened[16:, 24:].astype(int) - 127).max() <= 1
    grey = Image.fromarray(np.dstack([GREY, np.where(GREY > 100, 255, 0).astype(np.uint8)]), "LA")
    assert (open_image(encode(grey, "PNG")) == np.where(GREY > 100, GREY, 255)).all()
    palette = Image.fromarray(RGB).convert("P")
    clear = palette.getpixel((0, 0))
    opened = open_image(encode(palette, "PNG", transparency=clear))
    assert (opened[:16, :24] == 255).all() and (opened[16:, :24] == BGR[16:, :24]).all()


def test_other_pixel_kinds():
    cmyk = open_image(encode(Image.fromarray(RGB).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(cmyk.astype(int) - BGR)[4::8, 4::8].max() < 30
    assert (open_image(encode(GREY.astype(np.uint16) * 257, "TIFF")) == GREY).all()
    bits = open_image(encode(Image.fromarray(GREY > 100), "PNG"))
    assert (bits == np.where(GREY > 100, 255, 0)).all()
    grey_alpha = Image.merge("LA", [Image.fromarray(GREY), Image.new("L", (48, 32), 255)])
    assert (open_image(encode(grey_alpha, "PNG")) == GREY).all()
    palette = Image.fromarray(RGB).convert("P")
    assert (open_image(encode(palette, "TIFF")) == BGR).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_more_than_8_bits_are_scaled_by_their_own_range(kind, bits, tmp_path):
    suffix = f".{kind.lower()}"
    top = 2**bits - 1
    for values, expected in ((GREY, GREY), (BGR, BGR), (RGB[:24], RGB[:24])):
        deep = np.round(values.astype(float) * top / 255).astype(np.uint16)
        deep[0, 0] = top  # or a dark image could be one of fewer bits
        path = tmp_path / f"deep{suffix}"
        path.write_bytes(cv2.imencode(suffix, deep)[1].tobytes())
        for opened in (open_image(path), read_image(path)):
            assert opened.dtype == np.uint8 and opened.shape == expected.shape
            difference = np.abs(opened.astype(int) - expected)
            difference[0, 0] = 0
            assert difference.max() <= 1
            assert (opened[0, 0] == 255).all()


def test_transparent_images_of_16_bits():
    alpha = np.full((32, 48), 65535, np.uint16)
    alpha[:16] = 0
    deep = np.dstack([BGR.astype(np.uint16) * 16, alpha])
    opened = open_image(cv2.imencode(".png", deep)[1].tobytes())
    assert (opened[:16] == 255).all() and (opened[16:] == BGR[16:]).all()


def test_numbers_of_32_bits():
    for values in (GREY.astype(np.float32), GREY.astype(np.int32), GREY / np.float32(255)):
        assert (open_image(encode(values, "TIFF")) == GREY).all()
    twelve = np.round(GREY.astype(np.float32) * 4095 / 255)
    twelve[0, 0] = 4095
    assert np.abs(open_image(encode(twelve, "TIFF")).astype(int) - GREY)[1:].max() <= 1
    for wrong in (GREY - np.float32(1), GREY * np.float32(np.nan), GREY * np.float32(1e6)):
        with pytest.raises(ImageError, match="no known range"):
            open_image(encode(wrong, "TIFF"))


def test_grey_of_which_the_least_is_white():
    deep = np.round(GREY.astype(float) * 4095 / 255).astype(np.uint16)
    deep[0, 0] = 4095
    negative = encode(4095 - deep, "TIFF", tiffinfo={262: 0})
    assert np.abs(open_image(negative).astype(int) - GREY)[1:].max() <= 1


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_phones_formats(kind, tmp_path):
    if kind == "HEIF":
        pillow_heif.register_heif_opener()
    tag = Image.Exif()
    tag[0x0112] = 6
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(RGB)))
    for exif, upright in ((tag, BGR), (Image.Exif(), np.rot90(BGR))):
        path = tmp_path / "photo.jpg"  # what messengers make of the name
        path.write_bytes(encode(stored, kind, quality=95, exif=exif.tobytes()))
        for opened in (open_image(path), read_image(path)):
            assert opened.shape == upright.shape
            assert np.abs(opened[4::8, 4::8].astype(int) - upright[4::8, 4::8]).max() < 40
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageError, match="unreadable"):
        open_image(path)


def test_of_an_animation_the_first_frame():
    later = [Image.fromarray(BGR), Image.fromarray(RGB[::-1])]
    for kind in ("GIF", "WEBP", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encode(RGB, kind, save_all=True, append_images=later, **options)
        assert (open_image(data) == BGR).all()


@pytest.mark.parametrize("side", [1, 2, 3])
def test_very_small_images(side):
    assert open_image(encode(RGB[:side, :side], "PNG")).tolist() == BGR[:side, :side].tolist()


HOSTILE = {
    "nothing": (b"", "file is empty"),
    "text": (b"This is no image." * 50, "no image, or a damaged header; expected AVIF"),
    "page": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image"),
    "postscript": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "no image",
    ),
    "header": (encode(RGB, "PNG")[:20], "unreadable"),
    "half": (encode(NOISE, "JPEG")[:-1000], "truncated"),
    "half png": (encode(GREY, "PNG")[:-40], "unreadable"),
    "bomb": (png_header(10_000, 8_000), "too large: 10000×8000 pixels; expected at most 64,000,0"),
    "50 megapixels": (png_header(8_192, 6_144), "unreadable"),  # and not too large
    "large bomb": (png_header(30_000, 30_000), "too large"),
    "strip": (png_header(4_000, 10), f"too narrow: 4000×10 .* at most {MAX_ASPECT} times"),
    "claims": (png_header(6_000, 6_000), "unreadable"),
}


def test_a_camera_s_raw_file_is_not_read_from_its_preview():
    """A reduced image (tag 254) beside others (330), or the tag of DNG."""
    for tags in ({254: 1, 330: 8}, {50706: b"\1\4\0\0"}):
        with pytest.raises(ImageError, match="a camera's raw file; export it as JPEG"):
            open_image(encode(RGB, "TIFF", tiffinfo=tags))
    assert open_image(encode(RGB, "TIFF", tiffinfo={254: 1})).tolist() == BGR.tolist()
    unknown = encode(RGB, "TIFF").replace(
        b"\x06\x01\x03\0\1\0\0\0\2", b"\x06\x01\x03\0\1\0\0\0\x63"
    )
    with pytest.raises(ImageError, match="a TIFF file of a kind that is not known"):
        open_image(unknown)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_content_is_refused_with_a_reason(name, tmp_path):
    data, reason = HOSTILE[name]
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    for source in (data, path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(ImageError, match=reason):
                open_image(source)


def test_size_is_checked_before_decoding(monkeypatch):
    decoded = []
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", lambda _: decoded.append(1))
    for width, height in ((10_000, 8_000), (4_000, 10)):
        with pytest.raises(ImageError):
            open_image(png_header(width, height))
        lazy = Image.open(io.BytesIO(png_header(width, height)))
        with pytest.raises(ImageError):
            open_image(lazy)
    assert not decoded


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_an_image_of_too_many_scans_is_refused_before_it_is_decoded(tmp_path, monkeypatch, kind):
    usual = encode(RGB, "JPEG", progressive=True)
    last = usual.rindex(b"\xff\xda")
    path = tmp_path / "scans.jpg"
    path.write_bytes(usual[:last] + 50 * usual[last:-2] + usual[-2:])
    if kind == "TIFF":
        whole = encode(RGB, "TIFF", compression="jpeg")
        path.write_bytes(whole + 60 * b"\xff\xda")
    assert open_image(path).shape == RGB.shape  # it is small: no harm
    monkeypatch.setattr(image_kinds, "MAX_SCANNED", 30 * RGB.shape[0] * RGB.shape[1])
    monkeypatch.setattr(images, "USUAL_SCANS", 30)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("decoded"))
    lazy = Image.open(path)
    for source in (path, path.read_bytes(), lazy):
        with pytest.raises(ImageError, match=r"scans over .* expected at most 30"):
            open_image(source)
    with pytest.raises(ImageError, match="scans over"):
        read_image(path)


def test_a_truncated_pil_image_is_refused():
    image = Image.open(io.BytesIO(encode(NOISE, "JPEG")[:-1000]))
    with pytest.raises(ImageError, match="truncated"):
        open_image(image)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_files_are_read_or_refused_never_worse(seed):
    random = np.random.default_rng(seed)
    kind = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")[seed % 6]
    data = bytearray(encode(RGB, kind))
    for place in random.integers(0, len(data), 8):
        data[place] = random.integers(256)
    try:
        assert open_image(data).dtype == np.uint8
    except ImageError as error:
        assert len(str(error)) > 15


def test_missing_files_and_addresses(tmp_path):
    for source in (tmp_path / "none.jpg", tmp_path, "https://example.org/face.jpg"):
        with pytest.raises(FileNotFoundError, match="not fetched"):
            open_image(source)


@pytest.mark.parametrize(
    "array", [RGB / 255, RGB.astype(int), RGB[..., :2], RGB[None], RGB[:0], np.uint8(3)]
)
def test_arrays_that_are_no_images(array):
    with pytest.raises(ImageError, match="Received"):
        open_image(np.asarray(array))


def test_mistakes_of_the_caller_are_not_the_images():
    with pytest.raises(TypeError, match="Received: int"):
        open_image(3)
    with pytest.raises(ValueError, match="colour_order"):
        open_image(RGB, colour_order="RGBA")


def test_read_image_says_what_is_wrong(tmp_path):
    path = tmp_path / "text.jpg"
    path.write_text("no image")
    with pytest.raises(ValueError, match=r"Not a readable image: .*text\.jpg \(8 bytes\)"):
        read_image(path)
    with pytest.raises(OSError):
        read_image(tmp_path / "none.jpg")
    cv2.imwrite(str(path), BGR)
    assert read_image(path).shape == BGR.shape
