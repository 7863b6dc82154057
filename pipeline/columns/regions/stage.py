"""Regions: each frame's contours as a tree of at most 40 regions.

Zhang and Maire, "Self-Supervised Visual Representation Learning from Hierarchical Grouping", NeurIPS 2020, section 3.1.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.shards.record import file_sha256
from pipeline.columns.regions.contours.detectors import ContourOptions, create_detector, forest_path
from pipeline.option import option
from pipeline.stages.stage import Items, Outcomes, Sample, Stage, each

SCALE = "ultrametric contour map, [0, 1]"  # of the tree's heights, for the record


@dataclass(frozen=True)
class RegionOptions(ContourOptions):
    """Which contours, and how they become regions."""

    leaves: int = option(40, "regions at the finest, at most", minimum=1, maximum=256)
    min_area: int = option(
        200, "pixels; a region that has less first joins the neighbour behind its weakest boundary", minimum=1
    )
    spectral: bool = option(
        True, "contours are averaged with their spectral signal: what the image's normalised cuts say"
    )
    oriented: bool = option(False, "a boundary's strength counts in the boundary's own direction")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.leaves <= 256:
            raise ValueError(f"leaves is {self.leaves}: labels have 8 bits, so take 1 to 256 (the paper has 40)")
        if self.min_area < 1:
            raise ValueError(f"min_area is {self.min_area}: take 1 pixel (every region is kept) or more")


def contours_of(strength: NDArray[np.float32], options: RegionOptions) -> NDArray[np.float32]:
    """Returns what a detector found, `(H, W)` in [0, 1], averaged with its spectral signal where that is asked for."""
    from pipeline.columns.regions.contours.spectral import (
        reinforced,  # SciPy's solvers: only a job that makes regions waits for them
    )

    return reinforced(strength) if options.spectral else strength


def regions_of(contours: NDArray[np.float32], options: RegionOptions) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Returns leaf labels `(H, W)` and linkage matrix `(R - 1, 4)` of contours `(H, W)`; see `region_tree`."""
    from pipeline.columns.regions.tree import region_tree
    from pipeline.kernels.orientation import boundary_orientation

    orientation = boundary_orientation(contours) if options.oriented else None
    return region_tree(contours, options.leaves, orientation, options.min_area)


def _run(items: Items, options: RegionOptions) -> Outcomes:
    # Made before the first sample: a forest that is missing is the user's to put right, not every sample's failure.
    detector = create_detector(options)

    def annotate(sample: Sample, options: RegionOptions) -> Sample:
        labels, tree = regions_of(contours_of(detector(sample), options), options)
        return {"regions.png": labels, "tree.npy": tree}

    return each(annotate)(items, options)


def _measure(sample: Sample) -> dict[str, float]:
    tree = sample["tree.npy"]
    return {"regions": len(tree) + 1, "highest": round(float(tree[-1, 2]), 4) if len(tree) else 0.0}


def _provenance(options: RegionOptions) -> dict[str, Any]:
    facts: dict[str, Any] = {"heights": SCALE}
    if options.detector == "forest":
        facts["forest_sha256"] = file_sha256(forest_path(options))
    return facts


STAGE = Stage(
    name="regions",
    version=3,
    reads=("frames",),
    options=RegionOptions,
    run=_run,
    measure=_measure,
    software=("numba", "numpy", "opencv-contrib-python-headless", "scipy"),
    provenance=_provenance,
    weights=lambda options: (Path(options.forest),) if options.forest else (),
    minutes=240,
)
