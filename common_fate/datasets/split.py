"""Splitting: a view as two views of new datasets, for training and for validation, by video."""

from functools import partial
from pathlib import Path

from common_fate.datasets.copied_views import check_name, check_place, open_origin, pieces_of, write_set
from common_fate.datasets.holdout import in_share
from common_fate.errors import UserError
from common_fate.shards.folders import alone


def split(folder: Path, train: Path, val: Path, hold_out: float) -> tuple[Path, Path]:
    """Writes two datasets from a view: one with a share of its videos, held out, and one with all others.

    The videos are those that an experiment's `data: {hold_out: ...}` holds out of the view. A video's samples stay
    together, and so do frames that a sample is joined from.

    Returns:
        The folders of the views to train on and to validate on.

    Raises:
        UserError: a side would have no video, the names are no datasets' or one, a shard is damaged, or a folder is
            another dataset's or is being written.
    """
    check_name(train.name, "--train")
    check_name(val.name, "--val")
    if train == val:
        raise UserError(f"--train and --val are both {train.name}: give them two names")
    if not 0 < hold_out < 1:
        raise UserError(f"--hold-out {hold_out}: a share of the videos, more than 0 and less than 1")
    origin = open_origin(folder)
    held = partial(in_share, hold_out)
    held_out = pieces_of(origin, held, hold_out=hold_out, side="val")
    others = pieces_of(origin, lambda video: not held(video), hold_out=hold_out, side="train")
    if not held_out or not others:
        all_or_none, turn = ("none", "raise") if not held_out else ("all", "lower")
        raise UserError(
            f"{folder}: {all_or_none} of {len(origin.videos)} videos held out: {turn} --hold-out {hold_out}"
        )
    with alone(train, val):
        check_place(train, others)
        check_place(val, held_out)
        return write_set(train, others), write_set(val, held_out)
