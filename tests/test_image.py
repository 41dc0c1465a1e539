"""Image files become exactly their samples, or are refused in one line that says what to do."""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers import write_png
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from intinfer.errors import DataError
from intinfer.graph import ImageInput, Value
from intinfer.images.image import Pixels, load_image
from intinfer.types import IntType

INPUT = Value("image", (3, 8, 10), IntType(0, 255))
RGB = ImageInput("RGB")
NOISE = np.random.default_rng(1).integers(0, 256, (3, 40, 50))


def load(path: Path, fit: str | None = None, image: ImageInput = RGB, value: Value = INPUT) -> Pixels:
    return load_image(path, value, image, fit)


def refusal(
    path: Path, fit: str | None = None, image: ImageInput = RGB, value: Value = INPUT, option: str | None = None
) -> str:
    """The message without the file's name, with which it must begin."""
    with pytest.raises(DataError) as caught:
        load_image(path, value, image, fit, option)
    start = f"{path}: "
    assert str(caught.value).startswith(start)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(start)


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tiff"])
def test_lossless_files_give_their_samples(tmp_path: Path, suffix: str) -> None:
    pixels = NOISE[:, :8, :10]
    path = write_png(tmp_path / f"a.{suffix}", pixels)
    for fit in (None, "exact", "crop", "resize"):
        loaded = load(path, fit)
        assert loaded.dtype == np.uint8
        assert loaded.flags.c_contiguous
        np.testing.assert_array_equal(loaded, pixels)


def test_grayscale(tmp_path: Path) -> None:
    path = write_png(tmp_path / "a.png", NOISE[:1, :8, :10])
    loaded = load(path, image=ImageInput("L"), value=Value("image", (1, 8, 10), IntType(0, 255)))
    np.testing.assert_array_equal(loaded, NOISE[:1, :8, :10])


@given(height=st.integers(8, 40), width=st.integers(10, 50))
def test_crop_is_the_central_window(height: int, width: int) -> None:
    pixels = NOISE[:, :height, :width]
    with tempfile.TemporaryDirectory() as folder:
        loaded = load(write_png(Path(folder) / "a.png", pixels), "crop")
    top, left = (height - 8) // 2, (width - 10) // 2
    np.testing.assert_array_equal(loaded, pixels[:, top : top + 8, left : left + 10])


def test_resize_is_pillows_bicubic_fit(tmp_path: Path) -> None:
    path = write_png(tmp_path / "a.png", NOISE)
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.fit(picture, (10, 8), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    np.testing.assert_array_equal(load(path, "resize"), expected)


def test_the_models_fit_is_the_default(tmp_path: Path) -> None:
    path = write_png(tmp_path / "a.png", NOISE)
    np.testing.assert_array_equal(load(path, image=ImageInput("RGB", "crop")), load(path, "crop"))
    np.testing.assert_array_equal(load(path, image=ImageInput("RGB", "resize")), load(path, "resize"))
    with pytest.raises(DataError):
        load(path, "exact", image=ImageInput("RGB", "crop"))


def test_exif_orientation_is_not_applied(tmp_path: Path) -> None:
    pixels = NOISE[:, :8, :10]
    plain, turned = tmp_path / "plain.png", tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    with Image.open(write_png(plain, pixels)) as picture:
        picture.save(turned, exif=exif)
    np.testing.assert_array_equal(load(turned), pixels)


def test_wrong_size(tmp_path: Path) -> None:
    path = write_png(tmp_path / "a.png", NOISE)
    assert refusal(path) == "is 50x40 (width x height), the model takes 10x8; give the right size"
    assert refusal(path, option="--fit") == (
        "is 50x40 (width x height), the model takes 10x8; use --fit crop (no resampling) or --fit resize, "
        "or give the right size"
    )
    small = write_png(tmp_path / "b.png", NOISE[:, :9, :9])
    assert refusal(small, "crop") == (
        "is 9x9 (width x height), the model takes 10x8: too small to crop; give a larger image"
    )
    assert refusal(small, "crop", option="--fit") == (
        "is 9x9 (width x height), the model takes 10x8: too small to crop; use --fit resize, or give a larger image"
    )


MODES = {
    "1": "1 (1-bit black and white)",
    "L": "L (grayscale)",
    "LA": "LA (grayscale with transparency)",
    "P": "P (a palette)",
    "RGBA": "RGBA (colour with transparency)",
    "CMYK": "CMYK (print colours)",
}
WIDE_MODES = {
    "I": "I (32-bit samples)",
    "I;16": "I;16 (16-bit samples)",
    "F": "F (floating-point samples)",
}


@pytest.mark.parametrize("mode", MODES)
def test_wrong_mode(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    Image.new(mode, (10, 8)).save(path)
    assert refusal(path) == (
        f"has mode {MODES[mode]}, the model takes RGB (colour, 8 bits a sample); convert it first, for example with "
        "Pillow: Image.open(FILE).convert('RGB').save('converted.png')"
    )


@pytest.mark.parametrize("mode", WIDE_MODES)
def test_wide_samples(tmp_path: Path, mode: str) -> None:
    """No advice to use Pillow's convert, which would make 255 of all that is above."""
    path = tmp_path / "a.tiff"
    Image.new(mode, (10, 8)).save(path)
    gray = Value("image", (1, 8, 10), IntType(0, 255))
    assert refusal(path, image=ImageInput("L"), value=gray) == (
        f"has mode {WIDE_MODES[mode]}, the model takes L (grayscale, 8 bits a sample); scale its samples to 0..255 "
        "first, as those of the training images were (Pillow's convert would cut all above 255 to 255)"
    )


def test_colour_where_gray_is_taken(tmp_path: Path) -> None:
    path = write_png(tmp_path / "a.png", NOISE[:, :8, :10])
    gray = Value("image", (1, 8, 10), IntType(0, 255))
    assert refusal(path, image=ImageInput("L"), value=gray) == (
        "has mode RGB (colour), the model takes L (grayscale, 8 bits a sample); convert it first, for example with "
        "Pillow: Image.open(FILE).convert('L').save('converted.png')"
    )


def png(width: int, height: int, depth: int, colour: int) -> bytes:
    """A PNG file of zeros with this header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = bytes(1 + width * depth * {0: 1, 2: 3}[colour] // 8)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(row * height) if width * height < 10**6 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_samples_that_pillow_would_rescale_silently(tmp_path: Path) -> None:
    """A 16-bit RGB PNG opens as mode RGB with its low bytes dropped; PPM of another maximum is stretched."""
    rgb16, gray4 = tmp_path / "rgb16.png", tmp_path / "gray4.png"
    rgb16.write_bytes(png(10, 8, 16, 2))
    gray4.write_bytes(png(10, 8, 4, 0))
    ppm = tmp_path / "a.ppm"
    ppm.write_bytes(b"P6 10 8 100\n" + bytes(240))
    what = "does not store samples of 0..255 (raw mode {}); convert it to 8 bits a sample first"
    assert refusal(rgb16) == what.format("'RGB;16B'")
    gray = Value("image", (1, 8, 10), IntType(0, 255))
    assert refusal(gray4, image=ImageInput("L"), value=gray) == what.format("'L;4'")
    assert refusal(ppm) == what.format("('RGB', 100)")


def test_plain_text_ppm_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P3 10 8 255\n" + b"7 " * 240)
    assert (load(path) == 7).all()


def test_animation(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    frames = [Image.new("RGB", (10, 8), colour) for colour in ("red", "blue", "green")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert refusal(path) == "holds 3 frames; save the one you mean as a PNG"


def test_missing_empty_and_foreign_files(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.png") == "no such file"
    assert refusal(tmp_path) == "is a directory; give an image file"
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for a writer
    assert refusal(tmp_path / "pipe.png") == "is not a regular file; give an image file"
    empty, text = tmp_path / "empty.png", tmp_path / "text.png"
    empty.touch()
    text.write_text("not an image")
    assert refusal(empty) == "is empty (0 bytes); give a PNG, JPEG, BMP or other image file"
    assert refusal(text) == "is not an image that Pillow can read; give a PNG, JPEG, BMP or other image file"


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "ppm", "tiff", "webp"])
def test_truncated_files(tmp_path: Path, suffix: str) -> None:
    """Cut anywhere in the pixel data, a file is refused; it never gives half an image."""
    whole = write_png(tmp_path / f"whole.{suffix}", NOISE[:, :8, :10]).read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    for size in range(len(whole) // 2, len(whole) - 60, 7):
        cut.write_bytes(whole[:size])
        message = refusal(cut)
        assert message.startswith(("is damaged (", "is not an image that Pillow can read;")), message


def test_zero_size(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(0, 8, 8, 2))
    assert refusal(path).startswith(("has no pixels (0x8)", "is damaged (", "is not an image that"))


@pytest.mark.parametrize("side", [10_000, 30_000])
def test_decompression_bomb(tmp_path: Path, side: int) -> None:
    """Pillow only warns from MAX_IMAGE_PIXELS up to twice that; both are refused, before any pixel is decoded."""
    path = tmp_path / "a.png"
    path.write_bytes(png(side, side, 8, 2))
    assert refusal(path) == (
        f"has more than {Image.MAX_IMAGE_PIXELS} pixels, which a small file can claim; crop or shrink it first"
    )


def test_pixels_outside_the_inputs_type(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (10, 8), (3, 16, 0)).save(path)
    narrow = Value("image", (3, 8, 10), IntType(0, 15))
    assert refusal(path, value=narrow) == (
        "pixels: value 16 at index (1, 0, 0) is outside 0..15; 80 of 240 values are; "
        "the model does not take 8-bit pixels as they are"
    )
