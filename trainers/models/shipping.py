"""The weights of the estimator `network`: from an experiment to the file that ships, and the record beside it."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from common_fate.errors import UserError
from common_fate.shards.files import write_atomic
from common_fate.shards.record import file_sha256
from pipeline.columns.flow.estimator_families import MAX_SHIPPED_BYTES
from pipeline.columns.flow.networks.trained import trained_estimator
from pipeline.columns.flow.networks.trained_file import FlowNetwork, read_about
from pipeline.sources.synthetic import SOURCE, SyntheticOptions
from trainers.models.ship_record import history_of, quality_of
from trainers.models.weights_file import metadata, read_weights

MOST_ROUNDING = 0.01
"""Pixels by which flow may change on average where weights are kept in 16 bits."""


def ship_flow(experiments: Sequence[Path], machine: str, to: Path) -> dict[str, Any]:
    """Writes the flow network of an experiment as weights to ship, and the record of how they came about beside them.

    Weights are kept in 16 bits and read back as 32. The same experiments give the same bytes.

    Args:
        experiments: folders `results/experiments/NAME`, in the order in which each started from the one before, the
            first from random weights or from those at `to`, whose record then stays. The last one's network is
            written; its evaluation `flow` is the measured quality.
        machine: what trained them, in words.
        to: the file, `.safetensors`; the record is the `.json` of that name.

    Returns:
        The record.

    Raises:
        UserError: a file of an experiment is missing or damaged, one started from something else, the last trained no
            flow network, the file would be larger than `MAX_SHIPPED_BYTES`, or 16 bits change its flow by more than
            `MOST_ROUNDING`.
    """
    experiment = experiments[-1]
    model = experiment / "model.safetensors"
    quality = quality_of(experiment, "flow")
    trained = history_of(experiments, to)
    network = read_about(model)
    data = _halved(model, network)
    if len(data) > MAX_SHIPPED_BYTES:
        raise UserError(f"{model}: would be {len(data):,} bytes to ship: at most {MAX_SHIPPED_BYTES:,}")
    rounding = _rounding(model, data, network.frames)
    if not rounding["mean"] <= MOST_ROUNDING:
        raise UserError(f"{model}: 16 bits change its flow by {rounding['mean']:.3g} px on average: too much to ship")
    write_atomic(to, data)
    record = {
        "network": {"name": network.name, "options": network.options, "frames": network.frames},
        "weights": to.name,
        "sha256": file_sha256(to),
        "bytes": len(data),
        "trained": trained,
        "machine": machine,
        "quality": quality,
        "rounding": rounding,
    }
    write_atomic(to.with_suffix(".json"), (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    return record


def _halved(model: Path, network: FlowNetwork) -> bytes:
    """The file of a network's weights alone, in 16 bits."""
    weights = {
        name: weight.astype(np.float16) if weight.dtype == np.float32 else weight
        for name, weight in read_weights(model, "np", network.prefix).items()
    }
    about = {"name": network.name, "options": network.options, "frames": network.frames}
    return safetensors.numpy.save(weights, metadata(flow_network=about))


def _rounding(model: Path, data: bytes, frames: int) -> dict[str, Any]:
    """By how many pixels flow of rendered frames differs between the weights as they were trained and as they ship."""
    options = SyntheticOptions(videos=2, frames=frames, height=192, width=256, seed=1)
    videos = SOURCE.videos(options, "")
    read = [[frame.image for frame in SOURCE.read(video, range(frames))] for video in videos]  # type: ignore[union-attr]
    images = np.array(read).transpose(0, 1, 4, 2, 3).astype(np.float32) / np.float32(255)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        path.write_bytes(data)
        difference = trained_estimator(path)(images) - trained_estimator(model)(images)
    length = np.hypot(difference[:, 0], difference[:, 1])
    return {
        "unit": "px",
        "mean": _rounded(float(length.mean())),
        "largest": _rounded(float(length.max())),
        "pairs": len(videos),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
