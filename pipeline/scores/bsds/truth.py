"""What people drew: BSDS500's ground truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError
from pipeline.scores.bsds.label_images import cells, label_image, numbers
from pipeline.sources.mat_files import read_variables


@dataclass(frozen=True)
class Human:
    """One person's segmentation of an image: labels 0 to n-1 `(H, W)`, and the boundaries `(H, W)` between them."""

    labels: NDArray[np.int64]
    boundaries: NDArray[np.bool_]


def read_truth(path: Path) -> list[Human]:
    """Reads the segmentations and boundaries that people drew of one image.

    Args:
        path: a .mat file whose cell array `groundTruth` has structures of `Segmentation` and `Boundaries`.

    Raises:
        UserError: the file cannot be read or has no such variable, or its maps differ in size.
    """
    found = read_variables(path)
    if "groundTruth" not in found:
        raise UserError(f"{path}: has no variable groundTruth: is it a file of BSDS500's folder groundTruth?")
    try:
        drawn = [(cell["Segmentation"][0, 0], cell["Boundaries"][0, 0]) for cell in cells(found["groundTruth"])]
    except (IndexError, TypeError, ValueError) as error:
        raise UserError(f"{path}: groundTruth should be a cell array of Segmentation and Boundaries") from error
    humans = [
        Human(label_image(labels, f"{path}: Segmentation"), numbers(lines, f"{path}: Boundaries") > 0)
        for labels, lines in drawn
    ]
    if len({shape for human in humans for shape in (human.labels.shape, human.boundaries.shape)}) != 1:
        raise UserError(f"{path}: its segmentations and boundaries should all have one size")
    return humans
