"""Models that ship: from an experiment to the file that is used where no model is given, and the record beside it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from common_fate.errors import UserError
from common_fate.shards.files import write_atomic
from common_fate.shards.record import file_sha256
from trainers.models.ship_record import history_of, quality_of
from trainers.models.weights_file import metadata, read_about, read_weights

MAX_BYTES = 12_000_000


def ship_model(experiments: Sequence[Path], evaluation: str, machine: str, to: Path) -> dict[str, Any]:
    """Writes an experiment's model as weights to ship, and the record of how they came about beside them.

    Weights are kept in 16 bits and read back as 32. The same experiments give the same bytes.

    Args:
        experiments: folders `results/experiments/NAME`, in the order in which each started from the one before, the
            first from random weights or from those at `to`, whose record then stays. The last one's model is written.
        evaluation: of it, whose rows are the measured quality.
        machine: what trained them, in words.
        to: the file, `.safetensors`; the record is the `.json` of that name.

    Returns:
        The record.

    Raises:
        UserError: a file of an experiment is missing or damaged, one started from something else, a weight is too large
            for 16 bits, or the file would be larger than `MAX_BYTES`.
    """
    model = experiments[-1] / "model.safetensors"
    about = read_about(model)
    record: dict[str, Any] = {"method": about.get("method"), "options": about.get("options"), "weights": to.name}
    quality, trained = quality_of(experiments[-1], evaluation), history_of(experiments, to)
    data = safetensors.numpy.save(_halved(model), metadata(**about))
    if len(data) > MAX_BYTES:
        raise UserError(f"{model}: would be {len(data):,} bytes to ship: at most {MAX_BYTES:,}")
    write_atomic(to, data)
    record |= {"sha256": file_sha256(to), "bytes": len(data), "trained": trained, "machine": machine}
    record |= {"quality": {"evaluation": evaluation, **quality}}
    write_atomic(to.with_suffix(".json"), (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    return record


def _halved(model: Path) -> dict[str, Any]:
    """Weights in 16 bits, without the counts of batches, which no network needs that averages as these do."""
    weights = read_weights(model, "np")
    with np.errstate(over="ignore"):
        halved = {
            name: weight.astype(np.float16) if weight.dtype == np.float32 else weight
            for name, weight in weights.items()
            if not name.endswith("num_batches_tracked")
        }
    for name, weight in halved.items():
        if not np.isfinite(weight).all():
            raise UserError(f"{model}: {name} has weights that are too large for 16 bits")
    return halved
