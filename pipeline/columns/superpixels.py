"""Superpixels: the patches that hallucinated occlusions are made of.

Liu et al., "SelFlow: Self-Supervised Learning of Optical Flow", CVPR 2019, "Occlusion Hallucination", by the SLIC of
Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", TPAMI 2012.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.option import option
from pipeline.stages.stage import Sample, Stage, each

MAX_SEGMENTS = 2**16 - 1  # the labels are uint16


@dataclass(frozen=True)
class SuperpixelOptions:
    """How many superpixels an image gets, and of what shape."""

    segments: int = option(300, "how many, at most", minimum=1, maximum=MAX_SEGMENTS)
    compactness: float = option(
        10.0,
        "the difference in CIELAB that weighs as much as a superpixel's width; larger is rounder",
        exclusiveMinimum=0,
    )
    iterations: int = option(6, "the paper takes 10; quality is the same from 5 up", minimum=1)

    def __post_init__(self) -> None:
        if not 1 <= self.segments <= MAX_SEGMENTS:
            raise ValueError(f"segments is {self.segments}: labels have 16 bits, so take 1 to {MAX_SEGMENTS}")
        if not (self.compactness > 0 and math.isfinite(self.compactness)):
            raise ValueError(f"compactness is {self.compactness}: it is a difference in CIELAB, above 0 (10 is usual)")
        if self.iterations < 1:
            raise ValueError(f"iterations is {self.iterations}: take 1 or more (6 to 10 are usual)")


def superpixels(image: NDArray[np.uint8], options: SuperpixelOptions) -> NDArray[np.uint16]:
    """Returns the image's SLIC superpixels.

    Args:
        image: `(H, W, 3)`, RGB.

    Returns:
        `(H, W)` labels 0 to n-1, in scan order of their first pixels, each 4-connected.
    """
    from pipeline.kernels.slic import slic, srgb_to_lab

    return slic(srgb_to_lab(image), options.segments, options.compactness, options.iterations)


def _annotate(sample: Sample, options: SuperpixelOptions) -> Sample:
    return {"superpixels.png": superpixels(sample["jpg"], options)}


def _measure(sample: Sample) -> dict[str, float]:
    return {"superpixels": int(sample["superpixels.png"].max()) + 1}


STAGE = Stage(
    name="superpixels",
    version=1,
    reads=("frames",),
    options=SuperpixelOptions,
    run=each(_annotate),
    measure=_measure,
    software=("numba", "opencv-contrib-python-headless"),  # compiles the kernels; reads and writes the pictures
)
