"""The masks stage: what a benchmark says of each frame's objects or classes, at the size of the stored frame."""

from dataclasses import dataclass

import numpy as np

from pipeline.columns.truth import under_centres
from pipeline.stages.stage import Sample, Stage, each


@dataclass(frozen=True)
class MasksOptions:
    """The masks have no options."""


def _annotate(sample: Sample, options: MasksOptions) -> Sample | None:
    from pipeline.sources import SOURCES  # sources are many and heavy: only a job that reads them pays for them

    facts, video = sample["json"], sample["video"]
    read = SOURCES[video.kind].masks
    labels = None if read is None else read(video, facts["frame"])
    if labels is None:
        return None
    sides = zip(labels.shape, (facts["height"], facts["width"]), strict=True)
    return {"objects.png": labels[np.ix_(*(under_centres(old, new) for old, new in sides))]}


STAGE = Stage(name="masks", version=1, reads=("frames", "source"), options=MasksOptions, run=each(_annotate))
