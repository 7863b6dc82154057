"""What the registry knows of the alignment of kernels and its pictures. Nothing here imports torch."""

from dataclasses import dataclass

from pipeline.option import option
from trainers.declarations import OWN, Evaluation
from trainers.engine.options import LARGEST


@dataclass(frozen=True)
class KernelsOptions:
    """On how much it is measured, and what is drawn."""

    samples: int = option(256, "that are measured, spread evenly, at most")
    pictured: int = option(
        8, "images in the picture of embeddings, centre squares, spread evenly; half of them in that of kernels"
    )
    neurons: int = option(16, "of the encoder's last convolution whose favourite picture is drawn; 0: none")
    steps: int = option(64, "of gradient ascent, by which that is found")
    side: int = option(96, "of that picture, pixels")

    def __post_init__(self) -> None:
        for name, least, most in (
            ("samples", 1, 2**20),
            ("pictured", 1, 64),
            ("neurons", 0, 256),
            ("steps", 1, 10_000),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}: from {least} to {most}")
        if not 32 <= self.side <= LARGEST:
            raise ValueError(f"side is {self.side}: pixels, from 32 to {LARGEST}")


EVALUATION = Evaluation(
    name="kernels",
    options=KernelsOptions,
    version=1,
    run="trainers.evaluations.kernels.run:run",
    needs="model",
    methods=("similarity",),
    view=OWN,
    starts=("model",),
)
