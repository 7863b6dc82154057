"""The options of self-supervised optical flow, with the paper's values as defaults.

Liu et al., "SelFlow: Self-Supervised Learning of Optical Flow", CVPR 2019. Nothing here imports torch:
Snakemake reads it, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.option import option
from trainers.engine.options import TrainingOptions, TransformOptions

VERSION = 3
"""Raised whenever the same options and shards give other weights."""

_STRIDES = {"selflow": 64, "liteflownet": 32, "small": 32}


@dataclass(frozen=True)
class NetworkOptions:
    """Which network estimates flow."""

    name: str = option("selflow", "selflow, liteflownet or small")
    frames: int = option(3, "of selflow: 3, or 2, which is DDFlow's; the others read 2")

    def __post_init__(self) -> None:
        if self.name not in _STRIDES:
            raise ValueError(f"name is {self.name!r}: should be one of {', '.join(_STRIDES)}")
        if self.frames not in (2, 3):
            raise ValueError(f"frames is {self.frames}: should be 2 or 3")
        if self.frames == 3 and self.name != "selflow":
            raise ValueError(f"frames is 3, and {self.name} reads 2")

    @property
    def stride(self) -> int:
        """What the sides of its frames are multiples of, pixels."""
        return _STRIDES[self.name]

    @property
    def created(self) -> Mapping[str, Any]:
        """What creates it, as `pipeline.columns.flow.networks` takes it: its name, options and number of frames."""
        options = {"frames": self.frames} if self.name == "selflow" else {}
        return {"name": self.name, "options": options, "frames": self.frames}


@dataclass(frozen=True)
class LossOptions:
    """What is learnt from (section 2)."""

    kind: str = option("noc", "noc: photometric alone; occ: with self-supervision; supervised: on truth")
    census: bool = option(True, "compare census transforms of 7x7, and not colours")
    occlusion: bool = option(True, "leave occluded pixels out of the photometric loss")
    warmup: int = option(
        0, "iterations before they are left out: until flow is about right, the check takes everything for occluded"
    )
    exponent: float = option(0.4, "q of the robust loss, the absolute error plus 0.01 to the power of q")

    def __post_init__(self) -> None:
        if self.kind not in ("noc", "occ", "supervised"):
            raise ValueError(f"kind is {self.kind!r}: should be noc, occ or supervised")
        if self.warmup < 0:
            raise ValueError(f"warmup is {self.warmup}: iterations, from 0 up")
        if not 0 < self.exponent <= 1:
            raise ValueError(f"exponent is {self.exponent}: above 0 and at most 1")


@dataclass(frozen=True)
class HallucinationOptions:
    """The occlusions that the student sees and its teacher does not (section 2, "Occlusion Hallucination")."""

    shape: str = option("superpixels", "superpixels, rectangles, or none")
    patches: tuple[int, int] = option((8, 12), "how many, from and to; the author says around 10 of 200")
    crop: int | None = option(None, "the side of the student's frames within the teacher's, as in DDFlow; null: all")

    def __post_init__(self) -> None:
        if self.shape not in ("superpixels", "rectangles", "none"):
            raise ValueError(f"shape is {self.shape!r}: should be superpixels, rectangles or none")
        if not 0 <= self.patches[0] <= self.patches[1]:
            raise ValueError(f"patches are {list(self.patches)}: how many, a smaller and a larger number, from 0 up")


@dataclass(frozen=True)
class SelFlowOptions:
    """All options of an experiment."""

    network: NetworkOptions = field(default_factory=NetworkOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    hallucination: HallucinationOptions = field(default_factory=HallucinationOptions)
    transforms: TransformOptions = field(
        default_factory=lambda: TransformOptions(shorter_side=None, crop=320, flip=True, flip_vertical=True)
    )
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(
            iterations=300_000,
            batch_size=4,
            optimizer="adam",
            learning_rate=1e-4,
            weight_decay=0.0,
            milestones=(80 / 300, 160 / 300, 240 / 300),
            gamma=0.5,
        )
    )

    def __post_init__(self) -> None:
        for name, side in (("transforms.crop", self.transforms.crop), ("hallucination.crop", self.hallucination.crop)):
            if side is not None and side % self.network.stride:
                raise ValueError(
                    f"{name} is {side}: should be a multiple of {self.network.stride}, the network's stride"
                )
        if self.loss.kind != "supervised" and self.loss.occlusion and self.loss.warmup >= self.training.iterations:
            raise ValueError(
                f"loss.warmup is {self.loss.warmup}: should be less than training.iterations, "
                f"{self.training.iterations}, or occlusion: false"
            )
        if self.hallucination.crop is not None and self.hallucination.crop > self.transforms.crop:
            raise ValueError(
                f"hallucination.crop is {self.hallucination.crop}: the student's frames lie within the teacher's, "
                f"transforms.crop {self.transforms.crop}"
            )
