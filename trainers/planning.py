"""What can be known of experiments before any of their jobs, and is refused then, in one line with the key's path.

Nothing here imports torch: Snakemake reads it in every job.
"""

import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import count
from typing import Any

from common_fate.datasets.holdout import in_share
from common_fate.errors import UserError
from pipeline.config.load import Dataset
from pipeline.config.schema import closest
from pipeline.registry import STAGES, VIEWS
from trainers.engine.options import TransformOptions

FOLDER = "results/experiments"
_TOO_FEW = "add videos, or validate on others, validation: {on: [...]}"


def check_view(names: Sequence[str], datasets: Mapping[str, Dataset], view: str, where: str) -> None:
    """Raises `UserError` where a dataset is not there or lacks a view, and says which would do."""
    for number, name in enumerate(names):
        at = f"{where}[{number}]"
        if name not in datasets:
            raise UserError(f"{at}: there is no dataset {name!r}: {closest(name, [*datasets])}")
        if view not in datasets[name].views:
            able = [other for other, dataset in datasets.items() if view in dataset.views]
            add = f"adopt one that has {view}" if datasets[name].adopted else f"add {view} to datasets.{name}.views"
            apart = most > 0 and any(in_share(most, video) for video in videos)
        advice = f"should be at most {most:g}" if apart else _TOO_FEW
        raise UserError(
            f"{where}.validation.share is {validation_share:g}: all of {len(videos)} videos are held out, and none is "
            f"left to train on: {advice}"
        )
    if left and not any(in_share(train_share, name) for name in left):
        raise UserError(
            f"{where}.train_share is {train_share:g}: none of {len(left)} videos is trained on: should be at least "
            f"{_least(left):g}"
        )


def _least(names: Sequence[str], enough: Callable[[Iterable[bool]], bool] = any) -> float:
    """The smallest share, in thousandths, that has any of the names, or all of them."""
    return next(share / 1000 for share in count(1) if enough(in_share(share / 1000, name) for name in names))


def gpus_here() -> int:
    """Returns how many GPUs this machine has, as NVIDIA's driver says."""
    try:
        said = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in said.stdout.splitlines())
