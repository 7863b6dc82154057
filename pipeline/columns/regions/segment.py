"""A folder of images to contours and region trees as files, for the Berkeley tools and the benchmark."""

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import scipy.io
from numpy.typing import NDArray

from common_fate.errors import SampleError, UserError
from common_fate.progress import progress
from common_fate.shards.files import write_atomic
from pipeline.columns.regions.contours.detectors import create_detector
from pipeline.columns.regions.contours.ridges import ridges
from pipeline.columns.regions.stage import RegionOptions, contours_of, regions_of
from pipeline.columns.regions.tree import ultrametric_contour_map
from pipeline.sources.reading import read_image

ENDINGS = (".jpg", ".jpeg", ".png")


def segment(images: Path, to: Path, options: RegionOptions) -> list[Path]:
    """Writes each image's contours and ultrametric contour map.

    `to/contours/NAME.png` is `(H, W)`, 16 bits for [0, 1], as the detector `maps` reads it; `to/ridges/NAME.png` is
    what becomes regions, spectral signal and all, one pixel wide as benchmarks want it; `to/ucm2/NAME.mat` has the
    tree's `(2H+1, 2W+1)` map as `ucm2`.

    Args:
        images: a folder of `.jpg` or `.png` images.

    Returns:
        The three folders.

    Raises:
        UserError: there are no images, one cannot be read, or what a detector needs is missing.
    """
    contours, thin, ucm2 = folders = [to / "contours", to / "ridges", to / "ucm2"]
    paths = _images(images)
    detector = create_detector(options)
    for path in progress(paths, len(paths), "segment"):
        try:
            image = read_image(str(path))
            strength = detector({"jpg": image, "json": {"video": path.stem, "frame": 0}})
        except SampleError as error:
            raise UserError(f"{path}: {error}") from error
        whole = contours_of(strength, options)
        matrix = io.BytesIO()
        scipy.io.savemat(matrix, {"ucm2": ultrametric_contour_map(*regions_of(whole, options))}, do_compression=True)
        write_atomic(contours / f"{path.stem}.png", _png(strength))
        write_atomic(thin / f"{path.stem}.png", _png(ridges(whole)))
        write_atomic(ucm2 / f"{path.stem}.mat", matrix.getvalue())
    return folders


def _png(strength: NDArray[np.float32]) -> bytes:
    return cv2.imencode(".png", np.rint(strength * np.float32(65535)).astype(np.uint16))[1].tobytes()


def _images(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    if not paths:
        raise UserError(f"{folder}: has no image that ends in {', '.join(ENDINGS)}")
    return paths
