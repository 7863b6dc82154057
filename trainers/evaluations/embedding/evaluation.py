"""What the registry knows of pictures of features. Nothing here imports torch."""

from dataclasses import dataclass

from pipeline.option import option
from trainers.declarations import OWN, Evaluation
from trainers.engine.options import LARGEST


@dataclass(frozen=True)
class EmbeddingOptions:
    """Which images are shown."""

    pictured: int = option(12, "images in the picture, spread evenly over the samples")
    longer_side: int = option(512, "pixels that an image has at most where it is embedded: a larger one is shrunk")
    stride: int | None = option(None, "of the features of an image encoder; null: the embedding, or else the deepest")

    def __post_init__(self) -> None:
        if self.pictured < 1:
            raise ValueError(f"pictured is {self.pictured}: images, from 1 up")
        if not 16 <= self.longer_side <= LARGEST:
            raise ValueError(f"longer_side is {self.longer_side}: pixels, from 16 to {LARGEST}")


EVALUATION = Evaluation(
    name="embedding",
    options=EmbeddingOptions,
    version=1,
    run="trainers.evaluations.embedding.run:run",
    needs="features",
    view=OWN,
)
