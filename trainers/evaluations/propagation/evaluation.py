"""What the registry knows of the evaluation of propagated motion. Nothing here imports torch."""

from dataclasses import dataclass, field

from trainers.declarations import Evaluation


@dataclass(frozen=True)
class PropagationOptions:
    """How many samples are shown. What is measured follows from the model's own options."""

    pictured: int = field(default=6, metadata={"help": "samples in the picture, spread evenly over the datasets"})

    def __post_init__(self) -> None:
        if self.pictured < 0:
            raise ValueError(f"pictured is {self.pictured}: samples, from 0 up")


EVALUATION = Evaluation(
    name="propagation",
    options=PropagationOptions,
    version=1,
    run="trainers.evaluations.propagation.run:run",
    needs="model",
    methods=("cmp",),
    view="cmp",
    truth=True,
    starts=("model",),
)
