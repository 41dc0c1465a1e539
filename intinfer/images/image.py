"""Image file -> input integers. The only file that imports Pillow.

What is taken are the samples as stored: no EXIF rotation, no colour management, no gamma. The decoded integers of a
lossy format (JPEG, WebP) depend on the decoder's version; lossless files (PNG, BMP, PPM) give the same bits everywhere.
"""

from __future__ import annotations

import re
import warnings
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import DataError, RangeError
from ..files.foreign import reason
from ..graph import ImageInput, Value

Pixels = npt.NDArray[np.uint8]


def load_image(
    path: str | PathLike[str], graph_input: Value, image: ImageInput, fit: str | None = None, option: str | None = None
) -> Pixels:
    """The pixels of an image file as the graph's input.

    Args:
        path: an 8-bit image of mode `image.mode`, one frame.
        graph_input: its shape (C, H, W) is what is needed; its type must hold every pixel.
        image: mode and default fit.
        fit: what is done with other sizes, None for `image.fit`:
            exact   nothing: the size must be the input's.
            crop    the central H x W window, from row (h - H) // 2 and column (w - W) // 2; no resampling, so it is
                    bit-exact everywhere.
            resize  `PIL.ImageOps.fit` with the bicubic filter: the largest central window of the right aspect ratio,
                    resampled. Its integers depend on Pillow's version. An image of the right size stays as it is.
        option: how the user says another `fit`, such as "--fit", for messages to offer; None where it is not possible.

    Returns:
        uint8 (C, H, W).

    Raises:
        DataError: no such file, not an image, damaged, too large (`PIL.Image.MAX_IMAGE_PIXELS`), several frames, or a
            mode, sample width or size that does not fit. One line naming the file.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "is not a regular file" if path.exists() else ""
        raise DataError(f"{path}: {f'{what}; give an image file' if what else 'no such file'}")
    height, width = graph_input.shape[1:]
    fit = fit or image.fit
    picture = _open(path, image.mode, (width, height), fit, option)
    fitted = _fit(picture, width, height, fit)
    pixels = np.asarray(fitted, dtype=np.uint8).reshape(height, width, image.channels).transpose(2, 0, 1)
    try:
        graph_input.type.check(pixels, "pixels")
    except RangeError as error:
        raise DataError(f"{path}: {error}; the model does not take 8-bit pixels as they are") from None
    return np.ascontiguousarray(pixels)


def _open(path: Path, mode: str, size: tuple[int, int], fit: str, option: str | None) -> Image.Image:
    """The decoded picture, of `mode`, one frame, 8 bits a sample as stored; one that does not fit is not decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                problem = _problem(picture, mode) or _misfit(picture, size, fit, option)
                if problem is None:
                    picture.load()
                    return picture.copy()
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0
        raise DataError(
            f"{path}: {'is empty (0 bytes)' if empty else 'is not an image that Pillow can read'}; give a PNG, JPEG, "
            "BMP or other image file"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(
            f"{path}: has more than {Image.MAX_IMAGE_PIXELS} pixels, which a small file can claim; crop or shrink it "
            "first"
        ) from None
    except Exception as error:  # a foreign parser on a foreign file: any exception means the same
        raise DataError(f"{path}: is damaged ({reason(error)}); copy or export it again") from None
    raise DataError(f"{path}: {problem}")


_MODES = {
    "1": "1-bit black and white",
    "L": "grayscale",
    "LA": "grayscale with transparency",
    "P": "a palette",
    "PA": "a palette with transparency",
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "CMYK": "print colours",
    "YCbCr": "video colours",
    "I": "32-bit samples",
    "I;16": "16-bit samples",
    "I;16B": "16-bit samples",
    "F": "floating-point samples",
}
_WIDE = ("I", "I;16", "I;16B", "F")  # Pillow's convert() makes 255 of all that is above


def _problem(picture: Image.Image, mode: str) -> str | None:
    """Say why the opened, not yet decoded picture cannot be taken as it is, and what to do; None when it can."""
    if 0 in picture.size:
        return f"has no pixels ({picture.width}x{picture.height}); give another image"
    frames = getattr(picture, "n_frames", 1)
    if frames > 1:
        return f"holds {frames} frames; save the one you mean as a PNG"
    if picture.mode != mode:
        known = _MODES.get(picture.mode)
        found = f"{picture.mode} ({known})" if known else picture.mode
        if picture.mode in _WIDE:
            return (
                f"has mode {found}, the model takes {mode} ({_MODES[mode]}, 8 bits a sample); scale its samples to "
                "0..255 first, as those of the training images were (Pillow's convert would cut all above 255 to 255)"
            )
        return (
            f"has mode {found}, the model takes {mode} ({_MODES[mode]}, 8 bits a sample); convert it first, for "
            f"example with Pillow: Image.open(FILE).convert({mode!r}).save('converted.png')"
        )
    for _, _, _, arguments in getattr(picture, "tile", ()):  # of ImageFile; what its decoder is told
        raw, *rest = (arguments,) if isinstance(arguments, str) else arguments or ("",)
        other_width = re.search(r";\d", str(raw)) is not None
        other_range = picture.format == "PPM" and rest not in ([], [255])
        if other_width or other_range:  # Pillow would rescale silently, and drop bits of wider samples
            return f"does not store samples of 0..255 (raw mode {arguments!r}); convert it to 8 bits a sample first"
    return None


def _misfit(picture: Image.Image, size: tuple[int, int], fit: str, option: str | None) -> str | None:
    """Say why a picture of another size cannot be fitted, and what to do; None when it can."""
    width, height = size
    if picture.size == size or fit == "resize":
        return None
    sizes = f"is {picture.width}x{picture.height} (width x height), the model takes {width}x{height}"
    if fit != "crop":
        offer = f"use {option} crop (no resampling) or {option} resize, or " if option else ""
        return f"{sizes}; {offer}give the right size"
    if picture.width < width or picture.height < height:
        offer = f"use {option} resize, or " if option else ""
        return f"{sizes}: too small to crop; {offer}give a larger image"
    return None


def _fit(picture: Image.Image, width: int, height: int, fit: str) -> Image.Image:
    if picture.size == (width, height):
        return picture
    if fit == "resize":
        return ImageOps.fit(picture, (width, height), method=Image.Resampling.BICUBIC)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))
