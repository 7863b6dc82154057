"""The truth stage: ground-truth flow and masks of each pair, at the size of the stored frames."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common_fate.shards.flow_coding import LIMIT
from pipeline.sources.source import Truth
from pipeline.stages.stage import Sample, Stage, each


@dataclass(frozen=True)
class TruthOptions:
    """The truth has no options."""


def resized_truth(truth: Truth, height: int, width: int) -> Truth:
    """Returns the truth at another size, u scaled by the width ratio and v by the height ratio.

    Each pixel takes the value at the source pixel under its centre. Means would blend the motions on both sides of a
    boundary into one that nothing has, and known values with unknown ones.
    """
    rows, columns = under_centres(truth.valid.shape[0], height), under_centres(truth.valid.shape[1], width)
    at = np.ix_(rows, columns)
    scale = np.array([width / truth.valid.shape[1], height / truth.valid.shape[0]], np.float32)
    return Truth(
        flow=truth.flow[:, at[0], at[1]] * scale[:, None, None],
        valid=truth.valid[at],
        occlusion=None if truth.occlusion is None else truth.occlusion[at],
        objects=None if truth.objects is None else truth.objects[at],
    )


def under_centres(old: int, new: int) -> NDArray[np.intp]:
    """Returns, along one side, the old pixel under the centre of each pixel of the new size."""
    return (2 * np.arange(new) + 1) * old // (2 * new)


def _annotate(sample: Sample, options: TruthOptions) -> Sample | None:
    from pipeline.sources import SOURCES  # sources are many and heavy: only a job that reads them pays for them

    facts, video = sample["json"], sample["video"]
    read = SOURCES[video.kind].truth
    if read is None or facts["next"] is None:
        return None
    truth = read(video, facts["frame"], facts["next"])
    if truth is None:
        return None
    truth = resized_truth(truth, facts["height"], facts["width"])
    # The codec clips what it cannot hold, which must not be taken for the truth.
    valid = truth.valid & (np.abs(truth.flow) <= LIMIT).all(axis=0)
    made: dict[str, object] = {"flow.b2": truth.flow, "valid.png": _mask(valid)}
    if truth.occlusion is not None:
        made["occlusion.png"] = _mask(truth.occlusion)
    if truth.objects is not None:
        made["objects.png"] = truth.objects
    return made | {"json": {"next": facts["next"]}}


def _mask(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return mask.astype(np.uint8) * np.uint8(255)


STAGE = Stage(name="truth", version=1, reads=("frames", "source"), options=TruthOptions, run=each(_annotate))
