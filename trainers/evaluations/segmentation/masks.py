"""Masks on disk: PNG files with a label a pixel, and the .mat files of SBD."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common_fate.errors import SampleError, UserError
from pipeline.sources.mat_files import read_variables
from pipeline.sources.reading import MAX_PIXELS, check_upright
from trainers.evaluations.segmentation.files import File, opened
from trainers.evaluations.segmentation.options import IGNORED, SegmentationData

MAX_MAT_BYTES = 2**24  # unpacked; SBD's images have 500x500 pixels, and a label of a byte each


def read_mask(path: File, data: SegmentationData) -> NDArray[np.uint8]:
    """Reads the labels of a mask `(H, W)`: a class, or `IGNORED` where the data says that pixels do not count.

    Raises:
        UserError: it is missing, damaged, too large, in colour, or has a label that is neither.
    """
    labels = _read_mat(path) if isinstance(path, Path) and path.suffix == ".mat" else _read_png(path)
    meaning = np.full(max(256, int(labels.max(initial=0)) + 1), -1)
    meaning[: len(data.names)] = np.arange(len(data.names))
    meaning[[label for label in data.ignored if label < len(meaning)]] = IGNORED
    known = meaning[labels]
    if (known < 0).any():
        raise UserError(_unknown(path, int(labels[known < 0][0]), data))
    return known.astype(np.uint8)


def _unknown(path: File, label: int, data: SegmentationData) -> str:
    advice = "it is damaged, or of another data set"
    if data.kind == "folder":
        advice = f"name the class in data.classes, add {label} to data.ignore, or correct the mask"
    ignored = ", ".join(map(str, data.ignored)) or "none"
    return f"{path}: label {label} is unknown (classes are 0 to {len(data.names) - 1}, ignored {ignored}): {advice}"


def _read_png(path: File) -> NDArray[np.uint16]:
    try:
        with Image.open(opened(path), formats=["PNG"]) as file:
            if file.width * file.height > MAX_PIXELS:
                raise UserError(f"{path}: {file.width}x{file.height} pixels; at most {MAX_PIXELS} are read")
            check_upright(file)
            # A palette's colours are for the eye: the array has its indices, which are the labels.
            if file.mode not in ("P", "L", "1", "I;16"):
                raise UserError(
                    f"{path}: a mask has one label a pixel (PNG with a palette, or grey), and this is {file.mode}"
                )
            return np.asarray(file).astype(np.uint16)
    except UserError:
        raise
    except SampleError as error:
        raise UserError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such mask") from error
    except Exception as error:  # whatever Pillow makes of a damaged file
        raise UserError(f"{path}: not a mask in PNG, or damaged ({error})") from error


def _read_mat(path: Path) -> NDArray[np.uint16]:
    """`GTcls.Segmentation`: Hariharan et al., "Semantic Contours from Inverse Detectors", ICCV 2011."""
    try:
        labels = read_variables(path, MAX_MAT_BYTES)["GTcls"]["Segmentation"][0, 0]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a mask of SBD: has no GTcls.Segmentation") from error
    if not (isinstance(labels, np.ndarray) and labels.ndim == 2 and labels.dtype == np.uint8):
        raise UserError(f"{path}: its GTcls.Segmentation is not a matrix of labels (uint8)")
    return labels.astype(np.uint16)
