"""What the registry knows of the retrieval of segments. Nothing here imports torch."""

from dataclasses import dataclass

from pipeline.option import option
from trainers.declarations import Evaluation
from trainers.engine.options import LARGEST
from trainers.evaluations.segmentation.options import SegmentationData, paths


@dataclass(frozen=True)
class RetrievalOptions:
    """Among which images is searched, and how they fall into segments."""

    data: SegmentationData = option(help="the images and their masks, and which of them validate")
    clusters: int = option(15, "segments of an image, by k-means")
    neighbours: int = option(1, "segments whose labels vote for that of a segment; the nearest decides a tie")
    longer_side: int = option(512, "pixels that an image has at most where it is embedded: a larger one is shrunk")
    stride: int | None = option(None, "of the features of an image encoder; null: the embedding, or else the deepest")
    seed: int = option(0, "of k-means, and of random weights")
    pictured: int = option(6, "segments in the picture, with what they found, spread evenly over what validates")

    def __post_init__(self) -> None:
        for name, least in (("clusters", 2), ("neighbours", 1), ("seed", 0), ("pictured", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: from {least} up")
        if not 16 <= self.longer_side <= LARGEST:
            raise ValueError(f"longer_side is {self.longer_side}: pixels, from 16 to {LARGEST}")


EVALUATION = Evaluation(
    name="retrieval",
    options=RetrievalOptions,
    version=1,
    run="trainers.evaluations.retrieval.run:run",
    needs="features",
    paths=paths,
    check="trainers.evaluations.segmentation.pairs:check",
)
