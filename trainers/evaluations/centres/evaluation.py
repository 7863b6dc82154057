"""What the registry knows of predicting centres. Nothing here imports torch."""

from dataclasses import dataclass

from pipeline.option import option
from trainers.declarations import Evaluation
from trainers.evaluations.named_points.options import check_named_points


@dataclass(frozen=True)
class CentresOptions:
    """From which images vectors are learnt."""

    frames: int = option(1000, "images of each dataset to learn from, at most, spread evenly")
    vectors: str = option(
        "raw",
        "raw: as the network gives them, so that longer ones match more surely; unit: at length 1, as an image "
        "encoder's always are",
    )
    stride: int | None = option(None, "of the features of an image encoder; null: the embedding, or else the deepest")
    hold_out: float = option(
        0.3, "the share of the videos to measure on, where the experiment was not trained on their dataset"
    )
    labels_from: tuple[str, ...] = option(
        (), "of the datasets it is measured on, those to learn from instead, whose images are then not measured on"
    )
    iterations: int = option(100, "of L-BFGS, at most")
    memory_gb: float = option(1.0, "of vectors that are kept, in 16 bits; fewer images where that is too little")
    pictured: int = option(6, "images in the picture")

    def __post_init__(self) -> None:
        check_named_points(self, {"frames": 1, "iterations": 1, "pictured": 0})
        if self.memory_gb <= 0:
            raise ValueError(f"memory_gb is {self.memory_gb}: above 0")


EVALUATION = Evaluation(
    name="centres",
    options=CentresOptions,
    version=1,
    run="trainers.evaluations.centres.run:run",
    needs="features",
    view="objects",
    learns_from=lambda options: options.labels_from,
)
