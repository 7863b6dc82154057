"""Which videos of an experiment's datasets train, and which are held out. Nothing here imports torch."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Split:
    """Shares of the videos. A hash of its id decides about each: it never changes sides as a dataset grows."""

    validation_share: float = field(
        default=0.0, metadata={"help": "the share of the videos that no model trains on, for validation"}
    )
    train_share: float = field(default=1.0, metadata={"help": "the share of the other videos that are trained on"})

    def __post_init__(self) -> None:
        if not 0 <= self.validation_share < 1:
            raise ValueError(
                f"validation_share is {self.validation_share}: a share of the videos, from 0 to less than 1"
            )
        if not 0 < self.train_share <= 1:
            raise ValueError(f"train_share is {self.train_share}: a share of the videos, above 0 and at most 1")
