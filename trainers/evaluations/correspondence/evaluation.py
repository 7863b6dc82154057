"""What the registry knows of the evaluation of correspondence. Nothing here imports torch."""

from dataclasses import dataclass

from pipeline.option import option
from trainers.declarations import Evaluation


@dataclass(frozen=True)
class CorrespondenceOptions:
    """How many pairs are shown."""

    pictured: int = option(4, "pairs in the picture, spread evenly over the datasets")

    def __post_init__(self) -> None:
        if self.pictured < 0:
            raise ValueError(f"pictured is {self.pictured}: pairs, from 0 up")


EVALUATION = Evaluation(
    name="correspondence",
    options=CorrespondenceOptions,
    version=1,
    run="trainers.evaluations.correspondence.run:run",
    needs="model",
    methods=("matching",),
    view="flow",
)
