"""What the registry knows of the evaluation of flow. Nothing here imports torch."""

from dataclasses import dataclass

from pipeline.columns.flow.estimator_families import MOST_STEPS, REFINEMENT
from pipeline.option import option
from trainers.declarations import Evaluation


@dataclass(frozen=True)
class FlowOptions:
    """How many samples are shown, how flow is refined, and what stands beside the network."""

    pictured: int = option(4, "samples in the picture, spread evenly over the datasets")
    refinement: int = option(
        REFINEMENT["network"],
        "steps of it after the network, by default those of the column of flow; 0: the network alone",
    )
    dis: tuple[str, ...] = option(("medium",), "presets of OpenCV's DIS that are measured on the same pixels")

    def __post_init__(self) -> None:
        if self.pictured < 0:
            raise ValueError(f"pictured is {self.pictured}: samples, from 0 up")
        if not 0 <= self.refinement <= MOST_STEPS:
            raise ValueError(f"refinement is {self.refinement}: steps, 0 to {MOST_STEPS}")
        for preset in self.dis:
            if preset not in ("ultrafast", "fast", "medium"):
                raise ValueError(f"dis has {preset!r}: should be of ultrafast, fast, medium")


EVALUATION = Evaluation(
    name="flow",
    options=FlowOptions,
    version=3,
    run="trainers.evaluations.flow.run:run",
    needs="model",
    methods=("selflow", "matching"),
    view="flow",
    starts=("model",),
)
