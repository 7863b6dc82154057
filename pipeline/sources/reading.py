"""What reading a frame means in every source: bounded, RGB, upright, and all frames of a video of one size."""

import io
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from common_fate.errors import SampleError, printable
from pipeline.sources.source import Frame, Unreadable

_log = logging.getLogger(__name__)

MAX_PIXELS = 2**26
"""The largest picture that is decoded: above any camera's frame, far below what would exhaust a job's memory."""

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".ppm", ".bmp", ".webp", ".tif", ".tiff", ".jp2")

VOID = 255
"""The label of pixels that belong to nothing, and do not count."""

_NOT_READ = (
    *(".gif", ".apng", ".tga", ".pgm", ".pbm", ".pnm", ".pcx", ".psd", ".svg", ".ico", ".eps", ".exr", ".hdr", ".dds"),
    *(".heic", ".heif", ".avif", ".jxl", ".j2k", ".jpx", ".dng", ".cr2", ".cr3", ".nef", ".arw"),
)
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "WEBP", "TIFF", "JPEG2000")
_TURNED, _ON_THEIR_SIDE = range(2, 9), range(5, 9)  # EXIF orientations; 1 is upright
_PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")


def is_image(name: str) -> bool:
    """Returns whether a file's name says that it is an image."""
    return name.lower().endswith(IMAGE_EXTENSIONS)


def is_unread(name: str) -> bool:
    """Returns whether a file's name says that it is an image of a format that is not read."""
    return name.lower().endswith(_NOT_READ)


def name_unread(names: Iterable[str], where: str) -> None:
    """Notes in the log the first of the images among `names` that `where` leaves out unread, and how many there are."""
    if others := sorted(filter(is_unread, names)):
        more = f" and {len(others) - 1} more" if others[1:] else ""
        _log.warning("%s: left out, since such images are not read: %s%s", where, printable(others[0]), more)


def check_pixels(width: int, height: int) -> None:
    """Raises `SampleError` for a picture too large to decode."""
    if width * height > MAX_PIXELS:
        raise SampleError(f"{width}x{height} pixels; at most {MAX_PIXELS} are decoded")


def read_image(file: str | BinaryIO) -> NDArray[np.uint8]:
    """Reads an image file as `(H, W, 3)` uint8 RGB, turned as its EXIF tag says.

    16 bits become 8, alpha is dropped.

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


def read_labels(file: str | BinaryIO, binary: bool = False, recognised: bool = False) -> NDArray[np.uint8]:
    """Reads a mask file as labels `(H, W)` uint8: the indices of a palette, or grey levels as they are, or bits.

    Args:
        binary: one object, 1, against the background, 0: it is whatever is bright, or any object of a palette. Void
            pixels of a palette, 255, stay void.
        recognised: whether a grey mask that has 255 and no other label but 0 is of that kind, whatever `binary` says.

    Raises:
        SampleError: as `read_image`, or it is neither grey nor of a palette, or an EXIF tag turns it.
    """
    with _decoded(file) as image:
        check_upright(image)
        if image.mode == "P":
            labels = np.array(image)
            return np.where((labels > 0) & (labels < VOID), np.uint8(1), labels) if binary else labels
        if binary:
            return (np.asarray(image.convert("L")) > 127).astype(np.uint8)
        if image.mode not in ("L", "1"):
            raise SampleError(f"a mask of mode {image.mode}: labels are of 8 bits, grey or a palette's, or of one")
        labels = np.array(image).astype(np.uint8)
        if recognised and not ((labels > 0) & (labels < VOID)).any():
            return (labels == VOID).astype(np.uint8)
        return labels


def check_beside(file: str | BinaryIO, shape: tuple[int, ...], what: str) -> None:
    """Raises SampleError unless what lies beside an image is its size, and is known to lie as it does.

    An image is shown as its EXIF tag turns it. Whether a mask was drawn on what is shown or on what is stored, nothing
    says; sizes tell it where they differ.

    Args:
        file: the image.
        shape: of what lies beside it, `(H, W)`.
        what: it is, such as `a mask`.
    """
    with _decoded(file) as image:
        turn = _turn(image)
        width, height = image.size if turn not in _ON_THEIR_SIDE else image.size[::-1]
        stored = image.size[::-1]
    if turn in _TURNED and shape == stored:
        raise SampleError(
            f"the frame has an EXIF tag that turns it, and nothing says whether {what} is turned: store both upright"
        )
    if shape != (height, width):
        raise SampleError(f"{what} of {shape[1]}x{shape[0]} beside a frame of {width}x{height}")


def upright_size(file: str | BinaryIO, what: str) -> tuple[int, int]:
    """Reads the height and the width of an image beside which there is what has no size of its own, such as points.

    Raises:
        SampleError: it is no image, or an EXIF tag turns it: nothing says whether `what` is turned as well.
    """
    with _decoded(file, pixels=False) as image:
        if _turn(image) in _TURNED:
            raise SampleError(
                f"the frame has an EXIF tag that turns it, and nothing says whether {what} are turned: store it upright"
            )
        width, height = image.size
    return height, width


def check_upright(image: Image.Image) -> None:
    """Raises SampleError where an EXIF tag turns a mask: nothing says whether its image is to be turned like it."""
    if _turn(image) in _TURNED:
        raise SampleError("the mask has an EXIF tag that turns it: store it upright, as its image")


def _turn(image: Image.Image) -> Any:
    return image.getexif().get(ExifTags.Base.Orientation, 1)


@contextmanager
def _decoded(file: str | BinaryIO, pixels: bool = True) -> Iterator[Image.Image]:
    try:
        with ExitStack() as stack:
            yield _loaded(stack, file) if pixels else stack.enter_context(Image.open(file, formats=_FORMATS))
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


def _loaded(stack: ExitStack, file: str | BinaryIO) -> Image.Image:
    """An image with its pixels, which are what is bounded: a PNG with more text than Pillow takes is read without."""
    try:
        return _loaded_whole(stack, file)
    except SampleError:
        raise
    except ValueError:
        bare = _without_texts(file)
        if bare is None:
            raise
        return _loaded_whole(stack, bare)


def _loaded_whole(stack: ExitStack, file: str | BinaryIO) -> Image.Image:
    image = stack.enter_context(Image.open(file, formats=_FORMATS))
    check_pixels(*image.size)
    image.load()
    return image


def _without_texts(file: str | BinaryIO) -> BinaryIO | None:
    """A PNG without its texts and its colour profile, none of which shape its pixels; None where it is no PNG."""
    with open(file, "rb") if isinstance(file, str) else nullcontext(file) as source:
        source.seek(0)
        if source.read(8) != _PNG:
            return None
        kept = io.BytesIO()
        kept.write(_PNG)
        while len(head := source.read(8)) == 8:
            length = int.from_bytes(head[:4], "big") + 4  # with the sum
            if head[4:] in _TEXTS:
                source.seek(length, os.SEEK_CUR)
            else:
                kept.write(head + source.read(length))
        kept.seek(0)
        return kept


def no_flow(start: bytes, ending: str) -> str | None:
    """Says what is wrong with a file of flow, by its first 32 bytes; None where nothing is.

    A file that passes may still be damaged.
    """
    if ending == ".flo":
        return None if b"PIEH".startswith(start[:4]) else "no .flo file: it does not begin with PIEH"
    if not start.startswith(_PNG) or len(start) < 26:
        return None if _PNG.startswith(start[:8]) else "no PNG"
    bits, colour = start[24], start[25]
    return None if (bits, colour) == (16, 2) else f"a PNG of {bits} bits: flow as KITTI's has three channels of 16 bits"


def of_one_size(frames: Iterator[Frame | Unreadable]) -> Iterator[Frame | Unreadable]:
    """Yields the frames, but makes one of another size than the first unreadable: no flow leads from or to it."""
    first: tuple[int, ...] | None = None
    for frame in frames:
        if isinstance(frame, Frame):
            size = frame.image.shape[:2]
            first = first or size
            if size != first:
                frame = Unreadable(frame.number, f"size changed from {first[1]}x{first[0]} to {size[1]}x{size[0]}")
        yield frame
