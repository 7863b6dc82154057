"""The options of classification by fine-tuning. Nothing here imports torch: Snakemake reads it, too."""

from dataclasses import dataclass, field

from pipeline.option import option
from trainers.engine.options import TrainingOptions, TransformOptions
from trainers.evaluations.labelled_images.options import LabelledData

LOSSES = ("softmax", "sigmoid")


# The rate 0.001, halved each 10,000 of 80,000 iterations, the softmax, and the mean of ten random crops are the
# paper's. Batches of 16, a decay of 1e-6 and gradients of at most 10 are of the code of Kraehenbuehl et al., with whose
# protocol it keeps; that varies the scale from 0.5 to 2 and takes the sigmoid. Crops of 224 from 256 are customary.
@dataclass(frozen=True)
class ClassificationOptions:
    """All options of one fine-tuning."""

    data: LabelledData = option(help="images with classes, and which of them validate")
    loss: str = option(
        "softmax",
        "the cross-entropy of the softmax, the classes of an image sharing its target evenly where it has several; or "
        "of the sigmoid of each class",
        enum=[*LOSSES],
    )
    crops: int = option(
        10, "of each image that validates, drawn as in training, whose predictions are averaged; 1: the centre"
    )
    transforms: TransformOptions = field(
        default_factory=lambda: TransformOptions(shorter_side=256, crop=224, flip=True),
        metadata={"help": "how the images are resized, cropped and varied"},
    )
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(
            iterations=80_000,
            batch_size=16,
            learning_rate=1e-3,
            weight_decay=1e-6,
            clip_norm=10.0,
            milestones=tuple(step / 8 for step in range(1, 8)),
            gamma=0.5,
        ),
        metadata={"help": "how long, in which steps, and with which optimiser the network is fine-tuned"},
    )
    pictured: int = option(8, "images in the picture, spread evenly over those that validate")

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"loss is {self.loss!r}: should be {' or '.join(LOSSES)}")
        for name, least, most in (("crops", 1, 100), ("pictured", 0, 1000)):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}: from {least} to {most}")
