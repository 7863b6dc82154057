"""Estimators of flow on pairs whose motion is known: errors over the same pixels, and time a pair."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError
from common_fate.progress import progress
from pipeline.columns.flow.estimator import Estimator
from pipeline.scores.flow.errors import PixelMean, flow_error, total_error

NO_MOTION = "no motion"
COLUMN = "column"
"""The flow that a pair has already."""

Flow = NDArray[np.float32]
Mask = NDArray[np.bool_]
Errors = dict[str, PixelMean]


@dataclass(frozen=True)
class Pair:
    """A frame whose motion to the next one is known.

    Args:
        frames: gives `(N, 3, H, W)`, RGB in [0, 1]: this and the next, and before them the one before where there is
            one. Called where an estimator is to run.
        truth, valid, occlusion: as `flow_error` takes them.
        flow: `(2, H, W)`, pixels, where there is some already.
    """

    key: str
    frames: Callable[[], NDArray[np.float32]]
    truth: Flow
    valid: Mask
    occlusion: Mask | None = None
    flow: Flow | None = None


@dataclass(frozen=True)
class Example:
    """A pair with flow that was measured, for a picture: `image (3, H, W)` in [0, 1], fields `(2, H, W)` in pixels."""

    key: str
    image: NDArray[np.float32]
    target: Flow
    valid: Mask
    estimated: Flow


@dataclass(frozen=True)
class Measured:
    """One dataset: how many pairs, errors by estimator, seconds a pair of those that ran, and pairs to show."""

    dataset: str
    pairs: int
    errors: Mapping[str, Errors]
    seconds: Mapping[str, float] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()


def of_frames(estimate: Estimator, count: int) -> Estimator:
    """Returns an estimator that takes the last frames of three or two, as many as it reads."""
    return lambda frames: estimate(frames[:, -count:])


def measure(
    dataset: str, pairs: Iterable[Pair], count: int, estimators: Mapping[str, Estimator], shown: Collection[int] = ()
) -> Measured:
    """Measures estimators, the flow that is there, and no motion on the same pixels.

    Args:
        count: how many pairs there are, for progress.
        estimators: by name; each is given all frames of a pair.
        shown: the places of pairs to keep as examples, of the first estimator or where there is none of `COLUMN`.

    Raises:
        UserError: an estimator cannot take a pair, or sizes differ.
    """
    errors: dict[str, Errors] = {}
    seconds = dict.fromkeys(estimators, 0.0)
    examples = []
    measured = 0
    for place, pair in enumerate(progress(pairs, count, f"flow error of {dataset}")):
        flows = {} if pair.flow is None else {COLUMN: pair.flow}
        frames = pair.frames() if estimators or place in shown else np.zeros(0, np.float32)
        try:
            for name, estimate in estimators.items():
                if not measured:
                    estimate(frames[None])  # the first call prepares what the others find ready
                began = time.perf_counter()
                flows[name] = estimate(frames[None])[0]
                seconds[name] += time.perf_counter() - began
            for name, flow in {**flows, NO_MOTION: np.zeros_like(pair.truth)}.items():
                found = flow_error(flow, pair.truth, pair.valid, pair.occlusion)
                errors[name] = total_error([errors.get(name, {}), found])
        except ValueError as error:
            raise UserError(f"{dataset}: {pair.key}: its flow cannot be measured: {error}") from error
        if place in shown:
            first = next(iter(estimators), COLUMN)
            examples.append(Example(pair.key, frames[-2], pair.truth, pair.valid, flows[first]))
        measured += 1
    took = {name: total / max(1, measured) for name, total in seconds.items()}
    return Measured(dataset, measured, errors, took, tuple(examples))
