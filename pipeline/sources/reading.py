"""What reading a frame means in every source: bounded, RGB, upright, and all frames of a video of one size."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from common_fate.errors import SampleError
from pipeline.sources.source import Frame, Unreadable

MAX_PIXELS = 2**26
"""The largest picture that is decoded: above any camera's frame, far below what would exhaust a job's memory."""

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".webp", ".tif", ".tiff")

VOID = 255
"""The label of pixels that belong to nothing, and do not count."""

_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "WEBP", "TIFF")


def is_image(name: str) -> bool:
    """Whether a file's name says that it is an image."""
    return name.lower().endswith(IMAGE_EXTENSIONS)


def check_pixels(width: int, height: int) -> None:
    """Raise `SampleError` for a picture too large to decode."""
    if width * height > MAX_PIXELS:
        raise SampleError(f"{width}x{height} pixels; at most {MAX_PIXELS} are decoded")


def read_image(file: str | BinaryIO) -> NDArray[np.uint8]:
    """An image file as `(H, W, 3)` uint8 RGB, turned as its EXIF tag says; 16 bits become 8, alpha is dropped.

    Raises:
        SampleError: it is damaged, too large, or no image. The message names no path.
    """
    with _decoded(file) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode == "I" or upright.mode.startswith("I;16"):
            grey = np.asarray(upright)
            if grey.min() < 0 or grey.max() > 65535:
                raise SampleError("grey levels beyond 16 bits")
            return np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, axis=2)
        if upright.mode == "F":
            raise SampleError("floating-point pixels have no range to show them in")
        return np.array(upright.convert("RGB"))


def read_labels(file: str | BinaryIO, binary: bool = False) -> NDArray[np.uint8]:
    """A mask file as labels `(H, W)` uint8: the indices of a palette, or grey levels as they are.

    Args:
        binary: one object, 1, against the background, 0: it is whatever is bright, or any object of a palette. Void
            pixels of a palette, 255, stay void.

    Raises:
        SampleError: as `read_image`, or it is neither grey nor of a palette.
    """
    with _decoded(file) as image:
        if image.mode == "P":
            labels = np.array(image)
            return np.where((labels > 0) & (labels < VOID), np.uint8(1), labels) if binary else labels
        if binary:
            return (np.asarray(image.convert("L")) > 127).astype(np.uint8)
        if image.mode != "L":
            raise SampleError(f"a mask of mode {image.mode}: labels are of 8 bits, grey or a palette's")
        return np.array(image)


@contextmanager
def _decoded(file: str | BinaryIO) -> Iterator[Image.Image]:
    try:
        with Image.open(file, formats=_FORMATS) as image:
            check_pixels(*image.size)
            yield image
    except SampleError:
        raise
    except Image.DecompressionBombError as error:
        raise SampleError(f"too many pixels; at most {MAX_PIXELS} are decoded") from error
    except UnidentifiedImageError as error:
        raise SampleError("not an image of a known format") from error
    except OSError as error:
        raise SampleError(f"cannot be read: {os.strerror(error.errno) if error.errno else error}") from error
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them stumble on
        raise SampleError(f"damaged image: {type(error).__name__}") from error


def of_one_size(frames: Iterator[Frame | Unreadable]) -> Iterator[Frame | Unreadable]:
    """The frames, save that one of another size than the first is unreadable: no flow leads from or to it."""
    first: tuple[int, ...] | None = None
    since: dict[tuple[int, ...], int] = {}
    for frame in frames:
        if isinstance(frame, Frame):
            size = frame.image.shape[:2]
            first = first or size
            if size != first:
                at = since.setdefault(size, frame.number)
                reason = f"size changed from {first[1]}x{first[0]} to {size[1]}x{size[0]} at frame {at}"
                frame = Unreadable(frame.number, reason)
        yield frame
