"""The options of linear classifiers on frozen activations. Nothing here imports torch: Snakemake reads it, too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.option import option
from trainers.engine.options import TrainingOptions, TransformOptions
from trainers.evaluations.labelled_images.options import LabelledData
from trainers.models.layer_names import check_layers


# As the code of the paper that chapter 8 refers to for its protocol has it (Zhang et al., "Colorful Image Colorization"
# and "Split-Brain Autoencoders"): crops of 227 from 256, batches of 256 in four passes, the rate 0.01 and a tenth of it
# each 40,000 of 140,000 iterations, no decay of biases, batch normalisation without parameters. Here crops have 224.
@dataclass(frozen=True)
class LinearOptions:
    """All options of linear classifiers on the activations of layers."""

    data: LabelledData = option(help="images with classes, and which of them validate")
    layers: tuple[str, ...] = option((), "of the encoder; none: all its convolutional ones")
    elements: int = option(
        9600, "of a layer's activations at most, which are resized bilinearly to squares of so many in all channels"
    )
    normalised: bool = option(True, "whether batch normalisation without parameters stands before each classifier")
    transforms: TransformOptions = field(
        default_factory=lambda: TransformOptions(shorter_side=256, crop=224, flip=True),
        metadata={"help": "how the images to train on are resized, cropped and varied"},
    )
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(
            iterations=140_000,
            batch_size=256,
            learning_rate=0.01,
            weight_decay=5e-4,
            decay_norms=False,
            milestones=(2 / 7, 4 / 7, 6 / 7),
        ),
        metadata={"help": "how long, in which steps, and with which optimiser the classifiers are trained"},
    )
    pictured: int = option(8, "images in the picture, spread evenly over those that validate")

    def __post_init__(self) -> None:
        for name, least in (("elements", 1), ("pictured", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: from {least} up")
        if len(set(self.layers)) < len(self.layers):
            raise ValueError(f"layers is {list(self.layers)}: each once")
        if self.data.several:
            raise ValueError(f"data.kind is {self.data.kind}: linear is of single labels: take classification for it")
        if self.normalised and self.training.batch_size == self.training.accumulation:
            raise ValueError(
                f"training.batch_size is {self.training.batch_size}: activations are normalised over a batch, and "
                f"{self.training.accumulation} passes leave each a single image"
            )


def convolutional(layers: tuple[str, ...]) -> tuple[str, ...]:
    """Returns those of an encoder's layers that are convolutions, or groups of them."""
    return tuple(name for name in layers if name.startswith(("conv", "layer")))


def recipe(encoder: str | None, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns no options, for an encoder has none of its own, after a look at whether it has the layers.

    Args:
        values: config.yaml's own options.

    Raises:
        ValueError: it lacks a layer.
    """
    check_layers(encoder, values.get("layers"))
    return {}
