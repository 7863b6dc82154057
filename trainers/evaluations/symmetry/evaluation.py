"""What the registry knows of the evaluation of symmetry. Nothing here imports torch."""

from dataclasses import dataclass

from pipeline.option import option
from trainers.declarations import Evaluation
from trainers.evaluations.named_points.options import check_named_points


@dataclass(frozen=True)
class SymmetryOptions:
    """How many images are looked at."""

    images: int = option(200, "of each dataset to measure on, at most, spread evenly")
    plane_images: int = option(200, "of each dataset to estimate the plane of symmetry from, at most, spread evenly")
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
    pictured: int = option(6, "images in the picture")

    def __post_init__(self) -> None:
        check_named_points(self, {"images": 1, "plane_images": 1, "pictured": 0})


EVALUATION = Evaluation(
    name="symmetry",
    options=SymmetryOptions,
    version=1,
    run="trainers.evaluations.symmetry.run:run",
    needs="features",
    view="objects",
    learns_from=lambda options: options.labels_from,
)
