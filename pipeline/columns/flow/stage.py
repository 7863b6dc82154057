"""The flow stage: frames and their next frames to flow, and where asked flow back and occlusion."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import SampleError, UserError
from common_fate.shards.flow_coding import encode_flow
from pipeline.columns.flow.estimator import Estimator
from pipeline.columns.flow.estimator_families import (
    DIS_PRESETS,
    MOST_SCALES,
    MOST_STEPS,
    check_scales,
    create_estimator,
    family_of,
    refinement_of,
    scales_of,
)
from pipeline.columns.flow.occlusion import occluded_pixels
from pipeline.option import option
from pipeline.stages.stage import Drop, Items, Outcomes, Sample, Stage, in_batches

STILL = "still pair"
INCONSISTENT = "inconsistent pair"


@dataclass(frozen=True)
class FlowOptions:
    """Which estimator, whether it also looks back, and which pairs are left out for their flow."""

    estimator: str = option(
        "dis",
        "`dis` (OpenCV), `matching` (deep matching, for large motion), `network` (this project's own, with its "
        "weights), `ptlflow:NAME`, such as `ptlflow:liteflownet`, or a network trained here: "
        "`network:experiments.NAME`",
    )
    preset: str = option("medium", "of `dis`", enum=[*DIS_PRESETS])
    checkpoint: str | None = option(None, "of ptlflow models: a file, or a published name such as `things`")
    checkpoint_dir: str = option("checkpoints", "where published checkpoints lie")
    refinement: int | None = option(
        None,
        "steps of variational refinement to parts of a pixel after the estimator; null: 3 of `matching` and networks "
        "trained here, 0 of the others",
        added=True,
        minimum=0,
        maximum=MOST_STEPS,
    )
    scales: int | None = option(
        None,
        "how many sizes of the frames flow is estimated at, from coarse to fine, each twice the one before; null: 3 of "
        "`network` and other small networks, 1 of the others",
        added=True,
        minimum=1,
        maximum=MOST_SCALES,
    )
    batch_size: int = option(8, "pairs estimated together", minimum=1)
    backward: bool = option(False, "also flow back from the next frame, and the occlusion mask that follows")
    min_motion: float | None = option(
        None,
        "pairs whose median flow is less, in pixels, are left out; null keeps all; 0.1 for what is on the web",
        added=True,
        exclusiveMinimum=0,
    )
    max_inconsistent: float | None = option(
        None,
        "with `backward`: pairs of which a larger share of the pixels is occluded, as forward and backward flow do not "
        "agree there, are left out; null keeps all",
        added=True,
        minimum=0,
        exclusiveMaximum=1,
    )

    def __post_init__(self) -> None:
        family, _ = family_of(self.estimator)
        fields = type(self).__dataclass_fields__
        for name in ("preset", "checkpoint", "checkpoint_dir"):
            if name not in family.options and getattr(self, name) != fields[name].default:
                raise ValueError(f"{name} is not for the estimator {self.estimator!r}: leave it out")
        if self.preset not in DIS_PRESETS:
            raise ValueError(f"preset is one of {', '.join(DIS_PRESETS)}, not {self.preset!r}")
        if "checkpoint" in family.options and not self.checkpoint:
            raise ValueError(f"{self.estimator!r} needs a checkpoint: a path, or a published name such as 'things'")
        _check_count("refinement", self.refinement, 0, MOST_STEPS, "steps")
        _check_count("scales", self.scales, 1, MOST_SCALES, "sizes")
        if self.batch_size < 1:
            raise ValueError(f"batch_size is at least 1, not {self.batch_size}")
        if self.min_motion is not None and self.min_motion <= 0:
            raise ValueError(f"min_motion is a number of pixels above 0, or null, not {self.min_motion}")
        if self.max_inconsistent is not None:
            if not 0 <= self.max_inconsistent < 1:
                raise ValueError(f"max_inconsistent is a share from 0 to below 1, or null, not {self.max_inconsistent}")
            if not self.backward:
                raise ValueError("max_inconsistent compares flow with flow back: set backward: true beside it")
        # What null stands for is part of what a shard is made with: another number, one day, makes it again.
        if self.refinement is None and (steps := refinement_of(self.estimator, None)):
            object.__setattr__(self, "refinement", steps)
        if self.scales is None and self.estimator == "network":
            object.__setattr__(self, "scales", scales_of("network", None))


def _check_count(name: str, value: Any, least: int, most: int, what: str) -> None:
    if value is not None and (type(value) is not int or not least <= value <= most):
        raise ValueError(f"{name} is a number of {what}, {least} to {most}, or null, not {value!r}")


def _settings(options: FlowOptions) -> dict[str, Any]:
    """The options of the estimator's family."""
    family, _ = family_of(options.estimator)
    return {name: getattr(options, name) for name in family.options}


def _estimator(options: FlowOptions) -> Estimator:
    return create_estimator(
        options.estimator, refinement=options.refinement, scales=options.scales, **_settings(options)
    )


def _provenance(options: FlowOptions) -> dict[str, Any]:
    family, model = family_of(options.estimator)
    provenance = family.provenance(model, **_settings(options))
    after = {
        "scales": scales_of(options.estimator, options.scales),
        "refinement": refinement_of(options.estimator, options.refinement),
    }
    done = {name: count for name, count in after.items() if count > (name == "scales")}
    return ({"opencv": version("opencv-contrib-python-headless")} | provenance | done) if done else provenance


def _weights(options: FlowOptions) -> tuple[Path, ...]:
    family, model = family_of(options.estimator)
    return family.weights(model, **_settings(options))


def _gpu(options: FlowOptions) -> bool:
    family, _ = family_of(options.estimator)
    return family.network


def _follow(options: FlowOptions) -> tuple[str, ...]:
    """The neighbours that the estimator reads. Raises `UserError` where three are not to be had."""
    family, model = family_of(options.estimator)
    frames = family.frames(model, **_settings(options))
    check_scales(options.estimator, options.scales, frames)
    if frames == 2:
        return ("next",)
    if options.backward:
        raise UserError(f"{options.estimator} reads three frames and cannot look back: leave backward out")
    return ("previous", "next")


def _members(sample: Sample) -> list[str]:
    """A sample's frames, in the order of their time."""
    return [name for name in ("previous.jpg", "jpg", "next.jpg") if name in sample]


def _size(sample: Sample) -> tuple[int, ...]:
    shapes: list[tuple[int, ...]] = [sample[name].shape for name in _members(sample)]
    this = sample["jpg"].shape
    for other in shapes:
        if other != this:
            raise SampleError(f"the frames differ in size: {this[1]}x{this[0]} and {other[1]}x{other[0]}")
    return tuple(this)


def _images(samples: Sequence[Sample], names: Sequence[str]) -> NDArray[np.float32]:
    """Members `(H, W, 3)` uint8 of each sample to `(B, N, 3, H, W)` in [0, 1]."""
    frames = [[sample[name].transpose(2, 0, 1) for name in names] for sample in samples]
    return np.array(frames).astype(np.float32) / np.float32(255)


def median_motion(flow: NDArray[np.float32]) -> float:
    """Returns the median magnitude of flow `(2, H, W)`, in pixels."""
    return float(np.median(np.hypot(*flow)))


def _annotate(samples: list[Sample], options: FlowOptions) -> list[Sample | Drop]:
    estimate = _estimator(options)
    frames = _images(samples, _members(samples[0]))
    forward = estimate(frames)
    backward = estimate(frames[:, ::-1]) if options.backward else [None] * len(samples)
    return [_made(*pair, options) for pair in zip(samples, forward, backward, strict=True)]


def _made(
    sample: Sample, flow: NDArray[np.float32], backward: NDArray[np.float32] | None, options: FlowOptions
) -> Sample | Drop:
    if options.min_motion is not None and median_motion(flow) < options.min_motion:
        return Drop(STILL)
    if backward is None:
        return _forward_members(sample, flow)
    occluded = occluded_pixels(flow, backward)
    if options.max_inconsistent is not None and occluded.mean() > options.max_inconsistent:
        return Drop(INCONSISTENT)
    return _members_both_ways(sample, flow, backward, occluded)


def _forward_members(sample: Sample, flow: NDArray[np.float32]) -> dict[str, Any]:
    """The members of a pair: flow, and its statistics in pixels before the codec's rounding."""
    payload, clipped = encode_flow(flow)
    magnitude = np.hypot(*flow.astype(np.float64))
    facts = {
        "next": sample["json"]["next"],
        "clipped": clipped,
        "magnitude_mean": round(float(magnitude.mean()), 4),
        "magnitude_max": round(float(magnitude.max()), 4),
    }
    return {"flow.b2": payload, "json": facts}


def _members_both_ways(
    sample: Sample, flow: NDArray[np.float32], backward: NDArray[np.float32], occluded: NDArray[np.bool_]
) -> dict[str, Any]:
    """As `_forward_members`, with the flow back and the occlusion mask; `clipped` counts both flows."""
    members = _forward_members(sample, flow)
    payload, clipped = encode_flow(backward)
    facts = members["json"]
    facts |= {"clipped": facts["clipped"] + clipped, "occluded": round(float(occluded.mean()), 4)}
    mask = occluded.astype(np.uint8) * np.uint8(255)
    return members | {"backward.b2": payload, "occlusion.png": mask}


_annotate_batches = in_batches(_annotate, _size)


def _run(items: Items, options: FlowOptions) -> Outcomes:
    # Made before the first sample: weights that are missing are the user's to put right, not every sample's failure.
    _estimator(options)
    return _annotate_batches(items, options)


def _measure(sample: Sample) -> dict[str, float]:
    facts = sample["json"]
    return {name: facts[name] for name in ("magnitude_mean", "magnitude_max", "clipped", "occluded") if name in facts}


STAGE = Stage(
    name="flow",
    version=1,
    reads=("frames",),
    follow=_follow,
    options=FlowOptions,
    run=_run,
    measure=_measure,
    software=("blosc2", "numpy"),
    provenance=_provenance,
    weights=_weights,
    gpu=_gpu,
    minutes=120,
)
