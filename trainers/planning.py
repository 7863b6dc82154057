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
from common_fate.shards.limits import quoted
from pipeline.config.load import Dataset
from pipeline.config.schema import closest
from pipeline.registry import STAGES, VIEWS
from trainers.engine.options import TransformOptions

_TOO_FEW = "add videos, or validate on others, validation: {on: [...]}"


def check_view(names: Sequence[str], datasets: Mapping[str, Dataset], view: str, where: str) -> None:
    """Raises `UserError` where a dataset is not there or lacks a view, and says which would do."""
    for number, name in enumerate(names):
        at = f"{where}[{number}]"
        if name not in datasets:
            raise UserError(f"{at}: there is no dataset {quoted(name)}: {closest(name, [*datasets])}")
        if view not in datasets[name].views:
            able = [other for other, dataset in datasets.items() if view in dataset.views]
            add = f"adopt one that has {view}" if datasets[name].adopted else f"add {view} to datasets.{name}.views"
            advice = f"should be one of {', '.join(able)}" if able else add
            raise UserError(f"{at}: dataset {name!r} has no view {view}: {advice}")


def check_crops(options: Any, where: str, trained: Sequence[Dataset] = ()) -> None:
    """Raises `UserError` where a crop is larger than any image that it is taken from: most of it would be padding.

    Args:
        options: a dataclass, some of whose fields may be `TransformOptions`.
        trained: the datasets whose frames are cropped.
    """
    for one in fields(options):
        transforms = getattr(options, one.name)
        if not isinstance(transforms, TransformOptions):
            continue
        if transforms.shorter_side is not None:
            sides = {f"{where}.{one.name}.shorter_side": transforms.shorter_side}
        else:
            made = {dataset.where.removesuffix(".source"): dataset for dataset in trained if not dataset.adopted}
            sides = {f"{key}.frames.shorter_side": each.stages["frames"].shorter_side for key, each in made.items()}
        for key, side in sides.items():
            most = None if side is None else int(side * transforms.scale[1])
            if most is not None and transforms.crop > most:
                raise UserError(
                    f"{where}.{one.name}.crop is {transforms.crop}, and no frame is larger than {most} pixels at its "
                    f"shorter side ({key.partition(': ')[2]}): should be at most that"
                )


def check_circles(waits: Mapping[str, Sequence[str]], file: str) -> None:
    """Raises `UserError` where things wait for each other in a circle, so that none could be made first.

    Args:
        waits: what each thing waits for, by the paths of their keys in `file`.
    """
    done: set[str] = set()
    for node in waits:
        _walk(node, waits, (), done, file)


def _walk(node: str, waits: Mapping[str, Sequence[str]], path: tuple[str, ...], done: set[str], file: str) -> None:
    if node in path:
        circle = ", which waits for ".join((*path[path.index(node) + 1 :], node))
        raise UserError(f"{file}: {node} waits for {circle}: none of them could be made first")
    if node not in done:
        for other in waits[node]:
            _walk(other, waits, (*path, node), done, file)
        done.add(node)


def columns_below(view: str) -> list[str]:
    """Returns the columns that a view joins, and those that they are made from."""
    wanted = list(VIEWS[view].columns)
    for column in wanted:
        wanted += [read for read in STAGES[column].reads if read in STAGES and read not in wanted]
    return wanted


def check_videos(videos: Sequence[str], validation_share: float, train_share: float, where: str) -> None:
    """Raises `UserError` where no video of an experiment is held out, or none is left to train on.

    Args:
        videos: the ids of all its training videos.
        validation_share, train_share: see `trainers.data.split.Split`.
        where: the path of the experiment's key.
    """
    if videos and validation_share:
        check_held_out(videos, validation_share, f"{where}.validation.share", "videos", _TOO_FEW)
    left = [f"share/{video}" for video in videos if not in_share(validation_share, video)]
    if left and not any(in_share(train_share, name) for name in left):
        raise UserError(
            f"{where}.train_share is {train_share:g}: none of {len(left)} videos is trained on: should be at least "
            f"{_least(left):g}"
        )


def check_held_out(names: Sequence[str], share: float, key: str, what: str, advice: str) -> None:
    """Raises `UserError` where a share of names holds out none of them, or all, and says which share would do.

    Args:
        key: the path of the share's key.
        what: the names are of, in the plural.
        advice: what to do where no share would do.
    """
    if not names:
        raise UserError(f"{key} is {share:g}: there are no {what} to hold out of: {advice}")
    held = [in_share(share, name) for name in names]
    if not any(held):
        least = _least(names)
        apart = not all(in_share(least, name) for name in names)
        right = f"should be at least {least:g}" if apart else advice
        raise UserError(f"{key} is {share:g}: none of {len(names)} {what} is held out: {right}")
    if all(held):
        most = _least(names, all) - 0.001
        apart = most > 0 and any(in_share(most, name) for name in names)
        right = f"should be at most {most:g}" if apart else advice
        raise UserError(f"{key} is {share:g}: none of {len(names)} {what} is left to train on: {right}")


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
