"""The contour detectors there are, by name: each a function from a decoded frame to the strength of its contours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.errors import SampleError, UserError
from common_fate.shards.codecs import decode
from common_fate.shards.keys import frame_key
from pipeline.columns.regions.contours.forest_options import ForestOptions
from pipeline.option import option

Strength = NDArray[np.float32]
Detector = Callable[[Mapping[str, Any]], Strength]
"""From a sample with `jpg (H, W, 3)` and `json` to `(H, W)` in [0, 1]."""

SHIPPED = Path(__file__).parent / "models" / "bsds500.yml.gz"


@dataclass(frozen=True)
class ContourOptions:
    """Which detector, and how it looks at an image."""

    detector: str = option("forest", "a structured forest, or `maps`: ready-made contours", enum=["forest", "maps"])
    forest: str | None = option(
        None, "a `model.yml.gz`, as OpenCV reads them; null: the one that comes with this, trained on BSDS500"
    )
    scale: float = option(1.0, "images are resized by this before the forest sees them", minimum=0.25, maximum=2)
    multiscale: bool = option(False, "the mean over half, once and twice the size")
    sharpen: int = option(0, "pixels by which an edge may move to where the colours change", minimum=0, maximum=4)
    maps: str | None = option(
        None,
        "the folder of ready-made contours: `VIDEO-000017.png` for a frame, or `VIDEO.png` for an image; 8 or 16 bits",
    )

    def __post_init__(self) -> None:
        if self.detector not in DETECTORS:
            raise ValueError(f"detector is one of {', '.join(DETECTORS)}, not {self.detector!r}")
        if (self.detector == "maps") != (self.maps is not None):
            raise ValueError("maps is the folder of the detector maps: give both or neither")
        ForestOptions(self.scale, self.multiscale, self.sharpen)


def create_detector(options: ContourOptions) -> Detector:
    """Creates the detector that the options name.

    Raises:
        UserError: a file or folder that it needs is missing or wrong.
    """
    return DETECTORS[options.detector](options)


def _forest(options: ContourOptions) -> Detector:
    from pipeline.columns.regions.contours.forest import detect, load_forest  # kernels: only a job waits for them

    forest = load_forest(forest_path(options))
    how = ForestOptions(options.scale, options.multiscale, options.sharpen)
    return lambda sample: detect(forest, sample["jpg"], how)


def _maps(options: ContourOptions) -> Detector:
    """Ready-made maps, one a frame, `KEY.png`, or `VIDEO.png` for images: 8 or 16 bits, the largest value is 1."""
    folder = Path(options.maps or "")
    if not folder.is_dir():
        raise UserError(f"regions.maps {options.maps}: there is no such folder")

    def read(sample: Mapping[str, Any]) -> Strength:
        facts = sample["json"]
        path = map_path(options, facts)
        if path is None:  # its key is in no reason: reasons are counted
            raise SampleError(f"no contours: {folder} has no map called KEY.png or VIDEO.png")
        try:
            values = decode("png", path.read_bytes())
        except ValueError as error:
            raise SampleError(f"the map of its contours does not decode: {error}") from error
        strength = values.astype(np.float32) / np.iinfo(values.dtype).max
        height, width = sample["jpg"].shape[:2]
        if strength.shape == (height, width):
            return strength
        if abs(strength.shape[0] * width - strength.shape[1] * height) > max(height, width, *strength.shape):
            size = f"{strength.shape[1]}x{strength.shape[0]}"
            raise SampleError(f"the map of its contours is {size}, which is not the shape of {width}x{height}")
        smaller = strength.shape[0] > height
        return cv2.resize(strength, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)

    return read


def map_path(options: ContourOptions, facts: Mapping[str, Any]) -> Path | None:
    """Returns the ready-made map of a frame's contours; None where there is none, or a detector makes them.

    Args:
        facts: the frame's `video` and `frame`.
    """
    names = (frame_key(facts["video"], facts["frame"]), facts["video"])
    paths = (Path(options.maps, f"{name}.png") for name in names) if options.maps else ()
    return next(filter(Path.is_file, paths), None)


DETECTORS: dict[str, Callable[[ContourOptions], Detector]] = {"forest": _forest, "maps": _maps}


def forest_path(options: ContourOptions) -> Path:
    """Returns the forest that is asked for: the user's own, or the one that comes with this."""
    return Path(options.forest) if options.forest else SHIPPED
