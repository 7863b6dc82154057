"""What the registry knows of matching. Nothing here imports torch."""

from dataclasses import dataclass, field

from pipeline.option import option
from trainers.data.warps import WarpOptions
from trainers.declarations import Evaluation
from trainers.evaluations.named_points.options import check_named_points


@dataclass(frozen=True)
class MatchingOptions:
    """Which images are matched, and by which vectors."""

    pairs: int = option(200, "images of each dataset that are matched, with their own warps and with other images")
    vectors: str = option(
        "raw",
        "raw: as the network gives them, so that longer ones match more surely; unit: at length 1, as an image "
        "encoder's always are",
    )
    stride: int | None = option(None, "of the features of an image encoder; null: the embedding, or else the deepest")
    warp: WarpOptions = field(
        default_factory=lambda: WarpOptions(strength=0.5),
        metadata={"help": "what an image is matched with: its warp, half as strong as in training"},
    )
    pictured: int = option(6, "images in the picture, with what of the first one they match")
    seed: int = option(0, "of pairs and warps")

    def __post_init__(self) -> None:
        check_named_points(self, {"pairs": 1, "pictured": 0, "seed": 0})
        if self.warp.margin:
            raise ValueError(
                f"warp.margin is {self.warp.margin}: what is cut off is as the method has it; leave it out"
            )


EVALUATION = Evaluation(
    name="matching",
    options=MatchingOptions,
    version=1,
    run="trainers.evaluations.matching.run:run",
    needs="features",
    view="objects",
)
