"""What the registry knows of the evaluation of flow. Nothing here imports torch."""

from dataclasses import dataclass

from pipeline.columns.flow.estimator_families import MOST_SCALES, MOST_STEPS, REFINEMENT
from pipeline.option import option
from trainers.declarations import Evaluation


@dataclass(frozen=True)
class FlowOptions:
    """How many samples are shown, how flow is estimated and refined, and what stands beside the network."""

    pictured: int = option(4, "samples in the picture, spread evenly over the datasets")
    refinement: int | None = option(
        None,
        f"steps of refinement after the network; null: as in the column of flow, {REFINEMENT['network']}; 0: none",
    )
    scales: int | None = option(
        None,
        "how many sizes of the frames the network runs at, from coarse to fine; null: as in the column of flow, 3 of "
        "the small network and 1 of the others",
    )
    dis: tuple[str, ...] = option(("medium",), "presets of OpenCV's DIS that are measured on the same pixels")

    def __post_init__(self) -> None:
        if self.pictured < 0:
            raise ValueError(f"pictured is {self.pictured}: samples, from 0 up")
        if self.refinement is not None and not 0 <= self.refinement <= MOST_STEPS:
            raise ValueError(f"refinement is {self.refinement}: steps, 0 to {MOST_STEPS}, or null")
        if self.scales is not None and not 1 <= self.scales <= MOST_SCALES:
            raise ValueError(f"scales is {self.scales}: sizes of the frames, 1 to {MOST_SCALES}, or null")
        for preset in self.dis:
            if preset not in ("ultrafast", "fast", "medium"):
                raise ValueError(f"dis has {preset!r}: should be of ultrafast, fast, medium")


EVALUATION = Evaluation(
    name="flow",
    options=FlowOptions,
    version=4,
    run="trainers.evaluations.flow.run:run",
    needs="model",
    methods=("selflow", "matching"),
    view="flow",
    starts=("model",),
)
