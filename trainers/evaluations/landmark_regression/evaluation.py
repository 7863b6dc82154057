"""What the registry knows of the regression of landmarks. Nothing here imports torch."""

from dataclasses import dataclass

from pipeline.option import option
from trainers.declarations import Evaluation
from trainers.evaluations.named_points.options import check_named_points

MOST_SEEDS = 100


@dataclass(frozen=True)
class LandmarkRegressionOptions:
    """From which labels landmarks are learnt, and how errors are counted."""

    labels: tuple[int, ...] = option((1, 5, 10, 20), "numbers of images whose labels are learnt from, beside all")
    seeds: int = option(3, "draws of so many images, of which the mean counts")
    normalize: str = option(
        "eyes", "eyes: errors are shares of the distance between the eyes; width: of the image's width"
    )
    eyes: tuple[str, str] | None = option(
        None,
        "the names of the two points whose distance that is; null: left_eye and right_eye, or else left_eye_outer and "
        "right_eye_outer, the outer corners of 68 points",
    )
    hold_out: float = option(
        0.3, "the share of the videos to measure on, where the experiment was not trained on their dataset"
    )
    labels_from: tuple[str, ...] = option(
        (), "of the datasets it is measured on, those to learn from instead, whose images are then not measured on"
    )
    ridge: float = option(
        1e-4,
        "of the linear regressor: the weight of its squared weights beside the mean squared error, of places as shares "
        "of the image's sides; 0: least squares, and of all that fit as well the smallest",
    )
    vectors: str = option(
        "raw", "of nearest, where pixels are embedded: raw, as the network gives them; unit: at length 1"
    )
    virtual_points: int = option(
        50, "of each landmark, where pixels are embedded: a linear regressor is told their places"
    )
    sharpness: float = option(100.0, "of virtual points: the factor before the softmax over an image's pixels")
    iterations: int = option(300, "of Adam, on virtual points and their regressor")
    batch_size: int = option(32, "images of an iteration")
    learning_rate: float = option(1e-3, "of Adam; a tenth after a third of the iterations, and again after five sixths")
    weight_decay: float = option(5e-4, "of Adam")
    memory_gb: float = option(1.0, "of embeddings that are kept, in 16 bits; fewer images where that is too little")
    pictured: int = option(12, "images in the picture")
    seed: int = option(0, "of draws and weights")

    def __post_init__(self) -> None:
        if any(number < 1 for number in self.labels) or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels are {list(self.labels)}: should be different numbers of images, from 1 up")
        check_named_points(
            self,
            {
                "seeds": 1,
                "virtual_points": 1,
                "iterations": 0,
                "batch_size": 1,
                "pictured": 0,
                "seed": 0,
                "ridge": 0,
                "weight_decay": 0,
            },
        )
        if self.seeds > MOST_SEEDS:
            raise ValueError(f"seeds is {self.seeds}: at most {MOST_SEEDS}, as each of labels is learnt from so often")
        for name in ("sharpness", "learning_rate", "memory_gb"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: above 0")
        if self.normalize not in ("eyes", "width"):
            raise ValueError(f"normalize is {self.normalize!r}: should be eyes or width")
        if self.normalize == "width" and self.eyes:
            raise ValueError("eyes are named, and normalize is width, which has no use for them: leave one of them out")
        if self.eyes and self.eyes[0] == self.eyes[1]:
            raise ValueError(f"eyes are both {self.eyes[0]!r}: should be two points")


EVALUATION = Evaluation(
    name="landmark_regression",
    options=LandmarkRegressionOptions,
    version=1,
    run="trainers.evaluations.landmark_regression.run:run",
    needs="model",
    methods=("grouping", "landmarks", "objects"),
    view="objects",
    learns_from=lambda options: options.labels_from,
)
